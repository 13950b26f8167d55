"""What a dialect offers to the pass-through lane.

In that lane caller and upstream speak the same dialect: bytes are forwarded, and a copy is metered.
A dialect knows how to read the few fields that matter of a request, how to write the request for
the upstream, what an answer says of usage, when a stream is complete, and how it puts an error.
"""

import json
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from nagara.dialects.json_fields import Fields, decode_untyped
from nagara.dialects.likeness import Likeness, find_likeness
from nagara.dialects.sse import SseSplitter, read_data
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Usage

NOTHING = msgspec.Raw()
"""The default of a view's raw field. Not None: `Raw | None` reads nothing but null."""

LIKENESSES_MAX = 16
"""How often a stream is looked at for what its events have in common: not for ever, where they have
nothing."""

View = TypeVar("View", bound=msgspec.Struct)


class RequestView(msgspec.Struct, frozen=True, gc=False):
    """The fields of a request that the gateway acts on; `fields` is the whole of it.

    `output_tokens_max` is the caller's own cap, of each of `choice_count` answers.
    `has_usage_request` says that the caller asked for usage in the stream, or that the dialect
    always gives it. `identity` stands for what is asked where the bytes of a body differ from one
    repetition to the next. `is_plain` says that it was read to be nothing but text: no media, no
    tools, nothing signed.
    """

    fields: Fields
    model: str
    is_streamed: bool = False
    output_tokens_max: int | None = None
    choice_count: int = 1
    has_usage_request: bool = True
    identity: bytes | None = None
    is_plain: bool = False

    def with_cap(self, cap: int, fields: Fields) -> "RequestView":
        """The request with that cap on its output, which `fields` say in the dialect's words."""
        return msgspec.structs.replace(
            self, fields={**self.fields, **fields}, output_tokens_max=cap
        )


class ForwardedStream:
    """One streamed answer on its way through: whole events out, usage and completeness noted.

    `feed` gives the bytes to forward now; an event is held back until it is whole, so that a cut
    never leaves half of one before the error event. A dialect's subclass looks at each event in
    `take_event`. With `caller_model` the upstream's model name is replaced by it.
    """

    dropped: Sequence[str] = ()
    turn: None = None
    """Nothing is dropped here, and callers keep their own turns."""
    breaks_off = False
    """A failure is an event of its own."""

    def __init__(self, event_bytes_max: int, caller_model: str | None = None) -> None:
        self._event_bytes_max = event_bytes_max
        self._splitter = SseSplitter(event_bytes_max)
        self._likeness: Likeness | None = None
        self._likenesses_left = LIKENESSES_MAX
        self._caller_model = caller_model
        self.usage: Usage | None = None
        self.is_complete = False
        """Whether the answer is whole, so that an orderly end of the connection is its end."""
        self.is_ended = False
        """Whether the last event came: nothing after it needs to be waited for."""
        self.has_failed = False
        """Whether the upstream itself sent an error event."""
        self.failure: GatewayError | None = None
        """Why nothing is read after events that could still be forwarded; it is ended then."""
        self.output_bytes = 0
        """Bytes of the events that were forwarded."""
        self.text_bytes = 0
        """Bytes of what the model wrote, about: what an estimate is counted from."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to forward for these. Raises `GatewayError` for events that are malformed.

        When good events came before such a one, they are given, and the error is in `failure`.
        """
        if self._likeness is not None and not self._splitter.tail:
            text_bytes = self._likeness.measure(data)
            if text_bytes is not None:
                self.text_bytes += text_bytes
                self.output_bytes += len(data)
                return data
        whole = self._splitter.read_whole(data)
        if whole is None:
            forwarded = self._take_events(self._splitter.feed(data))
        else:
            forwarded = self.take_event(data, whole)
        self.output_bytes += len(forwarded)
        return forwarded

    def close(self) -> bytes:
        """What is still to be sent after the upstream's orderly end.

        Raises `GatewayError` (UPSTREAM_CUT) when the terminal event never came.
        """
        last = self._take_unfinished()
        if not self.is_complete:
            raise cut_stream()
        self.output_bytes += len(last)
        return last + self.terminator()

    def _take_unfinished(self) -> bytes:
        """Some servers leave out the last empty line, and a whole event is still whole."""
        rest = self._splitter.take_rest()
        if not rest.strip() or self.is_ended:
            return b""
        try:
            event = rest.rstrip(b"\r\n") + b"\n\n"
            return self.take_event(event, read_data(event))
        except GatewayError:
            # Half an event: by the standard it is none.
            return b""

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """The bytes to forward for one whole event, whose data is `data` (empty for a comment)."""
        raise NotImplementedError

    def _take_events(self, events: list[bytes]) -> bytes:
        taken: list[bytes] = []
        try:
            for event in events:
                # What follows the last event in the same piece is no part of the answer.
                if self.is_ended:
                    break
                likeness = self._likeness
                text_bytes = None if likeness is None else likeness.measure(event)
                if text_bytes is None:
                    event = self.take_event(event, read_data(event))
                else:
                    self.text_bytes += text_bytes
                taken.append(event)
        except GatewayError as error:
            # The caller gets the same events however the bytes were split on their way.
            if not taken:
                raise
            self.failure, self.is_ended = error, True
        return b"".join(taken)

    def _expect_likeness(self, event: bytes, delta: msgspec.Raw, counted_bytes: int) -> None:
        """Take events that differ from this in the text of its delta alone for the same, unread.

        Only for one that is forwarded as it is, and says nothing but its delta, of which nothing
        is read but the length; `counted_bytes` of it were counted.
        """
        if self._likenesses_left:
            self._likenesses_left -= 1
            found = find_likeness(event, bytes(delta), counted_bytes, self._event_bytes_max)
            self._likeness = found or self._likeness

    def terminator(self) -> bytes:
        """What this API's streams end with, if the upstream left it out."""
        return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """The events that end this stream with an error, in its dialect."""
        raise NotImplementedError


def cut_stream() -> GatewayError:
    """The error of a stream that ended without its terminal event."""
    return GatewayError(
        ErrorKind.UPSTREAM_CUT,
        "The provider closed the stream before the answer was complete. "
        "What was received is not the whole answer; send the request again.",
    )


def malformed_answer() -> GatewayError:
    """The error of an answer, or an event of one, that cannot be read."""
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        "The provider sent an answer that cannot be read. Send the request again.",
    )


def read_view(data: bytes, decoder: msgspec.json.Decoder[View], view: type[View]) -> View:
    """The view of an answer's JSON, read strictly and fast, or else slowly and leniently.

    Half a surrogate pair is read; a field of an unexpected type is forwarded unmetered (an empty
    view). Only what is not JSON at all is an error: `GatewayError` (UPSTREAM_PROTOCOL).
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data, decoder, view)


def _read_leniently(data: bytes, decoder: msgspec.json.Decoder[View], view: type[View]) -> View:
    try:
        value = decode_untyped(data)
    except ValueError as error:
        raise malformed_answer() from error
    try:
        return decoder.decode(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return view()


class Dialect(Protocol):
    """One wire format, as a module that offers these functions."""

    forwarded_headers: frozenset[bytes]
    """Request headers of the caller that the upstream must receive."""

    def read_request(self, body: bytes) -> RequestView:
        """The view of a caller's body. Raises `GatewayError` that names the wrong field."""

    def write_request(self, view: RequestView, model: str, *, asks_usage: bool) -> bytes:
        """The body for the upstream: the caller's, with the deployment's model name."""

    def measure(self, view: RequestView) -> Demand:
        """The most that the request asks for. Raises nothing."""

    def limit_output(
        self, view: RequestView, cap: int, traits: frozenset[str] = ...
    ) -> RequestView:
        """The request with `cap` on each answer's output, for a provider with these traits."""

    def read_usage(self, body: bytes) -> Usage | None:
        """What an unstreamed answer says of usage. Raises `GatewayError` if it is not JSON."""

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """The body of an error answer."""

    def forward_stream(
        self, event_bytes_max: int, caller_model: str | None, *, hides_usage: bool
    ) -> ForwardedStream:
        """The stream of one answer. `hides_usage` keeps the usage that only we asked for."""
