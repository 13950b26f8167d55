"""The several calls that one request may become, a few at a time, and their answers as one.

A provider that takes fewer inputs at once than a caller sends is called more than once. The answers
are kept in the order of the calls, within one bound for all. If one call fails, the others are
stopped and the attempt has failed: what the others gave is of no use without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.text_lane import join_answers
from nagara.upstream.answer import Answer, Headers

AT_ONCE_MAX = 4
"""How many calls of one request are under way together."""


class Begun(Protocol):
    """An answer that has begun."""

    @property
    def answer(self) -> Answer:
        """Its head, and the rest of its body."""

    @property
    def first(self) -> bytes:
        """The first piece of its body."""


Ask = Callable[[], Awaitable[Begun]]


class WholeAnswer:
    """An answer whose body is here already."""

    is_drained = False

    def __init__(self, body: bytes) -> None:
        self.status = 200
        self.headers: Headers = []
        self._rest = body

    def take(self) -> bytes:
        """The body, and then its end."""
        piece, self._rest = self._rest, b""
        return piece

    def listen(self, on_news: Callable[[], None] | None) -> None:
        """Nobody: there is no news."""

    async def read(self) -> bytes:
        """As `take`."""
        return self.take()

    def abort(self) -> None:
        """Nothing is under way."""


class _Room:
    """What is left of the bound that all answers share."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._taken = 0

    def take(self, size: int) -> None:
        self._taken += size
        if self._taken > self._bytes_max:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                f"The provider's answers are larger than {self._bytes_max} bytes.",
            )


async def ask_all(asks: Sequence[Ask], bytes_max: int) -> WholeAnswer:
    """The answers to all calls, joined. Raises the `GatewayError` of the first that fails.

    Cancelled, it stops all that are under way.
    """
    answers = [b""] * len(asks)
    pending, room = iter(enumerate(asks)), _Room(bytes_max)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE_MAX, len(asks))):
                group.create_task(_work(pending, answers, room))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return WholeAnswer(join_answers(answers))


async def _work(pending: Iterator[tuple[int, Ask]], answers: list[bytes], room: _Room) -> None:
    """Calls in turn, until none is left that nobody makes."""
    for place, ask in pending:
        begun = await ask()
        try:
            piece = begun.first
            pieces: list[bytes] = []
            while piece:
                room.take(len(piece))
                pieces.append(piece)
                piece = await begun.answer.read()
        except BaseException:
            begun.answer.abort()
            raise
        answers[place] = b"".join(pieces)
