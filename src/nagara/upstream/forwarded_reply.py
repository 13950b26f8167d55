"""A `Reply` in front of another: what it does not say otherwise is the other's.

For those who listen to an answer on its way out, or change it. They can stand one before the other,
since each hands on to the next what it has made of a piece.
"""

from collections.abc import Callable, Sequence

from nagara.storage.driver import Statement
from nagara.upstream.reply import Reply, ResponseHeaders


class ForwardedReply:
    """Hands everything on. Whoever inherits calls these to hand on its own."""

    __slots__ = ("_reply",)

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def has_started(self) -> bool:
        """As the other's."""
        return self._reply.has_started

    @property
    def is_ended(self) -> bool:
        """As the other's."""
        return self._reply.is_ended

    @property
    def is_full(self) -> bool:
        """As the other's."""
        return self._reply.is_full

    @property
    def on_room(self) -> Callable[[], None] | None:
        """As the other's."""
        return self._reply.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None] | None) -> None:
        self._reply.on_room = call

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """As `Reply.start`."""
        self._reply.start(status, headers)

    def write(self, body: bytes) -> None:
        """As `Reply.write`."""
        self._reply.write(body)

    def end(self, body: bytes = b"") -> None:
        """As `Reply.end`."""
        self._reply.end(body)

    def break_off(self) -> None:
        """As `Reply.break_off`."""
        self._reply.break_off()

    def statements_for(self, last: bytes) -> Sequence[Statement]:
        """As `Reply.statements_for`."""
        return self._reply.statements_for(last)

    def abandon(self, bytes_max: int) -> None:
        """As `Reply.abandon`."""
        self._reply.abandon(bytes_max)
