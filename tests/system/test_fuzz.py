"""Whatever is sent, the caller gets an answer of the API and the gateway stays as it was.

Seeded and bounded: the same requests each time, unless `NAGARA_FUZZ_SEED` and
`NAGARA_FUZZ_REQUESTS` say otherwise. A failure prints the request that did it.
"""

import json
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.error_shapes import read_error
from tests.system.gateway import GatewayProcess, served
from tests.system.malformed import VALID_BODIES, MalformedRequest, generate
from tests.system.wire import ConnectionEndedError, WireAnswer, WireConnection, encode_request

SEED = int(os.environ.get("NAGARA_FUZZ_SEED", "20260101"))
REQUESTS = int(os.environ.get("NAGARA_FUZZ_REQUESTS", "4000"))
GROWTH_BYTES_MAX = 8 * 2**20
"""What an allocator may keep from one half of the run to the next; a leak of 4 KB a request is
twice that."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with served(folder, {"opening_grant_usd": "1000000", "log_format": "json"}) as gateway:
        yield gateway


class Sender:
    """One connection that is opened again whenever the gateway has closed it."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._keys = (gateway.key, gateway.provisioning_key)
        self._connection = WireConnection(gateway.port)

    def close(self) -> None:
        self._connection.close()

    def send(self, request: MalformedRequest) -> WireAnswer:
        """Its answer; a connection that was closed while idle is opened again, once."""
        key = self._keys["/account/" in request.path]
        headers = (*request.headers, ("authorization", f"Bearer {key}"))
        data = encode_request(request.method, request.path, headers, request.body)
        self._connection.send(data)
        try:
            answer = self._connection.read_answer(request.method)
        except ConnectionEndedError as error:
            if error.received:
                raise
            self._reopen()
            self._connection.send(data)
            answer = self._connection.read_answer(request.method)
        if (answer.header("connection") or "").lower() == "close":
            self._reopen()
        return answer

    def _reopen(self) -> None:
        self.close()
        self._connection = WireConnection(self._gateway.port)


def check(request: MalformedRequest, answer: WireAnswer) -> None:
    """Fail with the request where the answer is none that the API may give."""
    try:
        assert answer.status < 500, answer.body[:500]
        assert answer.header("x-injected") is None
        if answer.status >= 400 and request.method != "HEAD":
            read_error(answer, request.path)
    except (AssertionError, ValueError, KeyError, TypeError) as error:
        pytest.fail(f"{request.kind}: {request.method} {request.path[:200]} {request.headers}\n"
                    f"{request.body[:500]!r}\n-> {answer.status} {answer.headers} "
                    f"{answer.body[:500]!r}\n{error!r}")  # fmt: skip


def test_no_request_gives_a_server_error_a_traceback_or_another_shape(
    gateway: GatewayProcess,
) -> None:
    rng = random.Random(SEED)
    with closing(Sender(gateway)) as sender:
        for _ in range(REQUESTS // 2):
            request = generate(rng)
            check(request, sender.send(request))
        before = gateway.resident_bytes
        for _ in range(REQUESTS // 2):
            request = generate(rng)
            check(request, sender.send(request))
    assert gateway.is_running
    assert gateway.resident_bytes - before < GROWTH_BYTES_MAX
    assert "Traceback" not in gateway.output
    assert '"level":"error"' not in gateway.output.lower().replace(" ", "")


def test_memory_is_flat_over_thousands_of_good_requests(gateway: GatewayProcess) -> None:
    request = _good_request()
    with closing(Sender(gateway)) as sender:
        for _ in range(500):
            assert sender.send(request).status == 200
        before = gateway.resident_bytes
        for _ in range(2000):
            assert sender.send(request).status == 200
    assert gateway.resident_bytes - before < GROWTH_BYTES_MAX


def test_valid_bodies_are_valid(gateway: GatewayProcess) -> None:
    """Or else the fuzzer would only ever reach the first check of an endpoint."""
    with closing(Sender(gateway)) as sender:
        for path, body in VALID_BODIES.items():
            headers = (("content-type", "application/json"),)
            answer = sender.send(
                MalformedRequest("none", "POST", path, headers, json.dumps(body).encode())
            )
            assert answer.status == 200, (path, answer.body)


def test_the_same_seed_makes_the_same_requests() -> None:
    first, second = random.Random(SEED), random.Random(SEED)
    assert [generate(first) for _ in range(300)] == [generate(second) for _ in range(300)]


def _good_request() -> MalformedRequest:
    body = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Say hello."}]}'
    headers = (("content-type", "application/json"),)
    return MalformedRequest("none", "POST", "/v1/chat/completions", headers, body)
