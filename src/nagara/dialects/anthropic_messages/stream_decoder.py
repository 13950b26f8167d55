"""Streams of an Anthropic server to events.

Theory of operation. A message is a run of blocks, one after the other, each begun, added to and
stopped. Text, thinking and the caller's own calls are told as they come. A block of a hosted tool,
and one that the hub does not know, is told when it is whole, because it stays raw; so is a
compaction, whose content comes as a delta. `message_delta` says why the message ended and the
totals of usage, `message_stop` that nothing follows; an `error` event ends a stream instead.

Servers that only resemble Anthropic's may leave out `content_block_stop`, or open a block without
a word: what is open is closed when the next begins or the message ends.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Sequence

import msgspec

from nagara.dialects.anthropic_messages.block_decoder import decode_block
from nagara.dialects.anthropic_messages.citations import decode_citation
from nagara.dialects.anthropic_messages.error import read_failure
from nagara.dialects.anthropic_messages.finish import decode_finish
from nagara.dialects.anthropic_messages.hosted import CALL_TYPES
from nagara.dialects.anthropic_messages.response import MessagesUsage
from nagara.dialects.anthropic_messages.response_decoder import (
    WireMessage,
    keep,
    read_explanation,
)
from nagara.dialects.anthropic_messages.usage import decode_service_tier
from nagara.dialects.anthropic_messages.wire import (
    NAME,
    blame_upstream,
    check_text,
    decode_leniently,
    encode,
    read_mended,
    read_object,
    read_type,
)
from nagara.dialects.base import NOTHING
from nagara.dialects.codec import StreamDecoder, Target
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    Failed,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    UsageReported,
)
from nagara.domain.messages import Citation, Part, Reasoning, Signature, Text, ToolCall

_OPEN_TYPES = frozenset({"text", "thinking", "tool_use"})
"""Blocks that are told as they come."""


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    encrypted_content: msgspec.Raw = NOTHING
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: msgspec.Raw = NOTHING
    container: msgspec.Raw = NOTHING


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int = 0
    delta: _Delta | None = None
    content_block: msgspec.Raw = NOTHING
    message: WireMessage | None = None
    usage: MessagesUsage | None = None
    context_management: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


class _Held:
    """A block that is told when it is whole."""

    def __init__(self, raw: msgspec.Raw, block_type: str) -> None:
        self.raw = raw.copy()
        self.block_type = block_type
        self.pieces: list[str] = []
        self.fields: dict[str, msgspec.Raw] = {}

    def whole(self) -> msgspec.Raw:
        """The block with all that came after its beginning."""
        fields = dict(self.fields)
        if self.pieces:
            fields["input"] = _read_input("".join(self.pieces))
        if not fields:
            return self.raw
        begun = read_mended(_read_fields, bytes(self.raw), "content_block", blame_upstream)
        return msgspec.Raw(encode(begun | fields))


_decoder = msgspec.json.Decoder(_Event)
_CITATION = ("delta.citation", blame_upstream)
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MessagesDecoder(StreamDecoder):
    """One Messages stream."""

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        super().__init__(event_bytes_max, target)
        self._usage = MessagesUsage()
        self._part = -1
        """The number of the last part that began."""
        self._is_open = False
        self._has_calls = False
        self._held: _Held | None = None
        self._has_finished = False
        self._ended = Ended()

    def take(self, data: bytes) -> Sequence[Event]:
        """The events of one wire event. Raises `GatewayError` for what cannot be read."""
        if data == b"[DONE]":
            # Some compatible servers send it, as another API does.
            return ()
        wire = decode_leniently(_decoder.decode, data)
        match wire.type:
            case "content_block_delta":
                return () if wire.delta is None else self._take_delta(wire.delta)
            case "content_block_start":
                return [*self._close_part(), *self._open_part(wire.content_block)]
            case "content_block_stop":
                return self._close_part()
            case "message_start":
                return self._begin(wire.message or WireMessage())
            case "message_delta":
                return self._take_end(wire)
            case "message_stop":
                return self._stop()
            case "error":
                self.is_complete = self.is_ended = True
                return (Failed(read_failure(wire.error, self.target.provider)),)
            case _:
                return ()

    def _begin(self, message: WireMessage) -> list[Event]:
        # The input is counted before the output begins; message_delta replaces all of it, which
        # grows when Anthropic's own tools add to the input.
        usage = message.usage or MessagesUsage()
        self._usage = usage
        began = Began(
            dialect=NAME,
            id=message.id,
            model=message.model,
            usage=usage.to_usage(),
            service_tier=decode_service_tier(usage.service_tier),
        )
        return [began]

    def _open_part(self, raw: msgspec.Raw) -> list[Event]:
        check_text(raw)
        block_type = read_mended(_read_type, bytes(raw), "content_block", blame_upstream)
        # Raw blocks are put back whole, so they are told whole.
        if block_type not in _OPEN_TYPES:
            self._held = _Held(raw, block_type)
            return []
        decoded = decode_block(raw, "content_block", blame_upstream, self.target.maker)
        self._is_open = True
        return [event for part in decoded for event in self._tell_beginning(part)]

    def _tell_beginning(self, part: Part | Signature) -> list[Event]:
        if isinstance(part, Signature):
            return []
        self._part += 1
        self._has_calls = self._has_calls or isinstance(part, ToolCall)
        # The input comes in deltas, and begins as an empty object that is none of it.
        if isinstance(part, ToolCall) and part.arguments == "{}":
            part = msgspec.structs.replace(part, arguments="")
        return [PartBegan(self._part, part)]

    def _take_delta(self, delta: _Delta) -> Sequence[Event]:
        if self._held is not None:
            self._hold(self._held, delta)
            return ()
        text: str | None
        match delta.type:
            case "text_delta":
                text = delta.text
            case "input_json_delta":
                text = delta.partial_json
            case "thinking_delta":
                text = delta.thinking
            case "signature_delta" if self._is_open and delta.signature:
                signature = Signature(delta.signature, self.target.maker)
                return (PartAmended(index=self._part, signature=signature),)
            case "citations_delta" if self._is_open:
                citation = read_mended(_read_citation, bytes(delta.citation), *_CITATION)
                return (PartAmended(index=self._part, citation=citation),)
            case _:
                return ()
        if not text:
            return ()
        if not self._is_open:
            return self._open_unannounced(delta.type, text)
        return (PartDelta(self._part, text),)

    def _open_unannounced(self, delta_type: str | None, text: str) -> list[Event]:
        """A delta without a block: text and thinking can be told anyway."""
        if delta_type == "input_json_delta":
            return []
        self._is_open = True
        part = Text("") if delta_type == "text_delta" else Reasoning()
        return [*self._tell_beginning(part), PartDelta(self._part, text)]

    def _hold(self, held: _Held, delta: _Delta) -> None:
        if delta.partial_json and held.block_type in CALL_TYPES:
            held.pieces.append(delta.partial_json)
        for name in ("content", "encrypted_content"):
            raw: msgspec.Raw = getattr(delta, name)
            if delta.type == "compaction_delta" and bytes(raw):
                check_text(raw)
                held.fields[name] = raw.copy()

    def _close_part(self) -> list[Event]:
        if self._held is not None:
            held, self._held = self._held, None
            decoded = decode_block(held.whole(), "content_block", blame_upstream, self.target.maker)
            events: list[Event] = []
            for part in decoded:
                events += self._tell_beginning(part)
                events.append(PartEnded(self._part))
            return events
        if not self._is_open:
            return []
        self._is_open = False
        return [PartEnded(self._part)]

    def _take_end(self, wire: _Event) -> list[Event]:
        events = self._close_part()
        delta = wire.delta
        if wire.usage is not None:
            self._usage = self._usage.merge(wire.usage)
            usage = self._usage.to_usage()
            if usage is not None:
                events.append(UsageReported(usage))
        if delta is None:
            return events
        extras = keep(container=delta.container, context_management=wire.context_management)
        if extras:
            self._ended = Ended(extras=extras)
        # Some servers repeat message_delta, with the usage alone the second time.
        if delta.stop_reason is not None and not self._has_finished:
            self._has_finished = True
            events.append(
                ChoiceEnded(
                    finish=decode_finish(delta.stop_reason, has_calls=self._has_calls),
                    native_finish=delta.stop_reason,
                    explanation=read_explanation(delta.stop_details),
                    stop_sequence=delta.stop_sequence,
                    extras=keep(stop_details=delta.stop_details),
                )
            )
        return events

    def _stop(self) -> list[Event]:
        self.is_complete = self.is_ended = True
        events = self._close_part()
        if not self._has_finished:
            events.append(ChoiceEnded(finish=None))
        tier = decode_service_tier(self._usage.service_tier)
        return [*events, msgspec.structs.replace(self._ended, service_tier=tier)]


def decode_stream(event_bytes_max: int, target: Target) -> StreamDecoder:
    """The decoder of one streamed answer."""
    return MessagesDecoder(event_bytes_max, target)


def _read_type(raw: bytes) -> str:
    return read_type(msgspec.Raw(raw), "content_block", blame_upstream)


def _read_fields(raw: bytes) -> dict[str, msgspec.Raw]:
    return read_object(msgspec.Raw(raw), "content_block", blame_upstream)


def _read_citation(raw: bytes) -> Citation:
    return decode_citation(msgspec.Raw(raw), *_CITATION)


def _read_input(text: str) -> msgspec.Raw:
    """The input of a hosted call; one that is no object stays out of the replay."""
    try:
        encoded = text.encode()
        _object_decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return msgspec.Raw(b"{}")
    return msgspec.Raw(encoded)
