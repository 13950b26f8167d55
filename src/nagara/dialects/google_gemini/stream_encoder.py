"""Events as a stream in Gemini's dialect: each piece a whole response with the parts that are new.

Theory of operation. Text and thoughts go out as they come. This dialect has no pieces of a tool
call, so a call is held until it is whole; and since another part may begin before a call's last
piece comes, whatever follows a held call waits behind it until its choice ends. Reasons, usage and
grounding go out with the last piece.

Two forms: server-sent events (`alt=sse`), or one JSON array that grows.
https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from typing import Any

import msgspec

from nagara.dialects.codec import Frame, StreamEncoder
from nagara.dialects.envelope import enclose
from nagara.dialects.google_gemini.answer_parts import (
    PartWriter,
    merge_signature,
    write_end,
    write_logprobs,
)
from nagara.dialects.google_gemini.refusal import encode_error
from nagara.dialects.google_gemini.usage import write_usage
from nagara.dialects.google_gemini.wire import NAME, write
from nagara.dialects.sse import encode_event
from nagara.domain.errors import GatewayError
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    LogprobsAdded,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    TokenLogprob,
    UsageReported,
)
from nagara.domain.messages import Citation, Part, Reasoning, Refusal, Signature, Text, ToolCall
from nagara.domain.usage import Usage


class _Part:
    """A part on its way out. Its text is kept for what is said of it at the end."""

    def __init__(self, index: int, part: Part) -> None:
        self.index = index
        self.part = part
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.signature: Signature | None = getattr(part, "signature", None)
        self.is_held = False

    def whole(self) -> Part:
        """The part with all that was added to it."""
        part, text = self.part, "".join(self.pieces)
        match part:
            case ToolCall():
                changes: dict[str, Any] = {"arguments": part.arguments + text}
            case Text():
                citations = (*part.citations, *self.citations)
                changes = {"text": part.text + text, "citations": citations}
            case Reasoning() | Refusal():
                changes = {"text": part.text + text}
            case _:
                return part
        if isinstance(part, ToolCall | Reasoning):
            changes["signature"] = self.signature
        return msgspec.structs.replace(part, **changes)


class _Candidate:
    """One choice on its way out."""

    def __init__(self) -> None:
        self.parts: dict[int, _Part] = {}
        self.is_holding = False
        self.ended: ChoiceEnded | None = None
        self.logprobs: list[TokenLogprob] = []


class GeminiStreamEncoder(StreamEncoder):
    """One streamed answer; `is_array` for the form without `alt=sse`."""

    # Google's SDKs take a comment for the beginning of an error.
    # https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py
    has_comments = False

    def __init__(self, frame: Frame, *, is_array: bool = False) -> None:
        super().__init__(frame)
        self._is_array = is_array
        self._has_written = False
        self._dialect = ""
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage | None = None
        self._id = frame.make_id("resp_")

    def encode(self, event: Event) -> bytes:
        """The bytes for one event; most of them come with text, the rest at the end."""
        match event:
            case PartDelta(index, text, choice):
                return self._add(self._candidate(choice), choice, index, text)
            case PartBegan(index, part, choice):
                return self._begin(self._candidate(choice), choice, _Part(index, part))
            case PartAmended():
                self._amend(event)
            case PartEnded(index, choice):
                return self._end_part(self._candidate(choice), choice, index)
            case LogprobsAdded(logprobs, choice):
                self._candidate(choice).logprobs.extend(logprobs)
            case ChoiceEnded(choice=choice):
                self._candidate(choice).ended = event
            case UsageReported(usage):
                self._usage = usage
            case Began():
                self._dialect, self._usage = event.dialect, event.usage
            case Ended():
                return self._finish(event)
            case _:
                pass
        return b""

    def fail(self, error: GatewayError) -> bytes:
        """An error in place of a response, which Google's SDK raises; nothing follows."""
        body = encode_error(error, self.frame.request_id)
        if not self._is_array:
            return encode_event(body)
        return (b",\r\n" if self._has_written else b"[") + body + b"]"

    def _candidate(self, choice: int) -> _Candidate:
        if choice not in self._candidates:
            self._candidates[choice] = _Candidate()
        return self._candidates[choice]

    def _begin(self, candidate: _Candidate, choice: int, begun: _Part) -> bytes:
        candidate.parts[begun.index] = begun
        candidate.is_holding |= isinstance(begun.part, ToolCall)
        begun.is_held = candidate.is_holding
        text = begun.part.text if isinstance(begun.part, Text | Reasoning | Refusal) else ""
        if begun.is_held or not text:
            return b""
        return self._write_text(choice, begun.part, text)

    def _add(self, candidate: _Candidate, choice: int, index: int, text: str) -> bytes:
        begun = candidate.parts.get(index)
        if begun is None:
            return b""
        begun.pieces.append(text)
        if begun.is_held or not text:
            return b""
        return self._write_text(choice, begun.part, text)

    def _write_text(self, choice: int, part: Part, text: str) -> bytes:
        made: dict[str, Any] = {"text": text}
        if isinstance(part, Reasoning):
            made["thought"] = True
        return self._write_parts(choice, [made])

    def _amend(self, event: PartAmended) -> None:
        begun = self._candidate(event.choice).parts.get(event.index)
        if begun is None:
            return
        if event.citation is not None:
            begun.citations.append(event.citation)
        if event.signature is not None:
            begun.signature = event.signature

    def _end_part(self, candidate: _Candidate, choice: int, index: int) -> bytes:
        """A part that was not told in pieces goes out whole; a thought's signature after it."""
        begun = candidate.parts.get(index)
        if begun is None or begun.is_held:
            return b""
        part = begun.part
        if isinstance(part, Text | Refusal):
            return b""
        if isinstance(part, Reasoning) and (begun.pieces or part.text):
            if begun.signature is None:
                return b""
            signed = {"text": "", "thought": True, "thoughtSignature": enclose(begun.signature)}
            return self._write_parts(choice, [signed])
        # Never a call: those are held.
        made = PartWriter(self.frame, choice, self.dropped, is_own=True).write(index, begun.whole())
        return b"" if made is None else self._write_parts(choice, [made])

    def _finish(self, ended: Ended) -> bytes:
        """The last piece: what was held, the reasons, grounding and usage."""
        is_own = self._dialect == NAME
        body: dict[str, Any] = {}
        feedback = ended.extras.get("promptFeedback") if is_own else None
        if feedback is not None:
            body["promptFeedback"] = feedback
        if feedback is None or any(found.parts for found in self._candidates.values()):
            body["candidates"] = [
                self._write_end(choice, candidate, is_own=is_own)
                for choice, candidate in sorted(self._candidates.items())
            ]
        usage = write_usage(self._usage, ended.service_tier)
        last = self._write(body | {"usageMetadata": usage})
        return last + b"]" if self._is_array else last

    def _write_end(self, choice: int, candidate: _Candidate, *, is_own: bool) -> dict[str, Any]:
        ended = candidate.ended or ChoiceEnded(finish=None)
        # Held parts are written here; the others only for what the grounding says of them, and
        # what they had to leave out was named when they went out.
        held = PartWriter(self.frame, choice, self.dropped, is_own=is_own)
        parts: list[dict[str, Any]] = []
        told = PartWriter(self.frame, choice, [], is_own=is_own)
        for index, begun in sorted(candidate.parts.items()):
            part = begun.whole()
            told.write(index, part)
            made = held.write(index, part) if begun.is_held else None
            if made is not None and not merge_signature(parts, made, part):
                parts.append(made)
        # Google's SDK forgets the whole turn if any piece of it is without parts.
        parts = parts or [{"text": ""}]
        said: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": choice}
        said |= write_end(told.finish(ended.finish), ended, is_own=is_own)
        if grounding := told.grounding(ended.extras if is_own else {}, self.dropped):
            said["groundingMetadata"] = grounding
        if candidate.logprobs:
            said["logprobsResult"] = write_logprobs(candidate.logprobs)
        return said

    def _write_parts(self, choice: int, parts: list[dict[str, Any]]) -> bytes:
        content = {"parts": parts, "role": "model"}
        return self._write({"candidates": [{"content": content, "index": choice}]})

    def _write(self, body: dict[str, Any]) -> bytes:
        body["modelVersion"] = self.frame.model
        body["responseId"] = self._id
        data = write(body)
        if not self._is_array:
            return encode_event(data)
        begin = b",\r\n" if self._has_written else b"["
        self._has_written = True
        return begin + data


def encode_stream(frame: Frame, *, is_array: bool = False) -> StreamEncoder:
    """The encoder of one streamed answer."""
    return GeminiStreamEncoder(frame, is_array=is_array)
