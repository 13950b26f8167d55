"""What a dialect offers to the translated lane: requests, answers and streams to the hub and back.

Here caller and upstream speak different dialects. The caller's request is decoded to the canonical
one, fitted to what the provider can be asked for, and encoded for it; the answer comes back the
same way. A codec is pure: bytes and values in, bytes and values out, and no byte sequence makes it
raise anything but `GatewayError`.

A dialect that can be spoken to us has all of `Inbound`; one that a provider speaks all of
`Outbound`. Each is a module whose functions are these.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from nagara.dialects.base import cut_stream
from nagara.dialects.sse import SseSplitter, read_data
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Event, Response
from nagara.domain.messages import HostedKind, Media, MediaKind, Request, Signature
from nagara.domain.usage import Usage


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a request is encoded for, or whose answer is decoded.

    `provider` is its display name, for messages. `maker` says whose signatures it can read.
    `traits` are the provider's own ways within its dialect; each dialect documents those it knows.
    """

    provider: str
    model: str
    maker: str
    abilities: Abilities = Abilities()
    traits: frozenset[str] = frozenset()

    def can(self, ability: Ability) -> bool:
        """Whether it can be asked for this."""
        return ability in self.abilities.features

    def hosts(self, kind: HostedKind) -> bool:
        """Whether it runs tools of this kind itself."""
        return kind in self.abilities.hosted


class Encoded(msgspec.Struct, frozen=True):
    """A body for the wire, and the caller's parameters that it could not be given."""

    body: bytes
    dropped: tuple[str, ...] = ()


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer to this caller holds that its provider does not say.

    `request` is the caller's, as decoded; `model` the name that the caller asked for; `seed` is
    unique to the answer, and `make_id` makes every id in it from that; `created_s` is a Unix time.
    """

    request: Request
    model: str
    seed: str
    created_s: int
    request_id: str = ""
    """What errors name, so that the caller can tell the operator which request it was."""

    def make_id(self, prefix: str, number: int | None = None) -> str:
        """An id such as `msg_…` for the answer, or for part `number` of it: the same each time."""
        # With `call_` in front these are 40 characters, the most that OpenAI takes of a call's id.
        return f"{prefix}{self.seed}" if number is None else f"{prefix}{self.seed}{number:03x}"


class AddressField(msgspec.Struct, frozen=True):
    """Where a dialect's requests may hold an address of media of one kind.

    `mark` is a piece of JSON without which there is none; `names` are the fields with addresses.
    They are forwarded to servers that have `ability`, or else as `Outbound.needs_bytes` says.
    """

    kind: MediaKind
    mark: bytes
    names: tuple[str, ...]
    ability: Ability | None = None


class StreamDecoder:
    """One upstream stream on its way to events, fed in any split. Sans-IO, bounded, linear.

    Subclasses take one event's data at a time in `take`, and set `is_complete` when an orderly end
    of the connection would be the answer's end, `is_ended` when nothing needs to be waited for.
    This base reads server-sent events; a dialect with another framing overrides `_split`.
    """

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        self.target = target
        self.is_complete = False
        self.is_ended = False
        self.failure: GatewayError | None = None
        """Why nothing more is read after the events that `feed` gave; it is ended then."""
        self._splitter = SseSplitter(event_bytes_max)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` for what cannot be read.

        When good events came before, they are given, and the error is in `failure`.
        """
        taken: list[Event] = []
        try:
            for piece in self._split(data):
                # What follows the last event in the same piece is no part of the answer.
                if self.is_ended:
                    break
                taken += self.take(piece)
        except GatewayError as error:
            if not taken:
                raise
            self.failure, self.is_ended = error, True
        return taken

    def close(self) -> list[Event]:
        """The last events after the upstream's orderly end.

        Raises `GatewayError` (UPSTREAM_CUT) when the answer was not complete.
        """
        taken = [] if self.is_ended else self._take_rest()
        if not self.is_complete:
            raise cut_stream()
        return taken + self.finish()

    def take(self, data: bytes) -> Sequence[Event]:
        """The events of one wire event, whose data is never empty."""
        raise NotImplementedError

    @property
    def usage_so_far(self) -> Usage | None:
        """What was counted, where each event counts anew and only the end reports it."""
        return None

    def finish(self) -> list[Event]:
        """Events still owed when a complete stream ends without a terminal event of its own."""
        return []

    def _split(self, data: bytes) -> list[bytes]:
        whole = self._splitter.read_whole(data)
        if whole is not None:
            return [whole] if whole else []
        return [read for event in self._splitter.feed(data) if (read := read_data(event))]

    def _take_rest(self) -> list[Event]:
        """Some servers leave out the last empty line, and a whole event is still whole."""
        rest = self._splitter.take_rest()
        data = read_data(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else b""
        try:
            return list(self.take(data)) if data else []
        except GatewayError:
            # Half an event: by the standard it is none.
            return []


class StreamEncoder:
    """One answer on its way from events to a caller's stream.

    `dropped` names what the caller's dialect has no place for, as it comes. It comes too late for a
    header, so it is told in a comment too, where the dialect's clients read over `has_comments`.
    """

    has_comments = True

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.dropped: list[str] = []

    def encode(self, event: Event) -> bytes:
        """The bytes for one event; with `Ended` comes what this API's streams end with."""
        raise NotImplementedError

    def fail(self, error: GatewayError) -> bytes:
        """The events that end the stream with an error. Nothing follows."""
        raise NotImplementedError


class Inbound(Protocol):
    """A dialect that callers speak to us.

    Of the extras of a request, `SILENT_EXTRAS` are heeded by the gateway itself, and so are not
    told as dropped; `NEEDED_EXTRAS` must not be left out where another dialect is spoken.
    """

    NAME: str
    ABILITIES: Abilities
    SILENT_EXTRAS: frozenset[str]
    NEEDED_EXTRAS: frozenset[str]

    def decode_request(self, body: bytes) -> Request:
        """The caller's request. Raises `GatewayError` that names the wrong field."""

    def encode_response(self, response: Response, frame: Frame) -> Encoded:
        """The body of a whole answer."""

    def encode_stream(self, frame: Frame) -> StreamEncoder:
        """The encoder of one streamed answer."""


class Outbound(Protocol):
    """A dialect that a provider speaks."""

    NAME: str
    ABILITIES: Abilities
    """What the dialect's own provider can be asked for; others vary it in their files."""

    ADDRESS_FIELDS: tuple[AddressField, ...]
    """Where its callers give media by addresses, which not every provider of it fetches."""

    def needs_bytes(self, media: Media, target: Target) -> bool:
        """Whether the target can be given this media only as bytes, not by its web address.

        False where it cannot be given it at all, which is for `encode_request` to say.
        """

    def encode_request(self, request: Request, target: Target) -> Encoded:
        """The body for the provider. Raises `GatewayError` for what must not be left out."""

    def decode_response(self, body: bytes, target: Target) -> Response:
        """A whole answer. Raises `GatewayError` (UPSTREAM_PROTOCOL) for what cannot be read."""

    def decode_stream(self, event_bytes_max: int, target: Target) -> StreamDecoder:
        """The decoder of one streamed answer."""


def cannot_carry(what: str, param: str, target: Target) -> GatewayError:
    """The error of something that must not be left out and the provider cannot be given."""
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"{target.provider} ({target.model}) cannot be given {what}, and without that the answer "
        f"would mean something else. Take it out of {param!r}, or choose another model.",
        param=param,
    )


def can_read(signature: Signature | None, request: Request, dialect: str, target: Target) -> bool:
    """Whether the target knows a signature of this request as its own; `dialect` is the target's.

    One without a maker's name came in the caller's dialect, and is good only where that is spoken.
    """
    if signature is None:
        return False
    return signature.maker == target.maker or (not signature.maker and request.dialect == dialect)
