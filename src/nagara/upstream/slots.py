"""Who gets which connection to one origin: the decisions, with no I/O.

There are `connections_max` slots. A slot holds a connection (serving or idle) or somebody who is
opening one. Idle connections are given out most recently used first, so that the rest can expire.
Whoever finds all slots taken queues, first come first served: while somebody queues nothing is
idle, because what comes free goes to the head of the queue and not to a newcomer.

Invariant: slots taken = connections known + openings under way, and never above the maximum.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

Connection = TypeVar("Connection")
Ticket = TypeVar("Ticket")


class Slots(Generic[Connection, Ticket]):
    """The slots of one origin. A ticket is whatever its owner waits with; each is used once."""

    def __init__(self, connections_max: int, waiting_max: int) -> None:
        self._connections_max = connections_max
        self._waiting_max = waiting_max
        self._idle: list[Connection] = []
        self._known: set[Connection] = set()
        self._opening_count = 0
        self._queue: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def connections(self) -> frozenset[Connection]:
        """All connections that are known, serving or idle."""
        return frozenset(self._known)

    @property
    def idle_count(self) -> int:
        """Connections that serve nobody."""
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """Tickets in the queue."""
        return len(self._queue)

    def take_idle(self) -> Connection | None:
        """The idle connection that was used last; it serves its taker from now on."""
        return self._idle.pop() if self._idle else None

    def take_slot(self) -> bool:
        """Take a slot for opening a connection; False if none is free."""
        if len(self._known) + self._opening_count >= self._connections_max:
            return False
        self._opening_count += 1
        return True

    def replace_idle(self) -> Connection | None:
        """Give up the idle connection that was used longest ago, for its slot to open another."""
        if not self._idle:
            return None
        connection = self._idle.pop(0)
        self._known.discard(connection)
        self._opening_count += 1
        return connection

    def join_queue(self, ticket: Ticket) -> bool:
        """Put the ticket at the end of the queue; False if that is full."""
        if len(self._queue) >= self._waiting_max:
            return False
        self._queue[ticket] = None
        return True

    def leave_queue(self, ticket: Ticket) -> None:
        """Take the ticket out of the queue, if it is still there."""
        self._queue.pop(ticket, None)

    def empty_queue(self) -> list[Ticket]:
        """Take every ticket out of the queue."""
        tickets = list(self._queue)
        self._queue.clear()
        return tickets

    def opened(self, connection: Connection) -> None:
        """An opening has succeeded; the connection serves its opener."""
        self._opening_count -= 1
        self._known.add(connection)

    def release(self, connection: Connection) -> Ticket | None:
        """A connection has become free: the ticket that it now serves, or None if it is idle."""
        if self._queue:
            return self._queue.popitem(last=False)[0]
        self._idle.append(connection)
        return None

    def forget(self, connection: Connection) -> Ticket | None:
        """A connection is gone: the ticket that may open one in its slot, if somebody waits."""
        if connection not in self._known:
            return None
        self._known.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        return self._pass_slot_on()

    def give_up_opening(self) -> Ticket | None:
        """An opening has failed, or its taker has left: the ticket that may try instead."""
        self._opening_count -= 1
        return self._pass_slot_on()

    def _pass_slot_on(self) -> Ticket | None:
        if not self._queue or not self.take_slot():
            return None
        return self._queue.popitem(last=False)[0]
