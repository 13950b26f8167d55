"""Chat Completions streams in the pass-through lane.

A stream is complete when `[DONE]` came, or when every choice that was begun has its finish reason
and the connection ended in order: some compatible servers leave `[DONE]` out, and then it is added,
since OpenAI's own API has it.
"""

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import NULL, replace_model
from nagara.dialects.openai_chat.usage import ChatUsage
from nagara.dialects.openai_error import encode_error
from nagara.dialects.service_tier import note_tier
from nagara.dialects.sse import DONE, encode_event, replace_data
from nagara.domain.errors import GatewayError

_DELTA_BYTES = len(b'{"content":""}')


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    finish_reason: str | None = None
    delta: msgspec.Raw = NOTHING


class _Groq(msgspec.Struct, gc=False):
    usage: ChatUsage | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    service_tier: str | None = None
    # Where Groq says it unasked, and some of its models say it nowhere else.
    x_groq: _Groq | None = None
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Chunk)


class ChatStream(ForwardedStream):
    """One chat stream. With `hides_usage` the usage chunk is metered and kept from the caller."""

    def __init__(
        self, event_bytes_max: int, caller_model: str | None, *, hides_usage: bool
    ) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._hides_usage = hides_usage
        self._open_choices: set[int] = set()
        self._finished_choices: set[int] = set()

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Meter one chunk; hide it if it only carries the usage that we asked for."""
        if not data:
            return event
        if data == b"[DONE]":
            self.is_ended = self.is_complete = True
            return event
        chunk = read_view(data, _decoder, _Chunk)
        said = chunk.usage or (chunk.x_groq.usage if chunk.x_groq is not None else None)
        if said is not None:
            # Every chunk says the tier, the one with the usage too.
            self.usage = note_tier(said.to_usage(), chunk.service_tier) or self.usage
        text_bytes = self.text_bytes
        if chunk.choices:
            self._note_choices(chunk.choices)
        if chunk.error and chunk.error != NULL:
            self.has_failed = self.is_complete = True
        elif self._hides_usage and chunk.usage is not None and not chunk.choices:
            return b""
        if self._caller_model is None:
            match chunk.choices:
                case [choice] if said is None and not (choice.finish_reason or self.has_failed):
                    self._expect_likeness(event, choice.delta, self.text_bytes - text_bytes)
            return event
        return replace_data(event, replace_model(data, self._caller_model))

    def _note_choices(self, choices: list[_Choice]) -> None:
        for choice in choices:
            index = choice.index or 0
            text_bytes = len(choice.delta) - _DELTA_BYTES
            if text_bytes > 0:
                self.text_bytes += text_bytes
            # Some servers send an empty text until there is a reason, and some a chunk after it.
            if choice.finish_reason:
                self._open_choices.discard(index)
                self._finished_choices.add(index)
            elif index not in self._finished_choices:
                self._open_choices.add(index)
        # An error is the end, whatever a provider sends after it.
        if self._finished_choices and not self.has_failed:
            self.is_complete = not self._open_choices

    def terminator(self) -> bytes:
        """`[DONE]`, unless it came, or the upstream ended with an error of its own."""
        return b"" if self.is_ended or self.has_failed else DONE

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error chunk, which the SDKs raise; nothing follows it."""
        return encode_event(encode_error(error, request_id))


def forward_stream(
    event_bytes_max: int, caller_model: str | None, *, hides_usage: bool
) -> ForwardedStream:
    """The stream of one chat answer."""
    return ChatStream(event_bytes_max, caller_model, hides_usage=hides_usage)
