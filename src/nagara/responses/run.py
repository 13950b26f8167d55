"""One background response while it is made: its object, its events, and who waits for them.

Theory of operation. The pipeline serves the request as a stream, to a `RunReply`. Each of the
provider's events becomes one of ours: under the gateway's response id, and numbered anew without a
gap, because the first events are our own (`response.created` and `response.queued`, before any
provider was asked) and a provider's may end without a last word.

    queued ──first event──> in_progress ──terminal event──> completed, incomplete, failed
       └───────────────┴──── end() ────> failed, cancelled

Whatever comes after the end is thrown away. Events are numbered from zero; `_window` holds the
newest, at least all that are not in the store yet, so that a follower which is further behind
finds the rest there. When too much is unwritten the run is full, like a slow client, and the
provider is not read until it was written.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from nagara.dialects.json_fields import Fields
from nagara.dialects.sse import SseSplitter, read_data
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.kept_items import Maker
from nagara.operations.response_state import (
    ACTIVE,
    TERMINAL_EVENTS,
    edit_response,
    end_response,
    number_event,
    read_event,
    read_response,
    write_event,
)
from nagara.storage.driver import Statement
from nagara.storage.responses import EventBlock, StoredResponse
from nagara.upstream.reply import ResponseHeaders

WINDOW_BYTES = 256 * 1024
UNWRITTEN_BYTES_MAX = 1024 * 1024

_TEXT_STREAM = b"text/event-stream"
_OPENING = frozenset({"response.created", "response.queued"})


class Run:
    """A background response of this process."""

    def __init__(
        self,
        stored: StoredResponse,
        own: Fields,
        event_bytes_max: int,
        events_bytes_max: int,
        on_full: Callable[[], None],
    ) -> None:
        """`own` are the fields that every response object of it has, whatever the provider says.

        `on_full` asks for what is unwritten to be written soon.
        """
        self.stored = stored
        self.task: asyncio.Task[None] | None = None
        self.writing = asyncio.Lock()
        """Held while something of it is written, so that writes keep their order."""
        self.is_lost = False
        """Whether another process ended or deleted it: nothing more may be written."""
        self.on_given_up: Callable[[], None] | None = None
        """Called when its caller wants no more of it, who pays for what was made until then."""
        self.is_recorded = False
        """Whether its end is in the store, or never can be."""
        self.written = -1
        """The number of the last event that is in the store."""
        self.last = -1
        """The number of the last event."""
        self._own = own
        self._on_full = on_full
        self.on_room: Callable[[], None] | None = None
        self._splitter = SseSplitter(event_bytes_max)
        self._events_bytes_left = events_bytes_max
        self._window: deque[bytes] = deque()
        self._window_bytes = 0
        self._unwritten_bytes = 0
        self._items: list[bytes] = []
        self._changed = asyncio.Event()
        self._add(write_event("response.created", 0, stored.response))
        self._add(write_event("response.queued", 1, stored.response))

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.stored.status in ACTIVE

    @property
    def is_full(self) -> bool:
        """Whether too much is unwritten for the provider to be read on."""
        return self._unwritten_bytes > UNWRITTEN_BYTES_MAX and self.is_active

    def take(self, body: bytes, *, is_event_stream: bool) -> None:
        """Take what a client would be sent. Raises `GatewayError` when it is too much."""
        if not body or not self.is_active:
            return
        if is_event_stream:
            self._take_events(body)
        else:
            # A refusal is raised, so this is an answer: its object is the last event's.
            self._take_object(body)
        if self.is_full:
            self._on_full()

    def set_maker(self, maker: Maker | None) -> None:
        """Who answers it."""
        self.stored = msgspec.structs.replace(self.stored, maker=maker)

    def end(self, status: str, error: GatewayError | None = None) -> None:
        """End it here, with the output that is whole; no-op if it has ended."""
        if not self.is_active:
            return
        output = b"[" + b",".join(self._items) + b"]"
        self._become(status, end_response(self.stored.response, status, error, output))
        self._add(write_event(f"response.{status}", self.last + 1, self.stored.response))

    def give_up(self) -> None:
        """Its caller has cancelled or deleted it."""
        if self.on_given_up is not None:
            self.on_given_up()

    def events_after(self, number: int) -> list[tuple[int, bytes]] | None:
        """The events above `number` with their numbers; None if some are in the store alone."""
        first = self.last - len(self._window) + 1
        if number + 1 < first:
            return None
        skipped = number + 1 - first
        return [(first + at, event) for at, event in enumerate(self._window) if at >= skipped]

    def unwritten(self) -> EventBlock | None:
        """The events that are not in the store."""
        events = self.events_after(self.written)
        if not events:
            return None
        return EventBlock(events[0][0], tuple(event for _, event in events))

    def mark_written(self, number: int) -> None:
        """The events up to `number` are in the store, and need not be held any more."""
        self.written = max(self.written, number)
        unwritten = self.events_after(self.written) or []
        self._unwritten_bytes = sum(len(event) for _, event in unwritten)
        while self._window_bytes > WINDOW_BYTES and len(self._window) > len(unwritten):
            self._window_bytes -= len(self._window.popleft())
        if self.on_room is not None and not self.is_full:
            self.on_room()

    async def wait(self, number: int) -> None:
        """Wait until there is an event above `number`, or it has ended."""
        while self.last <= number and self.is_active:
            await self._changed.wait()

    def _take_events(self, body: bytes) -> None:
        for event in self._splitter.feed(body):
            data = read_data(event)
            if data and data != b"[DONE]" and self.is_active:
                self._take_event(data)

    def _take_event(self, data: bytes) -> None:
        view = read_event(data)
        if view.type in _OPENING:
            return
        if view.type == "response.output_item.done" and view.item:
            self._items.append(bytes(view.item))
        response = bytes(view.response)
        if response:
            response = edit_response(response, self._own)
            is_last = view.type in TERMINAL_EVENTS
            self._become(_status_of(view.type, response) if is_last else "in_progress", response)
        elif self.stored.status == "queued":
            self._become("in_progress", self.stored.response)
        self._add(number_event(data, self.last + 1, response or None))

    def _take_object(self, body: bytes) -> None:
        response = edit_response(body, self._own)
        status = _status_of(None, response)
        self._become(status, response)
        self._add(write_event(f"response.{status}", self.last + 1, response))

    def _become(self, status: str, response: bytes) -> None:
        self.stored = msgspec.structs.replace(self.stored, status=status, response=response)

    def _add(self, event: bytes) -> None:
        """Number and keep an event. Raises `GatewayError` when there are too many."""
        self._events_bytes_left -= len(event)
        self._window.append(event)
        self._window_bytes += len(event)
        self._unwritten_bytes += len(event)
        self.last += 1
        self._changed.set()
        # Whoever waits was woken; whoever waits from now on, waits for the next.
        self._changed.clear()
        if self._events_bytes_left < 0 and self.is_active:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                "The stream of this background response is larger than this gateway keeps "
                "(background_events_bytes_max).",
            )


def _status_of(kind: str | None, response: bytes) -> str:
    """What a response that has ended has come to."""
    if kind in TERMINAL_EVENTS:
        return str(kind).removeprefix("response.")
    status = read_response(response).status
    return status if status in ("completed", "incomplete", "failed") else "completed"


class RunReply:
    """The `Reply` that a run is served to."""

    def __init__(self, run: Run) -> None:
        self.has_started = self.is_ended = False
        self._run = run
        self._is_event_stream = True

    @property
    def is_full(self) -> bool:
        """Whether the store has to catch up first."""
        return self._run.is_full

    @property
    def on_room(self) -> Callable[[], None] | None:
        """Called when it has."""
        return self._run.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None] | None) -> None:
        self._run.on_room = call

    def start(self, status: int, headers: ResponseHeaders) -> None:  # noqa: ARG002 - it is 200
        """Take the head, which says of what kind the answer is."""
        self.has_started = True
        kinds = [value for name, value in headers if name == b"content-type"]
        self._is_event_stream = any(kind.startswith(_TEXT_STREAM) for kind in kinds)

    def write(self, body: bytes) -> None:
        """Take a piece. Raises `GatewayError` when there are too many."""
        self._run.take(body, is_event_stream=self._is_event_stream)

    def end(self, body: bytes = b"") -> None:
        """Take the last piece."""
        self.is_ended = True
        self._run.take(body, is_event_stream=self._is_event_stream)

    def break_off(self) -> None:
        """Take no more: only answers that are no events are broken off."""
        self.is_ended = True

    def statements_for(self, last: bytes) -> Sequence[Statement]:  # noqa: ARG002 - kept already
        """Nothing: a run is written as it goes."""
        return ()

    def abandon(self, bytes_max: int) -> None:
        """No client can leave it."""
