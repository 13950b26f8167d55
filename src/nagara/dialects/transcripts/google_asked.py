"""Gemini's models that were not made for transcripts: they are asked for one in words.

They give the text alone. What they may write, thoughts included, is bounded by what is held for.

Source: https://ai.google.dev/gemini-api/docs/audio#get-a-transcript
"""

from typing import Any, Final

from nagara.dialects.exchange import Aim
from nagara.dialects.google_gemini.thinking import write_thinking
from nagara.dialects.transcripts import google
from nagara.dialects.transcripts.request import TranscriptRequest
from nagara.dialects.transcripts.wire import Asked
from nagara.domain.demand import Sound
from nagara.domain.messages import Effort, ReasoningOptions

KNOWN: Final = frozenset({"prompt"})
HAS_TIMES: Final = False
TRANSCRIBE: Final = (
    "Transcribe the speech in this audio word for word, in the language that is spoken. Answer "
    "with the transcript alone: no remarks, no times, no names of speakers. If nobody speaks, "
    "answer with nothing."
)
TRANSLATE: Final = (
    "Translate the speech in this audio into English. Answer with the translation alone: no "
    "remarks, no times, no names of speakers. If nobody speaks, answer with nothing."
)

decode = google.decode
listen = google.listen


def encode(request: TranscriptRequest, aim: Aim) -> Asked:
    """What is wanted, in words, and the audio."""
    text = TRANSLATE if request.is_translation else TRANSCRIBE
    if request.language is not None:
        text += f" The language that is spoken is {request.language!r}."
    if request.prompt is not None:
        text += f" What may help to spell it right, and is no part of it: {request.prompt!r}."
    thinking = write_thinking(ReasoningOptions(effort=Effort.NONE, is_shown=False), aim.model)
    config: dict[str, Any] = {
        "maxOutputTokens": Sound(heard_ms=request.file.ms).written_tokens_max,
        "thinkingConfig": thinking,
    }
    if request.temperature is not None:
        config["temperature"] = float(request.temperature)
    return google.ask([{"text": text}], config, request, aim)
