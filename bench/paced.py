"""Calls at a fixed rate, over an asyncio client: the same work in the same time for every subject.

What a call took is from its first byte sent to the last received, of calls that were sent when they
were due and of those that were not alike: at a rate that the subject can keep, few are late.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import uvloop

from bench import processes
from bench.load import CONNECTIONS, STREAM_TIMEOUT_S, make_request
from bench.processes import BenchError
from bench.report import Line

PACED_PER_S = 3000
LATENCY_PER_S = 1000
ADDED_P50_TARGET_MS = 0.4
ADDED_P99_TARGET_MS = 2.0

Latencies = Mapping[str, Sequence[Sequence[float]]]
"""By subject, the ms of each call of each round."""


class Pace(NamedTuple):
    """What is posted, and how often a second in all."""

    key: str
    body: bytes
    per_s: int


def post(port: int, pace: Pace, core: int, duration_s: int) -> list[float]:
    """Post for `duration_s` on `CONNECTIONS` connections; the ms of each call, all of them good."""
    with processes.pinned(core):
        return uvloop.run(_post_all(port, pace, duration_s))


async def _post_all(port: int, pace: Pace, duration_s: int) -> list[float]:
    ends_s = asyncio.get_running_loop().time() + duration_s
    callers = [_post_on_one(index, port, pace, ends_s) for index in range(CONNECTIONS)]
    return [took_ms for each in await asyncio.gather(*callers) for took_ms in each]


async def _post_on_one(index: int, port: int, pace: Pace, ends_s: float) -> list[float]:
    loop, interval_s = asyncio.get_running_loop(), CONNECTIONS / pace.per_s
    request = make_request(pace.key, pace.body)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due_s, took_ms = loop.time() + interval_s * index / CONNECTIONS, list[float]()
    try:
        while due_s < ends_s:
            await asyncio.sleep(due_s - loop.time())
            sent_s = time.perf_counter()
            writer.write(request)
            async with asyncio.timeout(STREAM_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_content_length(head))
            took_ms.append((time.perf_counter() - sent_s) * 1e3)
            if not head.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"port {port} answered {head[:100]!r}")
            due_s += interval_s
    finally:
        writer.close()
    return took_ms


def _content_length(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    if found is None:
        raise BenchError(f"an answer without a length: {head[:300]!r}")
    return int(found[1])


def latency_lines(took_ms: Latencies) -> list[Line]:
    """What a call that is paid for takes longer than a free one, and than through nginx."""
    paid, free, floor = took_ms["paid"], took_ms["free"], took_ms["nginx"]
    return [
        _added("added by the ledger, p50", paid, free, 50, ADDED_P50_TARGET_MS),
        _added("added by the ledger, p99", paid, free, 99, ADDED_P99_TARGET_MS),
        _added("added to nginx, p99", paid, floor, 99, ADDED_P99_TARGET_MS),
    ]


def _added(
    name: str,
    ours: Sequence[Sequence[float]],
    floor: Sequence[Sequence[float]],
    percent: int,
    target_ms: float,
) -> Line:
    """The median, over the rounds, of the difference of one percentile."""
    pairs = [
        (percentile(mine, percent), percentile(theirs, percent))
        for mine, theirs in zip(ours, floor, strict=True)
    ]
    added_ms = statistics.median(mine - theirs for mine, theirs in pairs)
    mine, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    detail = f"{mine:.2f} ms beside {theirs:.2f} ms, {LATENCY_PER_S} calls a second"
    return Line(name, added_ms, target_ms, "ms", detail)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
