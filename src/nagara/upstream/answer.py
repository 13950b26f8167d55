"""What an attempt gives once the upstream begins to answer: a head, and a body in pieces.

The network's answers and the sandbox's have this same shape, so the relay knows no difference.
"""

from typing import Protocol

Headers = list[tuple[bytes, bytes]]
"""Header names in lower case, in the order of the wire; repeated names stay repeated."""


class Answer(Protocol):
    """One upstream answer. Whoever holds it must read it to its end or abort it."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """The next piece of the body, decoded; `b""` at its end, and every time after that.

        Raises `GatewayError` of an upstream kind when the body breaks off, is malformed, is too
        large or takes too long. A piece is never empty before the end.
        """

    def abort(self) -> None:
        """Stop the upstream now by closing its connection. Harmless after the end, or twice."""
