"""What it costs to translate: CPU µs of a request and of a streamed chunk, for every pair.

In this process, without sockets: only the lanes are measured, from the caller's bytes to the
provider's and back, with the pass-through lane where both sides speak the same dialect. Rounds of
all pairs alternate, and the median of each pair's counts. A translation that loses a word of its
stream raises `BenchError` instead of giving a figure.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from bench.conversations import CHUNKS, MODEL, STREAMS, Stream, request_body
from bench.processes import BenchError
from nagara.cli.serve import settle_memory
from nagara.dialects import google_gemini
from nagara.domain.catalog import Deployment, Operation, Provider
from nagara.operations import ENDPOINTS, Endpoint
from nagara.operations.conversation import DIALECTS
from nagara.operations.google import make_endpoint
from nagara.operations.lanes import Asking, Bounds, Lane, choose_lane

REQUEST_TARGET_US = 150.0
CHUNK_TARGET_US = 15.0

REQUESTS = 100
"""In one round of a pair; its streams are of `CHUNKS` chunks."""
WARMUPS = 1

_BOUNDS = Bounds(event_bytes_max=1 << 20, response_bytes_max=1 << 24)


class Pair(msgspec.Struct, frozen=True):
    """A caller's dialect and a provider's, and what is measured of them."""

    caller: str
    upstream: str
    request_us: float
    chunk_us: float

    @property
    def is_pass_through(self) -> bool:
        return self.caller == self.upstream


class _Case:
    """One pair, ready to be run."""

    def __init__(self, endpoint: Endpoint, operation: Operation) -> None:
        dialect = DIALECTS[operation]
        self.caller, self.upstream = DIALECTS[endpoint.operation].NAME, dialect.NAME
        self._endpoint = endpoint
        self._body = request_body(DIALECTS[endpoint.operation])
        self._stream = STREAMS[operation]()
        provider = Provider(
            name="bench", display_name="Bench", homepage="", base_url=None, paths={operation: ""}
        )
        self._deployment = Deployment(name="bench", provider=provider, model=MODEL)

    def request_us(self) -> float:
        before_ns = time.process_time_ns()
        for _ in range(REQUESTS):
            self._ask()
        return (time.process_time_ns() - before_ns) / REQUESTS / 1000

    def chunk_us(self) -> float:
        stream = self._ask().open_stream(_BOUNDS, is_event_stream=True)
        written = [stream.feed(self._stream.begin)] if self._stream.begin else []
        before_ns = time.process_time_ns()
        written.extend(map(stream.feed, self._stream.chunks))
        spent_ns = time.process_time_ns() - before_ns
        written.append(stream.feed(self._stream.end))
        self._check(b"".join(written), self._stream)
        return spent_ns / CHUNKS / 1000

    def _ask(self) -> Lane:
        asking = Asking(
            endpoint=self._endpoint,
            view=self._endpoint.read_request(self._body),
            request_id="req_bench",
            seed="bench",
            now_s=1_750_000_000,
            is_enveloped=False,
            recall=lambda _: None,
        )
        return choose_lane(asking, self._deployment)

    def _check(self, written: bytes, stream: Stream) -> None:
        words = written.count(b'" rain"')
        if words < len(stream.chunks):
            raise BenchError(f"{self.upstream} to {self.caller}: {words} words of {CHUNKS}")


def measure(rounds: int) -> list[Pair]:
    """Every pair, each the median of so many rounds. Raises `BenchError` for a wrong answer."""
    cases = [_Case(endpoint, operation) for endpoint in _callers() for operation in DIALECTS]
    # As a gateway that serves sets its collector.
    settle_memory()
    requests = _medians([case.request_us for case in cases], rounds)
    chunks = _medians([case.chunk_us for case in cases], rounds)
    return [
        Pair(case.caller, case.upstream, request_us, chunk_us)
        for case, request_us, chunk_us in zip(cases, requests, chunks, strict=True)
    ]


def _callers() -> list[Endpoint]:
    """The endpoints of all dialects that callers speak."""
    fixed = [
        each
        for each in ENDPOINTS.values()
        if each.dialect is not None and each.dialect.NAME != google_gemini.NAME
    ]
    return [*fixed, make_endpoint(MODEL, "streamGenerateContent")]


def _medians(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    taken: list[list[float]] = [[] for _ in measures]
    for number in range(WARMUPS + rounds):
        for figures, take in zip(taken, measures, strict=True):
            figure = take()
            if number >= WARMUPS:
                figures.append(figure)
    return [statistics.median(figures) for figures in taken]
