"""Streams of Converse to the hub: AWS's binary event stream, one JSON event in each message.

Theory of operation. A block of text or reasoning begins with its first delta; only calls, results
and images announce themselves. So a part begins when there is something to say of it: some models
send an empty text before their reasoning, which is no part. What a hosted tool was asked and gave,
what is encrypted and what is media have no deltas in the hub; their pieces are kept until the block
stops, within the bound of one event, and then given whole.

`messageStop` makes the answer complete, `metadata`, with the usage, ends it. An exception in place
of an event fails it.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from nagara.dialects.bedrock_converse.blocks import (
    SERVER_TOOL_USE,
    decode_call,
    decode_citation,
    decode_media,
    decode_redacted,
    decode_result,
    encode_call,
    encode_result,
    read_input,
)
from nagara.dialects.bedrock_converse.event_stream import EventMessage, EventStreamReader
from nagara.dialects.bedrock_converse.failures import decode_failure
from nagara.dialects.bedrock_converse.finish import decode_finish
from nagara.dialects.bedrock_converse.response_decoder import read_stop_sequence
from nagara.dialects.bedrock_converse.usage import decode_usage
from nagara.dialects.bedrock_converse.wire import (
    NAME,
    BlockDelta,
    BlockStart,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    MediaBlock,
    MessageStop,
    Metadata,
    ReasoningDelta,
    Source,
    ToolResultBlock,
    ToolUse,
    decode_wire,
)
from nagara.dialects.codec import StreamDecoder, Target
from nagara.domain.errors import ErrorKind, GatewayError
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
from nagara.domain.messages import MediaKind, Part, Reasoning, Signature, Text, ToolCall

T = TypeVar("T", bound=msgspec.Struct)


class _Block:
    """One block that has begun.

    `part` is its number among the parts, None until there is something to say. What the hub takes
    whole is kept in `call`, `result`, `image` and `pieces`.
    """

    def __init__(self) -> None:
        self.part: int | None = None
        self.is_call = False
        self.has_text = False
        self.call: ToolUse | None = None
        self.result: ToolResultBlock | None = None
        self.image: MediaBlock | None = None
        self.pieces: list[str] = []
        self.is_redacted = False


class ConverseStreamDecoder(StreamDecoder):
    """One ConverseStream answer."""

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        super().__init__(event_bytes_max, target)
        self._reader = EventStreamReader(event_bytes_max)
        self._kept_bytes_left = event_bytes_max
        self._blocks: dict[int, _Block] = {}
        self._part_count = 0
        self._has_calls = False
        self._takers = {
            "messageStart": self._begin,
            "contentBlockDelta": _reading(ContentBlockDelta, self._take_delta),
            "contentBlockStart": _reading(ContentBlockStart, self._start_block),
            "contentBlockStop": _reading(ContentBlockStop, self._stop_block),
            "messageStop": _reading(MessageStop, self._stop_message),
            "metadata": _reading(Metadata, self._end),
        }

    def feed(self, data: bytes) -> list[Event]:
        """See the base. The messages are AWS's own, not server-sent events."""
        taken: list[Event] = []
        try:
            for message in self._reader.feed(data):
                # What follows the last event in the same piece is no part of the answer.
                if self.is_ended:
                    break
                taken += self._take_message(message)
        except GatewayError as error:
            if not taken:
                raise
            self.failure, self.is_ended = error, True
        return taken

    def finish(self) -> list[Event]:
        """The end, when `metadata` never came after a turn that was whole."""
        return [] if self.is_ended else [Ended()]

    def _take_rest(self) -> list[Event]:
        """Half a message is none: whether the answer is whole has been said by whole ones."""
        return []

    def _take_message(self, message: EventMessage) -> Sequence[Event]:
        failure = decode_failure(message, self.target.provider)
        if failure is not None:
            self.is_complete = self.is_ended = True
            return [Failed(failure)]
        taker = self._takers.get(message.read_text(":event-type") or "")
        # An event that is new is no reason to fail: AWS adds some without a new version.
        return taker(message.payload) if taker is not None else []

    def _begin(self, _: bytes) -> Sequence[Event]:
        return [Began(dialect=NAME)]

    def _start_block(self, start: ContentBlockStart) -> Sequence[Event]:
        block = self._blocks[start.content_block_index] = _Block()
        begun = start.start or BlockStart()
        block.result, block.image = begun.tool_result, begun.image
        use = begun.tool_use
        if use is None:
            return []
        if use.type == SERVER_TOOL_USE:
            # Not told as a call while it streams: a caller would begin to run it.
            block.call = use
            return []
        block.is_call = self._has_calls = True
        return self._begin_part(block, ToolCall(id=use.tool_use_id, name=use.name))

    def _take_delta(self, event: ContentBlockDelta) -> Sequence[Event]:
        delta = event.delta
        if delta is None:
            return []
        block = self._blocks.get(event.content_block_index)
        if block is None:
            block = self._blocks[event.content_block_index] = _Block()
        if delta.text is not None:
            return self._add_text(block, delta.text, Text(""))
        if delta.tool_use is not None:
            return self._add_input(block, delta.tool_use.input)
        if delta.reasoning_content is not None:
            return self._add_reasoning(block, delta.reasoning_content)
        if delta.citation is not None:
            begun = self._ensure_part(block, Text(""))
            citation = decode_citation(delta.citation)
            return [*begun, PartAmended(index=_part_of(block), citation=citation)]
        self._keep_more(block, delta)
        return []

    def _add_text(self, block: _Block, text: str, empty: Part) -> Sequence[Event]:
        if not text:
            return []
        begun = self._ensure_part(block, empty)
        block.has_text = True
        return [*begun, PartDelta(_part_of(block), text)]

    def _add_input(self, block: _Block, text: str) -> Sequence[Event]:
        if block.call is not None:
            self._keep(block, text)
            return []
        # Without its start a call has no name, and nobody could run it.
        return [] if block.part is None else self._add_text(block, text, Text(""))

    def _add_reasoning(self, block: _Block, delta: ReasoningDelta) -> Sequence[Event]:
        if delta.redacted_content is not None:
            # Base64 of a whole; its pieces cannot be decoded one by one.
            block.is_redacted = True
            self._keep(block, delta.redacted_content)
        if delta.signature:
            begun = self._ensure_part(block, Reasoning())
            signature = Signature(delta.signature, self.target.maker)
            return [*begun, PartAmended(index=_part_of(block), signature=signature)]
        return self._add_text(block, delta.text or "", Reasoning())

    def _keep_more(self, block: _Block, delta: BlockDelta) -> None:
        if delta.tool_result is not None and block.result is not None:
            self._count_kept(sum(len(bytes(piece)) for piece in delta.tool_result))
            block.result.content += delta.tool_result
        elif delta.image is not None and delta.image.source is not None:
            self._keep(block, delta.image.source.bytes or "")

    def _keep(self, block: _Block, piece: str) -> None:
        self._count_kept(len(piece))
        block.pieces.append(piece)

    def _count_kept(self, length: int) -> None:
        self._kept_bytes_left -= length
        if self._kept_bytes_left < 0:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                "The provider sent a block that is larger than it may be.",
            )

    def _stop_block(self, stop: ContentBlockStop) -> Sequence[Event]:
        block = self._blocks.pop(stop.content_block_index, None)
        return self._close(block) if block is not None else []

    def _close(self, block: _Block) -> Sequence[Event]:
        if block.part is not None:
            return [*_complete_input(block), PartEnded(block.part)]
        part = self._whole_part(block)
        if part is None:
            return []
        return [*self._begin_part(block, part), PartEnded(_part_of(block))]

    def _whole_part(self, block: _Block) -> Part | None:
        """What was kept of a block that the hub takes whole."""
        text = "".join(block.pieces)
        if block.call is not None:
            block.call.input = read_input(text)
            return decode_call(block.call, encode_call(block.call))
        if block.result is not None:
            return decode_result(block.result, encode_result(block.result))
        if block.image is not None:
            block.image.source = Source(text)
            return decode_media(block.image, MediaKind.IMAGE)
        return decode_redacted(text, self.target.maker) if block.is_redacted else None

    def _stop_message(self, stop: MessageStop) -> Sequence[Event]:
        # Blocks that never said that they stop do so now.
        ended = [event for block in self._blocks.values() for event in self._close(block)]
        self._blocks.clear()
        self.is_complete = True
        finish = ChoiceEnded(
            finish=decode_finish(stop.stop_reason, has_calls=self._has_calls),
            native_finish=stop.stop_reason,
            stop_sequence=read_stop_sequence(stop.additional_model_response_fields),
        )
        return [*ended, finish]

    def _end(self, metadata: Metadata) -> Sequence[Event]:
        # Before the turn is over it would be a report on the way, and not the end.
        self.is_ended = self.is_complete
        usage = decode_usage(metadata.usage)
        reported: list[Event] = [UsageReported(usage)] if usage is not None else []
        if not self.is_ended:
            return reported
        tier = metadata.service_tier
        return [*reported, Ended(service_tier=tier.type if tier is not None else None)]

    def _ensure_part(self, block: _Block, part: Part) -> Sequence[Event]:
        return [] if block.part is not None else self._begin_part(block, part)

    def _begin_part(self, block: _Block, part: Part) -> list[Event]:
        block.part = self._part_count
        self._part_count += 1
        return [PartBegan(block.part, part)]


def decode_stream(event_bytes_max: int, target: Target) -> StreamDecoder:
    """The decoder of one streamed answer."""
    return ConverseStreamDecoder(event_bytes_max, target)


def _reading(
    kind: type[T], take: Callable[[T], Sequence[Event]]
) -> Callable[[bytes], Sequence[Event]]:
    decoder = _DECODERS[kind]
    return lambda payload: take(decode_wire(payload, decoder))


_DECODERS: Final[Mapping[type, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (ContentBlockStart, ContentBlockDelta, ContentBlockStop, MessageStop, Metadata)
}


def _complete_input(block: _Block) -> Sequence[Event]:
    """A call without arguments streams none; unstreamed it has an empty object."""
    is_bare_call = block.is_call and not block.has_text
    return [PartDelta(_part_of(block), "{}")] if is_bare_call else []


def _part_of(block: _Block) -> int:
    assert block.part is not None
    return block.part
