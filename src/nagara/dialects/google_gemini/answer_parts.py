"""Parts of an answer as a caller of Gemini's dialect gets them: one wire part for each.

What another provider ran itself has a place here if it is a search (in the grounding metadata) or
code; otherwise it is left out and named. It is never told as a call for the caller to run.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.codec import Frame
from nagara.dialects.envelope import enclose
from nagara.dialects.google_gemini.finish import name_finish
from nagara.dialects.google_gemini.grounding import write_grounding
from nagara.dialects.google_gemini.parts import ON_TEXT
from nagara.dialects.google_gemini.signatures import STAND_IN
from nagara.dialects.google_gemini.wire import NAME, read
from nagara.dialects.json_fields import Fields
from nagara.domain.events import Choice, ChoiceEnded, FinishReason, TokenLogprob
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Source,
    Text,
    ToolCall,
)

Wired = dict[str, Any]

_fields_decoder = msgspec.json.Decoder(Fields)
_MARK = "thoughtSignature"
DECLINED = "The model declined."
"""What is said of a refusal by a provider that does not explain it: no reason here names it."""


class SearchWire(msgspec.Struct, gc=False):
    """What a search or a run of code was asked for."""

    query: str | None = None
    queries: list[str] | None = None
    code: str | None = None


_search_decoder = msgspec.json.Decoder(SearchWire)


class PartWriter:
    """Writes the parts of one candidate, and gathers what its grounding metadata will say."""

    def __init__(self, frame: Frame, choice: int, dropped: list[str], *, is_own: bool) -> None:
        # Gemini wants a signature on the first of a turn's calls, if the conversation goes to it.
        self._needs_stand_in = not is_own
        self._frame = frame
        self._choice = choice
        self._dropped = dropped
        self._queries: list[str] = []
        self._sources: list[Source] = []
        self._texts: list[Text] = []
        self._has_refusal = False

    def write(self, index: int, part: Part) -> Wired | None:
        """The wire part for a whole one; None if it has no place, or only in the metadata."""
        match part:
            case Text():
                self._texts.append(part)
                return {"text": part.text} if part.text else None
            case Refusal():
                self._has_refusal = True
                return {"text": part.text}
            case Reasoning():
                return self._write_reasoning(part)
            case ToolCall():
                return self._write_call(index, part)
            case Media():
                return self._write_media(part)
            case HostedCall() | HostedResult():
                return self._write_hosted(part)
            case Opaque() if part.dialect == NAME:
                return dict(read(part.raw, _fields_decoder).items())
            case Opaque():
                self._dropped.append(part.type)
        return None

    def finish(self, reason: FinishReason | None) -> FinishReason | None:
        """Why the candidate ended. A refusal has no part of its own here, so this must tell it."""
        is_refusal = self._has_refusal and reason is FinishReason.STOP
        return FinishReason.REFUSAL if is_refusal else reason

    def grounding(self, extras: Any, dropped: list[str]) -> Any:
        """`groundingMetadata`: Google's own as it came, or what was cited otherwise."""
        if (own := extras.get("groundingMetadata")) is not None:
            return own
        if any(citation.url is None for text in self._texts for citation in text.citations):
            # Only pages of the web have a place there.
            dropped.append("citations")
        return write_grounding(self._texts, self._queries, self._sources)

    def _write_reasoning(self, part: Reasoning) -> Wired:
        said: Wired = {"text": part.text}
        # A signature alone that stood on a text is told as one without a thought.
        if part.text or part.is_redacted:
            said["thought"] = True
        if part.signature is not None:
            said[_MARK] = enclose(part.signature)
        return said

    def _write_call(self, index: int, part: ToolCall) -> Wired:
        id_ = part.id or self._frame.make_id("call_", index)
        said: Wired = {"functionCall": {"id": id_, "name": part.name, "args": _as_args(part)}}
        signed = _signed(part.signature)
        if self._needs_stand_in:
            signed = signed or {_MARK: STAND_IN}
        self._needs_stand_in = False
        return said | signed

    def _write_media(self, part: Media) -> Wired | None:
        if part.data is not None:
            mime = part.media_type or f"{part.kind.value}/*"
            return {"inlineData": {"mimeType": mime, "data": part.data}} | _signed(part.signature)
        if (address := part.url or part.file_id) is not None:
            named = {"fileUri": address}
            if part.media_type is not None:
                named["mimeType"] = part.media_type
            return {"fileData": named}
        self._dropped.append(part.kind.value)
        return None

    def _write_hosted(self, part: HostedCall | HostedResult) -> Wired | None:
        if part.dialect == NAME and part.raw is not None:
            said: Wired = dict(read(part.raw, _fields_decoder).items())
            return said | _signed(part.signature)
        if part.kind is HostedKind.WEB_SEARCH:
            self._note_search(part)
            return None
        if part.kind is HostedKind.CODE_EXECUTION and isinstance(part, HostedResult):
            outcome = "OUTCOME_FAILED" if part.is_error else "OUTCOME_OK"
            return {"codeExecutionResult": {"outcome": outcome, "output": part.output or ""}}
        if part.kind is HostedKind.CODE_EXECUTION and isinstance(part, HostedCall):
            code = _read_search(part.arguments).code
            if code is not None:
                return {"executableCode": {"language": "PYTHON", "code": code}}
        if part.dialect != NAME:
            self._dropped.append(part.name)
        return None

    def _note_search(self, part: HostedCall | HostedResult) -> None:
        """What the grounding metadata has a place for: queries and pages.

        A page that was opened, or a search that failed, has none and is named.
        """
        if isinstance(part, HostedResult):
            self._sources += part.sources
            is_lost = part.is_error and not part.sources
        else:
            asked = _read_search(part.arguments)
            queries = asked.queries or ([asked.query] if asked.query else [])
            self._queries += queries
            is_lost = not queries
        if is_lost:
            self._dropped.append(part.name)


def merge_signature(parts: list[Wired], made: Wired, part: Part) -> bool:
    """Put a signature that stood on the text before it back there; whether that was done."""
    if not (isinstance(part, Reasoning) and not part.text and part.signature is not None):
        return False
    last = parts[-1] if parts else {}
    if part.signature.text != ON_TEXT or "text" not in last or last.keys() & {"thought", _MARK}:
        return False
    last[_MARK] = made[_MARK]
    return True


def write_logprobs(logprobs: Sequence[TokenLogprob]) -> Wired:
    """`logprobsResult`."""
    said: Wired = {"chosenCandidates": [_write_token(chosen) for chosen in logprobs]}
    if any(chosen.top for chosen in logprobs):
        said["topCandidates"] = [
            {"candidates": [_write_token(top) for top in chosen.top]} for chosen in logprobs
        ]
    return said


def write_end(finish: FinishReason | None, ended: Choice | ChoiceEnded, *, is_own: bool) -> Wired:
    """The fields of a candidate that say how it ended: Google's own as they came."""
    if is_own:
        said: Wired = {"finishReason": ended.native_finish or name_finish(finish)}
        return said | {k: v for k, v in ended.extras.items() if k != "groundingMetadata"}
    said = {"finishReason": name_finish(finish)}
    is_refusal = finish is FinishReason.REFUSAL
    if explanation := ended.explanation or (DECLINED if is_refusal else None):
        said["finishMessage"] = explanation
    return said


def _write_token(token: TokenLogprob) -> Wired:
    return {"token": token.token, "logProbability": token.logprob}


def _signed(signature: Signature | None) -> Wired:
    return {} if signature is None else {_MARK: enclose(signature)}


def _as_args(part: ToolCall) -> Any:
    """Arguments as an object; text that is none, as a custom tool's is, is put into one."""
    data = part.arguments.encode(errors="replace") or b"{}"
    try:
        read(data, _fields_decoder)
    except msgspec.DecodeError:
        return {"input": part.arguments}
    return msgspec.Raw(data)


def _read_search(arguments: str) -> SearchWire:
    try:
        return read(arguments.encode(errors="replace"), _search_decoder)
    except msgspec.DecodeError:
        return SearchWire()
