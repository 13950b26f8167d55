"""What Gemini's models answer of sound, spoken or heard, as far as it is read.

Whole answers and the events of a stream have one shape. Counts stand in every event, and the last
are the answer's.

Sources: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse and the types of
https://github.com/googleapis/python-genai
"""

from typing import Final

import msgspec

from nagara.dialects.codec import Target
from nagara.dialects.exchange import Aim, unreadable
from nagara.dialects.google_gemini.refusal import read_refusal
from nagara.dialects.google_gemini.usage import UsageWire
from nagara.dialects.google_gemini.wire import ErrorWire
from nagara.domain.errors import ErrorKind, GatewayError

STOPPED_WELL: Final = "STOP"
REFUSED: Final = frozenset(
    {"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "LANGUAGE"}
)
"""Why an answer ended that is the fault of what was asked."""


class Blob(msgspec.Struct, rename="camel", gc=False):
    """Data within a part."""

    data: str
    mime_type: str | None = None


class HeardWord(msgspec.Struct, rename="camel", gc=False):
    """A word with its times, such as `"1.2s"`."""

    word: str
    start_offset: str | None = None
    end_offset: str | None = None
    speaker_label: str | None = None


class Heard(msgspec.Struct, rename="camel", gc=False):
    """`audioTranscription`: what one speaker said in one go."""

    text: str = ""
    words: list[HeardWord] | None = None
    speaker_label: str | None = None
    language_code: str | None = None


class Part(msgspec.Struct, rename="camel", gc=False):
    """One part of a candidate."""

    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    audio_transcription: Heard | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[Part] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: str | None = None


class Answer(msgspec.Struct, rename="camel", gc=False):
    """An answer, or one event of it."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: UsageWire | None = None
    error: ErrorWire | None = None

    @property
    def parts(self) -> list[Part]:
        """Those of the one candidate that was asked for, without its thoughts."""
        content = self.candidates[0].content if self.candidates else None
        parts = (content.parts if content is not None else None) or []
        return [part for part in parts if not part.thought]

    @property
    def finish_reason(self) -> str | None:
        """Why it ended, if it did."""
        return self.candidates[0].finish_reason if self.candidates else None


_decoder = msgspec.json.Decoder(Answer)


def decode_answer(data: bytes, aim: Aim) -> Answer:
    """An answer, or an event. Raises `GatewayError` if it cannot be read, or is a refusal."""
    try:
        answer = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(str(error)) from error
    if answer.error is not None:
        to = Target(provider=aim.provider, model=aim.model, maker="")
        raise read_refusal(answer.error, to)
    blocked = answer.prompt_feedback.block_reason if answer.prompt_feedback else None
    reason = blocked or answer.finish_reason or STOPPED_WELL
    if reason != STOPPED_WELL:
        raise _stopped(reason, aim, is_blocked=blocked is not None)
    return answer


def _stopped(reason: str, aim: Aim, *, is_blocked: bool) -> GatewayError:
    if is_blocked or reason in REFUSED:
        return GatewayError(
            ErrorKind.INVALID_REQUEST, f"{aim.provider} refused this request: {reason[:60]!r}."
        )
    return GatewayError(
        ErrorKind.UPSTREAM_ERROR,
        f"{aim.provider} ended its answer before it was complete: {reason[:60]!r}.",
    )
