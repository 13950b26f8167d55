"""What an attempt gives once the upstream begins to answer: a head, and a body in pieces.

The network's answers and the sandbox's have this same shape, so the relay knows no difference. The
body is taken in one of two ways: awaited piece by piece (`read`), or, where a task switch for each
piece would cost too much, by whoever is called when there is news (`listen`, then `take`).
"""

from collections.abc import Callable
from typing import Protocol

Headers = list[tuple[bytes, bytes]]
"""Header names in lower case, in the order of the wire; repeated names stay repeated."""


class Answer(Protocol):
    """One upstream answer. Whoever holds it must read it to its end or abort it."""

    status: int
    headers: Headers
    is_drained: bool
    """Whether `take` gave all that is here, and would say None now."""

    def take(self) -> bytes | None:
        """The next piece of the body, decoded, if it is here; None while it is not.

        `b""` at the body's end, and every time after that; never before it. Raises `GatewayError`
        of an upstream kind when the body breaks off, is malformed, is too large or takes too long.
        After None the upstream's time runs; it does not while there is something to take.
        """

    def listen(self, on_news: Callable[[], None] | None) -> None:
        """Call `on_news` whenever `take` may say something else than before; None calls nobody.

        It is called by the event loop, soon after the bytes came, and must not raise.
        """

    async def read(self) -> bytes:
        """What `take` gives, waited for. Cancelling it aborts."""

    def abort(self) -> None:
        """Stop the upstream now by closing its connection. Harmless after the end, or twice."""
