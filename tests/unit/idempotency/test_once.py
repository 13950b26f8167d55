"""Who runs a call, who waits, and what they get; on a real database in a file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.books import WrappedDriver
from tests.fakes import FakeReply

from nagara.admitted import Admitted
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.idempotency.calls import KeyedCall
from nagara.idempotency.once import PIECE_BYTES, IdempotencyLimits, Once, replay
from nagara.observe.observations import RequestEnded
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking
from nagara.runtime import SystemClock
from nagara.storage.claims import Answer, ClaimTakenError, Loss, Scope, StoredCall, load_call
from nagara.storage.driver import Driver, Result, Row, Statement, StorageError, Value
from nagara.storage.sqlite import SqliteDriver
from nagara.upstream.attempt import Call
from nagara.upstream.reply import Reply

ENDPOINT = ENDPOINTS["/v1/chat/completions"]
CALL = KeyedCall(Scope(7, False, "k"), b"f" * 32)
NOTHING: Any = None
"""What nobody looks at here."""


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    yield driver
    await driver.close()


def make_once(driver: Driver, runner: str = "run", wait_s: float = 5.0) -> Once:
    return Once(driver, runner, SystemClock(), IdempotencyLimits(wait_s=wait_s), lambda _: None)


def admit(request: str) -> Admitted:
    asking = Asking(
        endpoint=ENDPOINT,
        view=ENDPOINT.read_request(b'{"model": "m", "messages": [{"role": "user"}]}'),
        request_id=f"req_{request}",
        seed=request,
        now_s=0,
        is_enveloped=False,
        recall=NOTHING,
    )
    return Admitted(
        began_s=0.0,
        call=Call(asking=asking, headers=[], query=b""),
        key=NOTHING,
        route=NOTHING,
        candidates=(),
        terms=NOTHING,
        allowance=NOTHING,
    )


class Asker:
    """One request with the key, and what it is sent."""

    def __init__(self, once: Once, driver: Driver, request: str = "r") -> None:
        self.reply = FakeReply()
        self.ended = RequestEnded(request_id=f"req_{request}", method="POST", path=ENDPOINT.path)
        self.runs = 0
        self.is_running = asyncio.Event()
        self.may_end = asyncio.Event()
        self.body = b"answer"
        self.error: Exception | None = None
        self._once = once
        self._driver = driver
        self._request = request

    async def ask(self, call: KeyedCall = CALL) -> bytes:
        await self._once.serve(call, admit(self._request), self.reply, self.ended, self.run)
        return self.reply.body

    async def run(self, admitted: Admitted, reply: Reply) -> None:
        """As the pipeline does, without money."""
        claim = admitted.claim
        assert claim is not None
        self.runs += 1
        await self._driver.commit([claim.opening()])
        claim.is_made = True
        self.is_running.set()
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        reply.start(200, [(b"content-length", b"%d" % len(self.body))])
        await self._driver.commit(reply.statements_for(self.body))
        claim.is_settled = True
        reply.end(self.body)


async def test_others_get_the_answer_of_the_first(driver: Driver) -> None:
    once = make_once(driver)
    askers = [Asker(once, driver, f"r{number}") for number in range(10)]
    tasks = [asyncio.create_task(asker.ask()) for asker in askers]
    await askers[0].is_running.wait()
    askers[0].may_end.set()
    assert await asyncio.gather(*tasks) == [b"answer"] * 10
    assert [asker.runs for asker in askers] == [1] + [0] * 9
    assert [asker.ended.is_replay for asker in askers] == [False] + [True] * 9
    assert askers[1].reply.head[b"x-nagara-original-request-id"] == b"req_r0"
    assert await Asker(once, driver, "later").ask() == b"answer"


async def test_the_next_runs_what_failed(driver: Driver) -> None:
    once = make_once(driver)
    first, second, third = (Asker(once, driver, f"r{number}") for number in range(3))
    first.error = GatewayError(ErrorKind.UPSTREAM_ERROR, "no")
    tasks = [asyncio.create_task(asker.ask()) for asker in (first, second, third)]
    first.may_end.set()
    second.may_end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results == [first.error, b"answer", b"answer"]
    assert (second.runs, third.runs) == (1, 0)


async def test_the_next_has_its_turn_when_one_is_cancelled(driver: Driver) -> None:
    once = make_once(driver)
    first, second = Asker(once, driver, "r1"), Asker(once, driver, "r2")
    running, waiting = (asyncio.create_task(asker.ask()) for asker in (first, second))
    await first.is_running.wait()
    running.cancel()
    second.may_end.set()
    assert await waiting == b"answer"


async def test_who_waits_may_go(driver: Driver) -> None:
    once = make_once(driver)
    first, second = Asker(once, driver, "r1"), Asker(once, driver, "r2")
    running, waiting = (asyncio.create_task(asker.ask()) for asker in (first, second))
    await first.is_running.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.may_end.set()
    assert await running == b"answer"


async def test_another_process_is_waited_for_and_its_answer_given(driver: Driver) -> None:
    first, second = Asker(make_once(driver), driver), Asker(make_once(driver, "b"), driver, "r2")
    running = asyncio.create_task(first.ask())
    await first.is_running.wait()
    waiting = asyncio.create_task(second.ask())
    with pytest.raises(GatewayError, match="used before"):
        await Asker(make_once(driver, "c"), driver).ask(KeyedCall(CALL.scope, b"other"))
    first.may_end.set()
    assert await running == await waiting == b"answer"
    assert second.runs == 0


@pytest.mark.parametrize("is_elsewhere", [True, False])
async def test_waiting_has_an_end(driver: Driver, is_elsewhere: bool) -> None:
    once = make_once(driver, wait_s=0.02)
    other = make_once(driver, "b", wait_s=0.02) if is_elsewhere else once
    first = Asker(once, driver)
    running = asyncio.create_task(first.ask())
    await first.is_running.wait()
    with pytest.raises(GatewayError) as caught:
        await Asker(other, driver, "r2").ask()
    assert caught.value.kind is ErrorKind.IDEMPOTENCY_RUNNING
    first.may_end.set()
    await running


async def test_who_finds_the_key_taken_gets_the_answer_of_the_other(driver: Driver) -> None:
    """Another process claims it between our look and our claim."""
    elsewhere, asker = Asker(make_once(driver, "b"), driver, "r2"), Asker(make_once(driver), driver)
    elsewhere.may_end.set()
    elsewhere.body = b"theirs"

    async def run(admitted: Admitted, reply: Reply) -> None:
        await elsewhere.ask()
        raise ClaimTakenError

    asker.run = run  # type: ignore[method-assign]
    assert await asker.ask() == b"theirs"


async def test_claim_that_no_settlement_ends_is_ended_with_its_answer(driver: Driver) -> None:
    """A response in the background is charged by another."""
    once, asker = make_once(driver), Asker(make_once(driver), driver)

    async def run(admitted: Admitted, reply: Reply) -> None:
        assert admitted.claim is not None
        await driver.commit([admitted.claim.opening()])
        admitted.claim.is_made = True
        reply.start(200, [])
        reply.end(b"queued")

    await once.serve(CALL, admit("r"), asker.reply, asker.ended, run)
    found = await load_call(driver, CALL.scope, 0)
    assert found is not None
    assert found.answer == Answer(200, (), b"queued")
    assert await Asker(once, driver, "later").ask() == b"queued"


class RefusingDriver(WrappedDriver):
    """A database that takes nothing for a while."""

    is_refusing = True

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        if self.is_refusing:
            raise StorageError("it is down")
        return await super().commit(statements, group=group, is_flushed=is_flushed)


async def test_answer_that_could_not_be_kept_at_once_is_kept_before_it_is_asked_for_again(
    driver: Driver,
) -> None:
    store, forgotten = RefusingDriver(driver), list[str]()
    once = Once(store, "run", SystemClock(), IdempotencyLimits(), forgotten.append)
    asker, later = Asker(once, driver), Asker(once, driver, "later")

    async def run(admitted: Admitted, reply: Reply) -> None:
        assert admitted.claim is not None
        await driver.commit([admitted.claim.opening()])
        admitted.claim.is_made = True
        reply.start(200, [])
        reply.end(b"queued")

    await once.serve(CALL, admit("r"), asker.reply, asker.ended, run)
    with pytest.raises(GatewayError, match="Idempotency-Key"):
        await later.ask()
    assert not forgotten
    store.is_refusing = False
    assert await later.ask() == b"queued"
    assert (later.runs, forgotten) == (0, ["r"])


async def test_claim_of_a_failed_call_is_given_up_though_the_store_is_down(driver: Driver) -> None:
    forgotten = list[str]()
    once = Once(RefusingDriver(driver), "run", SystemClock(), IdempotencyLimits(), forgotten.append)
    asker = Asker(once, driver)
    asker.error = GatewayError(ErrorKind.UPSTREAM_ERROR, "no")
    asker.may_end.set()
    with pytest.raises(GatewayError, match="no"):
        await asker.ask()
    assert forgotten == ["r"]


class DownDriver(WrappedDriver):
    """A database that cannot be read."""

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        raise StorageError("it is down")


async def test_nobody_is_served_while_the_store_is_down(driver: Driver) -> None:
    asker = Asker(make_once(DownDriver(driver)), driver)
    with pytest.raises(GatewayError, match="Idempotency-Key") as caught:
        await asker.ask()
    assert (caught.value.status, asker.runs) == (503, 0)
    assert caught.value.retry_after_s


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
async def test_replay_is_the_same_bytes_and_waits_for_a_slow_client(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    reply, ended = FakeReply(), RequestEnded(request_id="r", method="POST", path="/")
    stored = StoredCall(b"", "req_1", Answer(200, ((b"x-nagara-cost", b"0.5"),), body))
    reply.is_full = True
    task = asyncio.create_task(replay(CALL, stored, reply, ended))
    while not task.done():
        await asyncio.sleep(0)
        assert sum(map(len, reply.pieces)) <= PIECE_BYTES * (len(reply.pieces) or 1)
        if reply.on_room is not None:
            reply.on_room()
    await task
    assert reply.body == body
    assert reply.is_ended
    assert reply.head[b"x-nagara-idempotent-replay"] == b"true"
    assert reply.head[b"x-nagara-cost"] == b"0.00"


async def test_lost_answer_is_said_to_be_lost() -> None:
    reply, ended = FakeReply(), RequestEnded(request_id="r", method="POST", path="/")
    with pytest.raises(GatewayError, match="req_1"):
        await replay(CALL, StoredCall(b"", "req_1", loss=Loss.CUT), reply, ended)
    assert not reply.has_started
