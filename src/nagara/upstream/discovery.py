"""Looking for model servers on this machine, where the settings say so: once, at start.

A server is there if it lists its models. One that is not there costs `timeout_s` at the most, since
all are asked at once, and is no error.
"""

import asyncio
from collections.abc import Sequence

from nagara.domain.catalog import ConfiguredProvider
from nagara.domain.errors import GatewayError
from nagara.upstream.bounds import Timeouts
from nagara.upstream.origin import read_base_url
from nagara.upstream.pool import Pool


async def find_running(
    servers: Sequence[ConfiguredProvider], pool: Pool, timeout_s: float
) -> list[ConfiguredProvider]:
    """Those of `servers` that answer, in their order."""
    answers = await asyncio.gather(*(_answers(server, pool, timeout_s) for server in servers))
    return [server for server, is_there in zip(servers, answers, strict=True) if is_there]


async def _answers(server: ConfiguredProvider, pool: Pool, timeout_s: float) -> bool:
    base = read_base_url(server.base_url or server.provider.base_url or "")
    timeouts = Timeouts(
        connect_s=timeout_s, first_byte_s=timeout_s, idle_s=timeout_s, total_s=timeout_s
    )
    try:
        target = base.target(b"/models")
        answer = await pool.send(base.origin, b"GET", target, [], b"", timeouts)
    except GatewayError:
        return False
    answer.abort()
    return answer.status == 200
