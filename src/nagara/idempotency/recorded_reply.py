"""An answer on its way out that is also recorded, so that it can be given again.

Nothing is held back for it: a piece is noted and handed on. The record is whole before the last
piece is sent, because it is committed with the charge, which that piece waits for. Beyond its bound
a record is given up, and its memory with it; the caller still gets the answer.
"""

from collections.abc import Sequence

from nagara.storage.claims import Answer, Claim, Loss
from nagara.storage.driver import Statement
from nagara.upstream.forwarded_reply import ForwardedReply
from nagara.upstream.reply import Reply, ResponseHeaders

_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-length", b"cache-control", b"x-accel-buffering"}
)
_KEPT_PREFIX = b"x-nagara-"
"""Our own say how the answer was made. What else there is tells of the one request: its id, and
what was left of limits."""


class RecordedReply(ForwardedReply):
    """Another `Reply`, and what it was given, up to `bytes_max` of body."""

    __slots__ = ("_body", "_bytes_max", "_claim", "_head", "_pieces", "_size", "is_kept")

    def __init__(self, reply: Reply, claim: Claim, bytes_max: int) -> None:
        super().__init__(reply)
        self.is_kept = False
        """Whether `keep` was asked for: else there is nothing to be given again."""
        self._claim = claim
        self._bytes_max = bytes_max
        self._head: tuple[int, ResponseHeaders] = (0, [])
        self._pieces: list[bytes] = []
        self._size = 0
        self._body: bytes | None = None

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """As `Reply.start`."""
        self._head = (status, [header for header in headers if _is_kept(header[0])])
        self._reply.start(status, headers)

    def write(self, body: bytes) -> None:
        """As `Reply.write`."""
        self._add(body)
        self._reply.write(body)

    def end(self, body: bytes = b"") -> None:
        """As `Reply.end`."""
        self._close(body)
        self._reply.end(body)

    def statements_for(self, last: bytes) -> Sequence[Statement]:
        """What keeps the answer; see `Reply.statements_for`."""
        self._close(last)
        return (*self._reply.statements_for(last), self.keep())

    def keep(self) -> Statement:
        """What keeps the answer as far as it has come."""
        self.is_kept = True
        recorded = self.recorded
        if isinstance(recorded, Answer):
            return self._claim.answered(recorded)
        return self._claim.lost(recorded)

    @property
    def recorded(self) -> Answer | Loss:
        """The answer, or why there is none."""
        if self._size > self._bytes_max:
            return Loss.TOO_LARGE
        if self._body is None:
            return Loss.CUT
        status, headers = self._head
        return Answer(status, tuple(headers), self._body)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._bytes_max:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def _close(self, last: bytes) -> None:
        """The last piece: known when the charge is made, and come again when it is sent."""
        if self._body is None:
            self._add(last)
            self._body = b"".join(self._pieces)
            self._pieces.clear()


def _is_kept(name: bytes) -> bool:
    return name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIX)
