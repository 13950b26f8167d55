"""An endpoint of the pass-through lane: its path, and how to read and write what passes there."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from nagara.dialects.base import Dialect, ForwardedStream, RequestView
from nagara.dialects.codec import Inbound
from nagara.dialects.exchange import OpenExchange, OpenSound
from nagara.dialects.measuring import count_bytes, count_objects
from nagara.dialects.raw_stream import RawStream
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand
from nagara.domain.errors import GatewayError
from nagara.domain.usage import INPUT_METERS, OUTPUT_METERS, Meter, Usage
from nagara.operations.forms import FileFields
from nagara.operations.image_links import Linking

CONVERSATION_METERS = (
    INPUT_METERS | OUTPUT_METERS | {Meter.SEARCHES, Meter.FILE_SEARCHES, Meter.CONTAINERS}
)
"""What a conversation may be charged by."""

NO_TRAITS: frozenset[str] = frozenset()


def measure_text(view: RequestView) -> Demand:
    """Texts that have nothing to do with one another, and an answer that is no text at all.

    An object among them may be an image, or whatever else a provider embeds.
    """
    objects = count_objects(bytes(view.fields.get("input", b"")))
    return Demand(
        text_bytes=count_bytes(view.fields),
        image_count=objects,
        is_one_context=False,
        has_unseen_input=objects > 0,
        has_media_input=objects > 0,
        output_tokens_max=0,
    )


def keep_output(view: RequestView, cap: int, traits: frozenset[str] = NO_TRAITS) -> RequestView:  # noqa: ARG001 - the dialects' signature
    """A request whose answers have no length to limit."""
    return view


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of inference endpoints. The functions are those of its dialect.

    `measure` is the most that a request asks for, and `widen` what its headers add to that;
    `limit_output` is the same request with a lower cap on its output; `estimate` makes an answer of
    the request alone, for models at providers that cannot be asked. `meters` are those that its
    answers are charged by: an endpoint without any cannot be made, unless it `is_free`, which marks
    what no provider bills. `forward_stream` of None: answers are never streamed. `forward_bytes` is
    for streams that are no events, and `choose_media_type` then says by the request and the
    provider's type what they are, or raises `GatewayError`. `dialect` is there for conversations
    that can be translated; one that is not `is_passed_through` always is. `open_exchange` is there
    for what is no conversation, and then stands in place of the functions that read and write what
    passes; `open_sound` does so where the provider has a format of its own. `find_dropped` names
    what of a request no answer can fulfil, and `plan_links` says which pictures of an answer the
    caller is to be linked to. `file_field` is the file of a form that is not held in memory; the
    request is then the form described in JSON. `files` are those of an endpoint that may have
    several, and `read_form` stands in for `read_request` where a form came. `passes_usual_form`:
    there are exchanges only with providers that have a form of their own, and `tell_whole` makes of
    an answer to one the events for a caller who wants a stream.
    """

    operation: Operation
    path: str
    meters: frozenset[Meter]
    read_request: Callable[[bytes], RequestView]
    write_request: Callable[..., bytes]
    read_usage: Callable[[bytes], Usage | None]
    encode_error: Callable[[GatewayError, str], bytes]
    measure: Callable[[RequestView], Demand] = measure_text
    widen: Callable[[Demand, Iterable[tuple[bytes, bytes]]], Demand] | None = None
    limit_output: Callable[..., RequestView] = keep_output
    forward_stream: Callable[..., ForwardedStream] | None = None
    forward_bytes: Callable[[RequestView], RawStream] | None = None
    choose_media_type: Callable[[RequestView, bytes], bytes] | None = None
    file_field: str | None = None
    forwarded_headers: frozenset[bytes] = frozenset()
    forwards_query: bool = True
    dialect: Inbound | None = None
    is_passed_through: bool = True
    open_exchange: OpenExchange | None = None
    open_sound: OpenSound | None = None
    stream_media_type: bytes = b"text/event-stream; charset=utf-8"
    is_free: bool = False
    estimate: Callable[[RequestView], bytes] | None = None
    files: FileFields | None = None
    read_form: Callable[[bytes], RequestView] | None = None
    passes_usual_form: bool = False
    tell_whole: Callable[[bytes], bytes] | None = None
    find_dropped: Callable[[RequestView], Sequence[str]] | None = None
    plan_links: Callable[[RequestView, bytes], Linking | None] | None = None

    accepted_files: str | FileFields | None = None
    """The files that a form may have, as an `Upload` is told; None where none is taken.

    Never given: it follows.
    """

    def __post_init__(self) -> None:
        # Every request asks for it, and a property takes three times as long.
        msgspec.structs.force_setattr(self, "accepted_files", self.files or self.file_field)
        if self.is_free is bool(self.meters):
            wrong = "is free and has a meter" if self.is_free else "has no meter"
            raise ValueError(
                f"The endpoint {self.path!r} {wrong}: nobody could be charged rightly."
            )


class Conversation(Dialect, Inbound, Protocol):
    """A dialect that callers speak: passed through, or translated by way of the hub."""


def endpoint(
    operation: Operation,
    path: str,
    dialect: Conversation,
    *,
    is_translated: bool = True,
    is_free: bool = False,
    forwards_query: bool = True,
    estimate: Callable[[RequestView], bytes] | None = None,
) -> Endpoint:
    """The endpoint of a conversation dialect, all of whose functions it takes."""
    return Endpoint(
        operation=operation,
        path=path,
        meters=frozenset() if is_free else CONVERSATION_METERS,
        read_request=dialect.read_request,
        write_request=dialect.write_request,
        read_usage=dialect.read_usage,
        encode_error=dialect.encode_error,
        measure=dialect.measure,
        limit_output=dialect.limit_output,
        forward_stream=dialect.forward_stream,
        forwarded_headers=dialect.forwarded_headers,
        forwards_query=forwards_query,
        dialect=dialect if is_translated else None,
        is_free=is_free,
        estimate=estimate,
    )
