"""One exchange between a caller of one dialect and a provider of another.

The caller's request is fitted to the provider and encoded for it; its answer is decoded to events,
its tools get the caller's names again, and it is encoded for the caller. Whole and streamed are one
path: a whole answer is told as events where the caller wants a stream, and a stream is folded where
the caller wants it whole, whichever way the provider chose to answer.

What either side has no place for is dropped and named, and never more than that.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from nagara.dialects.codec import (
    Frame,
    Inbound,
    Outbound,
    StreamDecoder,
    StreamEncoder,
    Target,
    cannot_carry,
)
from nagara.dialects.fit import fit, name_parameter
from nagara.dialects.sse import encode_comment
from nagara.dialects.tool_names import NO_NAMES, NameRestorer, ToolNames, flatten_tools
from nagara.dialects.turns import Turn, has_hidden
from nagara.domain.abilities import Ability
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Began,
    Event,
    Failed,
    Folding,
    PartBegan,
    PartDelta,
    UsageReported,
    fold,
    unfold,
)
from nagara.domain.messages import Request, ToolCall
from nagara.domain.usage import Usage

_UNFIT = re.compile(r"[^ -~]+")
"""What some client takes for the end of a line, and more: a tool may be called anything."""


class Translated(msgspec.Struct, frozen=True):
    """A whole answer as the caller gets it. `turn` is to be kept, if the caller cannot keep it.

    A `refusal` stands in place of the body where the model refused: the provider bills that too.
    """

    body: bytes
    usage: Usage | None
    dropped: tuple[str, ...] = ()
    turn: Turn | None = None
    refusal: GatewayError | None = None


class Asked(msgspec.Struct, frozen=True):
    """A request as the provider is sent it; `names` undoes what was done to the tools' names."""

    body: bytes
    dropped: tuple[str, ...]
    names: ToolNames


def ask(request: Request, caller: Inbound, upstream: Outbound, target: Target) -> Asked:
    """The request for the target. Raises `GatewayError` for what it must not be asked without."""
    if caller.NAME != upstream.NAME:
        for name in caller.NEEDED_EXTRAS & request.extras.keys():
            raise cannot_carry(f"{name!r}, which only its own dialect has", name, target)
    fitted = fit(request, target)
    flat, names = flatten_tools(fitted.request, target)
    try:
        encoded = upstream.encode_request(flat, target)
    except GatewayError as error:
        raise _in_callers_words(error, request) from error
    dropped = dict.fromkeys((*fitted.dropped, *encoded.dropped))
    told = (name for name in dropped if name not in caller.SILENT_EXTRAS)
    return Asked(encoded.body, tuple(told), names)


def _in_callers_words(error: GatewayError, request: Request) -> GatewayError:
    """The error with the caller's name of the parameter: encoders say what the hub calls it."""
    param = error.param
    if param is None or (name := name_parameter(param, request)) == param:
        return error
    message = error.message.replace(repr(param), repr(name))
    return GatewayError(error.kind, message, param=name, code=error.code, status=error.status)


class AnswerTranslation:
    """The way back of one exchange: the target's answer, whole or streamed, for the caller."""

    def __init__(
        self,
        caller: Inbound,
        upstream: Outbound,
        target: Target,
        frame: Frame,
        names: ToolNames = NO_NAMES,
    ) -> None:
        self._caller = caller
        self._upstream = upstream
        self._target = target
        self._frame = frame
        self._names = names

    def read_whole(self, body: bytes, event_bytes_max: int, *, is_event_stream: bool) -> Translated:
        """A whole answer for the caller. Raises `GatewayError` if it cannot be read, or failed."""
        if is_event_stream:
            decoder = self._upstream.decode_stream(event_bytes_max, self._target)
            events: Iterable[Event] = _read_events(decoder, body)
        else:
            events = unfold(self._upstream.decode_response(body, self._target))
        response = fold(self._restoring().restore(events))
        encoded = self._caller.encode_response(response, self._frame)
        parts = response.choices[0].parts if response.choices else ()
        turn = Turn(self._upstream.NAME, parts) if has_hidden(parts) else None
        return Translated(encoded.body, response.usage, encoded.dropped, turn)

    def open_stream(
        self, event_bytes_max: int, response_bytes_max: int, *, is_event_stream: bool
    ) -> "TranslatedStream":
        """The stream of one answer for the caller."""
        if is_event_stream:
            decoder = self._upstream.decode_stream(event_bytes_max, self._target)
        else:
            decoder = _WholeDecoder(self._upstream, response_bytes_max, self._target)
        encoder = self._caller.encode_stream(self._frame)
        return TranslatedStream(decoder, self._restoring(), encoder, self._upstream.NAME)

    def _restoring(self) -> "_Restoring":
        makes_functions = Ability.CUSTOM_TOOLS not in self._caller.ABILITIES.features
        return _Restoring(NameRestorer(self._names, makes_functions=makes_functions), self._frame)


class TranslatedStream:
    """One streamed answer on its way through; to the relay it is like a forwarded one."""

    def __init__(
        self,
        decoder: StreamDecoder,
        restoring: "_Restoring",
        encoder: StreamEncoder,
        dialect: str,
    ) -> None:
        self._decoder = decoder
        self._restoring = restoring
        self._encoder = encoder
        self._dialect = dialect
        self._folding = Folding()
        self._dropped_count = 0
        self._named: set[str] = set()
        self._reported: Usage | None = None
        self.is_ended = False
        self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0
        self.breaks_off = False

    @property
    def usage(self) -> Usage | None:
        """What the provider counted, so far."""
        return self._decoder.usage_so_far or self._reported

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the caller's dialect had no place for, so far."""
        return tuple(dict.fromkeys(self._encoder.dropped))

    @property
    def turn(self) -> Turn | None:
        """The turn as far as it has come, if it is to be kept."""
        choices = self._folding.response().choices
        parts = choices[0].parts if choices else ()
        return Turn(self._dialect, parts) if has_hidden(parts) else None

    def feed(self, data: bytes) -> bytes:
        """The caller's bytes for these. Raises `GatewayError` for events that are malformed."""
        written = self._write(self._decoder.feed(data))
        if self._decoder.is_ended:
            self.is_ended, self.failure = True, self._decoder.failure
        return written

    def close(self) -> bytes:
        """What is still to be sent after the upstream's orderly end; raises if it was cut."""
        return self._write(self._decoder.close())

    def terminator(self) -> bytes:
        """Nothing: it goes out with the last event."""
        return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - the frame has it
        """The events that end this stream with an error, in the caller's dialect."""
        return self._report_usage() + self._encoder.fail(error)

    def _write(self, events: Iterable[Event]) -> bytes:
        pieces: list[bytes] = []
        for event in self._restoring.restore(events):
            if isinstance(event, Failed):
                self.has_failed = self.is_ended = True
                pieces += (self._report_usage(), self._encoder.fail(event.error))
                break
            self._note(event)
            encoded = self._encoder.encode(event)
            if len(self._encoder.dropped) > self._dropped_count:
                pieces.append(self._name_dropped())
            pieces.append(encoded)
        written = b"".join(pieces)
        self.output_bytes += len(written)
        return written

    def _report_usage(self) -> bytes:
        """An answer that fails has no end to report at, and the caller may be told all the same."""
        usage = self._decoder.usage_so_far
        return b"" if usage is None else self._encoder.encode(UsageReported(usage))

    def _name_dropped(self) -> bytes:
        """What was dropped since this was last called and never before: for a header it is late."""
        dropped = self._encoder.dropped
        new = dict.fromkeys(dropped[self._dropped_count :])
        told = [name for name in new if name not in self._named]
        self._dropped_count = len(dropped)
        self._named.update(told)
        if not told or not self._encoder.has_comments:
            return b""
        return encode_comment(f"x-nagara-dropped: {_UNFIT.sub(' ', ', '.join(told))}")

    def _note(self, event: Event) -> None:
        self._folding.add(event)
        if isinstance(event, PartDelta):
            self.text_bytes += len(event.text)
        elif isinstance(event, UsageReported | Began):
            self._reported = event.usage or self._reported


class _Restoring:
    """The caller's names for tools, and an id for each call that the provider gave none."""

    def __init__(self, names: NameRestorer, frame: Frame) -> None:
        self._names = names
        self._frame = frame

    def restore(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, PartDelta) and not self._names.held:
                # Most events are these, and nothing of them is a name.
                yield event
            elif isinstance(event, PartBegan) and isinstance(event.part, ToolCall):
                yield from self._names.restore(self._identify(event, event.part))
            else:
                yield from self._names.restore(event)

    def _identify(self, event: PartBegan, call: ToolCall) -> PartBegan:
        if call.id:
            return event
        id_ = self._frame.make_id("call_", event.index)
        return PartBegan(event.index, msgspec.structs.replace(call, id=id_), event.choice)


class _WholeDecoder(StreamDecoder):
    """Gives the events of an answer that came whole although a stream was asked for."""

    def __init__(self, upstream: Outbound, response_bytes_max: int, target: Target) -> None:
        super().__init__(response_bytes_max, target)
        self._upstream = upstream
        self._pieces: list[bytes] = []
        self._bytes_left = response_bytes_max

    def feed(self, data: bytes) -> list[Event]:
        """Keeps the bytes; a whole answer says nothing before its end."""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE, "The provider's answer is larger than it may be."
            )
        self._pieces.append(data)
        return []

    def close(self) -> list[Event]:
        """All the events at once."""
        self.is_complete = self.is_ended = True
        return list(unfold(self._upstream.decode_response(b"".join(self._pieces), self.target)))


def _read_events(decoder: StreamDecoder, body: bytes) -> Iterator[Event]:
    """All events of a stream that was read to its end."""
    yield from decoder.feed(body)
    if decoder.failure is not None:
        raise decoder.failure
    if not decoder.is_ended:
        yield from decoder.close()
