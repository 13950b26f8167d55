"""What the tests of the upstream client say often: limits, timeouts, and a request in one line."""

from collections.abc import AsyncIterator

import msgspec

from nagara.upstream.answer import Answer, Headers
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.origin import read_base_url
from nagara.upstream.pool import Pool

LIMITS = PoolLimits(
    connections_per_origin_max=10,
    waiting_max=10,
    wait_s=5.0,
    idle_expiry_s=60.0,
    head_bytes_max=16 * 1024,
    header_count_max=100,
    buffer_bytes_high=256 * 1024,
    body_bytes_max=None,
)
TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=5.0, idle_s=5.0, total_s=None)


def make_limits(**changes: object) -> PoolLimits:
    return msgspec.structs.replace(LIMITS, **changes)


def make_timeouts(**changes: object) -> Timeouts:
    return msgspec.structs.replace(TIMEOUTS, **changes)


class Client:
    """A pool, asked in few words."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def ask(
        self,
        url: str,
        *,
        method: bytes = b"POST",
        target: bytes = b"/v1/x",
        headers: Headers | None = None,
        body: bytes | AsyncIterator[bytes] = b"{}",
        timeouts: Timeouts = TIMEOUTS,
    ) -> Answer:
        """The answer, when its head is there."""
        base = read_base_url(url)
        return await self.pool.send(
            base.origin, method, base.target(target), headers or [], body, timeouts
        )

    async def fetch(self, url: str, **request: object) -> bytes:
        """The whole body of the answer."""
        return await read_all(await self.ask(url, **request))  # type: ignore[arg-type]


async def read_all(answer: Answer) -> bytes:
    """Every piece up to the end."""
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)
