"""Events to the stream that a Messages caller reads.

Theory of operation. Blocks come strictly one after the other here: one is open, and what belongs to
a later part waits until it is closed. A part may still be added to after it has ended, when a
provider interleaves parallel calls; so a call stays open until its arguments are whole JSON, or the
choice has ended. A text of nothing is never begun. Usage and the reason of the end are told once,
in `message_delta`, when all of it is known; `message_start` says what is known of the input.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections import deque
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.block_encoder import Block
from nagara.dialects.anthropic_messages.citations import encode_citation
from nagara.dialects.anthropic_messages.error import encode_error
from nagara.dialects.anthropic_messages.response_encoder import (
    AnswerBlocks,
    begin_message,
    encode_end,
    is_empty_text,
    is_nothing,
    is_unexplained,
)
from nagara.dialects.anthropic_messages.usage import encode_usage
from nagara.dialects.anthropic_messages.wire import NAME, encode_body
from nagara.dialects.codec import Frame, StreamEncoder
from nagara.dialects.sse import encode_event
from nagara.domain.errors import GatewayError
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    UsageReported,
)
from nagara.domain.messages import (
    Citation,
    Extras,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Usage

PING = encode_event(b'{"type":"ping"}', "ping")
STOP = encode_event(b'{"type":"message_stop"}', "message_stop")

# The delta of each kind of block: its type, and the name of what it adds.
_DELTAS = {
    Text: ("text_delta", "text"),
    Refusal: ("text_delta", "text"),
    Reasoning: ("thinking_delta", "thinking"),
    ToolCall: ("input_json_delta", "partial_json"),
}
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Waiting:
    """A part that has begun and is not closed; `pieces` are those that were not written yet."""

    def __init__(self, index: int, part: Part) -> None:
        self.index = index
        self.part = part
        self.pieces: list[str] = []
        self.arguments: list[str] = []
        self.citations: list[Citation] = []
        self.signature: Signature | None = getattr(part, "signature", None)
        self.is_ended = False
        self.is_written = False

    def add(self, text: str) -> None:
        self.pieces.append(text)
        if isinstance(self.part, ToolCall):
            self.arguments.append(text)

    def is_whole(self) -> bool:
        """Whether nothing more can come after its end."""
        if not self.is_ended or not isinstance(self.part, ToolCall):
            return self.is_ended
        try:
            _object_decoder.decode("".join(self.arguments).encode(errors="replace"))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class MessagesEncoder(StreamEncoder):
    """One streamed answer."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self._blocks = AnswerBlocks(frame, "")
        self._dialect = ""
        self._usage: Usage | None = None
        self._open: _Waiting | None = None
        self._queue: deque[_Waiting] = deque()
        self._known: dict[int, _Waiting] = {}
        self._next_index = 0
        self._has_refusal = False
        self._finish = ChoiceEnded(finish=None)

    def encode(self, event: Event) -> bytes:
        """The bytes for one event."""
        match event:
            case PartDelta(index, text, 0):
                return self._add_delta(index, text)
            case PartBegan(index, part, 0):
                return self._begin_part(index, part)
            case PartAmended(choice=0):
                return self._amend(event)
            case PartEnded(index, 0):
                return self._end_part(index)
            case Began():
                return self._begin(event)
            case ChoiceEnded(choice=0):
                self._finish = event
                return self._close_all()
            case UsageReported(usage):
                self._usage = usage
                return b""
            case Ended(extras=extras):
                return self._close_all() + self._end(extras) + STOP
            case _:
                return b""

    def fail(self, error: GatewayError) -> bytes:
        """An `error` event, which the SDK raises; nothing follows it."""
        return encode_event(encode_error(error, self.frame.request_id), "error")

    def _begin(self, event: Began) -> bytes:
        self._dialect, self._usage = event.dialect, event.usage
        self._blocks = AnswerBlocks(self.frame, event.dialect)
        self._blocks.dropped = self.dropped
        message = begin_message(
            self.frame,
            event.id if event.dialect == NAME else None,
            event.usage,
            event.service_tier,
        )
        # Anthropic sends a ping here too, and clients time the first byte by it.
        return _event("message_start", message=message) + PING

    def _begin_part(self, index: int, part: Part) -> bytes:
        waiting = _Waiting(index, part)
        begun = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        if type(part) in _DELTAS and begun:
            waiting.add(begun)
        if isinstance(part, Text):
            waiting.citations += part.citations
        self._has_refusal = self._has_refusal or isinstance(part, Refusal)
        self._known[index] = waiting
        self._queue.append(waiting)
        return self._advance()

    def _add_delta(self, index: int, text: str) -> bytes:
        waiting = self._known.get(index)
        if waiting is None or not text:
            return b""
        if waiting is not self._open:
            # Written and not open: its block is closed.
            if waiting.is_written and waiting not in self._queue:
                return self._begin_again(waiting, text)
            waiting.add(text)
            return b""
        # Kept to see when they are whole; the text of a part is written and forgotten.
        if isinstance(waiting.part, ToolCall):
            waiting.arguments.append(text)
        begun = b"" if waiting.is_written else self._write_beginning(waiting)
        return begun + self._delta(waiting, text)

    def _begin_again(self, closed: _Waiting, text: str) -> bytes:
        """More of a part whose block is closed: a block of its own, since none is opened twice."""
        if isinstance(closed.part, ToolCall) or type(closed.part) not in _DELTAS:
            return b""
        kind = type(closed.part)
        began = self._begin_part(closed.index, Reasoning() if kind is Reasoning else Text(""))
        return began + self._add_delta(closed.index, text) + self._end_part(closed.index)

    def _amend(self, event: PartAmended) -> bytes:
        waiting = self._known.get(event.index)
        if waiting is None:
            return b""
        waiting.signature = event.signature or waiting.signature
        if event.signature is not None and not isinstance(waiting.part, Reasoning):
            # It would have to stand before the block, which has begun.
            self.dropped.append("signature")
        if event.citation is None or not isinstance(waiting.part, Text):
            return b""
        if waiting is self._open:
            begun = b"" if waiting.is_written else self._write_beginning(waiting)
            return begun + self._citation(event.citation)
        waiting.citations.append(event.citation)
        return b""

    def _end_part(self, index: int) -> bytes:
        waiting = self._known.get(index)
        if waiting is None:
            return b""
        waiting.is_ended = True
        return self._close() + self._advance() if waiting is self._open else b""

    def _advance(self) -> bytes:
        """Open what waits, one after the other, as long as what is open can be closed."""
        written = b""
        while self._queue and self._open is None:
            self._open = waiting = self._queue.popleft()
            written += self._write_waiting(waiting) + self._close()
        return written

    def _close_all(self) -> bytes:
        """Nothing more comes: every part is as whole as it gets."""
        written = b""
        while self._open is not None or self._queue:
            if self._open is not None:
                written += self._write_end(self._open)
                self._open = None
            written += self._advance()
        return written

    def _close(self) -> bytes:
        if self._open is None or not self._open.is_whole():
            return b""
        written = self._write_end(self._open)
        self._open = None
        return written

    def _write_waiting(self, waiting: _Waiting) -> bytes:
        """What is known of a part, as soon as its turn has come."""
        part = waiting.part
        if type(part) not in _DELTAS or (isinstance(part, Reasoning) and part.is_redacted):
            waiting.is_written = True
            return b"".join(
                self._write_block(block)
                for block in self._blocks.encode(part, waiting.index)
                if not is_empty_text(block)
            )
        text = "".join(waiting.pieces)
        if not text and not waiting.citations and not isinstance(part, ToolCall):
            return b""
        written = self._write_beginning(waiting)
        if text:
            written += self._delta(waiting, text)
        return written + b"".join(self._citation(citation) for citation in waiting.citations)

    def _write_beginning(self, waiting: _Waiting) -> bytes:
        waiting.is_written = True
        part = waiting.part
        block: dict[str, Any] = {"type": "text", "text": ""}
        before = b""
        if isinstance(part, Reasoning):
            block = {"type": "thinking", "thinking": "", "signature": ""}
        elif isinstance(part, ToolCall):
            before = b"".join(
                self._write_block(hidden)
                for hidden in self._blocks.encode_signature(waiting.signature)
            )
            block = self._blocks.begin_call(part, waiting.index)
        return before + self._start(block)

    def _write_end(self, waiting: _Waiting) -> bytes:
        part = waiting.part
        if type(part) not in _DELTAS or (isinstance(part, Reasoning) and part.is_redacted):
            return b""
        written = b""
        if isinstance(part, Reasoning):
            whole = msgspec.structs.replace(part, signature=waiting.signature)
            if not waiting.is_written and is_nothing(whole):
                return b""
            if not waiting.is_written:
                written = self._write_beginning(waiting)
            delta = {"type": "signature_delta", "signature": self._blocks.seal(waiting.signature)}
            written += _event("content_block_delta", index=self._next_index - 1, delta=delta)
        return written + self._stop() if waiting.is_written else b""

    def _write_block(self, block: Block) -> bytes:
        return self._start(block) + self._stop()

    def _start(self, block: Block) -> bytes:
        self._next_index += 1
        return _event("content_block_start", index=self._next_index - 1, content_block=block)

    def _stop(self) -> bytes:
        return _event("content_block_stop", index=self._next_index - 1)

    def _delta(self, waiting: _Waiting, text: str) -> bytes:
        """The hot path: one delta, written by hand around its text."""
        kind, name = _DELTAS[type(waiting.part)]
        return (
            (
                f"event: content_block_delta\n"
                f'data: {{"type":"content_block_delta","index":{self._next_index - 1},'
                f'"delta":{{"type":"{kind}","{name}":'
            ).encode()
            + encode_body(text)
            + b"}}\n\n"
        )

    def _citation(self, citation: Citation) -> bytes:
        delta = {"type": "citations_delta", "citation": encode_citation(citation)}
        return _event("content_block_delta", index=self._next_index - 1, delta=delta)

    def _end(self, extras: Extras) -> bytes:
        # The SDK puts these counts in the place of those of message_start, so they are all here.
        delta = encode_end(self._finish, has_refusal=self._has_refusal)
        if is_unexplained(self._finish, delta):
            self.dropped.append("explanation")
        more: dict[str, Any] = {}
        if self._dialect == NAME:
            delta |= {k: v for k, v in extras.items() if k == "container"}
            more = {k: v for k, v in extras.items() if k != "container"}
        return _event("message_delta", delta=delta, usage=encode_usage(self._usage), **more)


def encode_stream(frame: Frame) -> StreamEncoder:
    """The encoder of one streamed answer."""
    return MessagesEncoder(frame)


def _event(name: str, **fields: Any) -> bytes:
    return encode_event(encode_body({"type": name, **fields}), name)
