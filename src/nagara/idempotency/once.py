"""Serves a call with an idempotency key once, and gives its answer to all who ask for it.

Theory of operation. Of the requests with one key in this process, one at a time has its turn: it
looks into the store, waits there for another process that runs the call, or runs it itself. The
others wait for the end of that turn, which hands them what it found:

    an answer     they are given it, from memory
    nothing       the call failed and was not charged, or whoever had the turn left: the next one
                  has its turn, and does it again

A turn belongs to the task of its request: when that is cancelled, because its client left while it
waited, the turn ends. A request that runs the call does not stop when its client leaves; the edge
sees to that. While the store cannot be read nobody with a key is served: it could be charged twice.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from nagara.admitted import Admitted
from nagara.domain.errors import GatewayError
from nagara.domain.money import format_dollars
from nagara.idempotency.calls import KeyedCall, answer_lost, check_same, still_running
from nagara.idempotency.recorded_reply import RecordedReply
from nagara.observe.observations import RequestEnded
from nagara.patience import Patience
from nagara.runtime import Clock
from nagara.settlement import claims_unavailable
from nagara.storage.claims import (
    Answer,
    Claim,
    ClaimTakenError,
    Loss,
    Scope,
    StoredCall,
    load_call,
)
from nagara.storage.driver import Driver, ExpectationError, Statement, StorageError
from nagara.upstream.reply import Reply, ResponseHeaders, wait_for_room

POLL_S = 0.05
POLL_S_MAX = 0.5
PIECE_BYTES = 65_536
_COST = b"x-nagara-cost"

Run = Callable[[Admitted, Reply], Awaitable[None]]
"""Serves a request, as `Pipeline.serve` does, once it has its turn."""


class IdempotencyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much.

    `wait_s` is how long a repetition waits for the first one, `patience_s` how long for the store.
    """

    key_bytes_max: int = 255
    answer_bytes_max: int = 16 * 2**20
    keep_s: int = 86_400
    wait_s: float = 300.0
    patience_s: float = 3.0


class _Turn:
    """Whose turn it is: what is asked for, and what came of it."""

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.found: asyncio.Future[StoredCall | None] = asyncio.get_running_loop().create_future()


class Once:
    """The calls with idempotency keys. One for the process, whose runner is `runner`."""

    def __init__(
        self,
        driver: Driver,
        runner: str,
        clock: Clock,
        limits: IdempotencyLimits,
        forget: Callable[[str], None],
    ) -> None:
        """`forget` is told the request whose claim has ended: see `Ledger.forget`."""
        self.limits = limits
        self._driver = driver
        self._runner = runner
        self._clock = clock
        self._patience = Patience(limits.patience_s)
        self._turns: dict[Scope, _Turn] = {}
        # Ends of claims that the store did not take, each with its request: until then the keys are
        # taken, for whoever has had the answer must not be charged for another.
        self._unwritten: dict[Scope, tuple[str, Statement]] = {}
        self._forget = forget

    async def serve(
        self, call: KeyedCall, admitted: Admitted, reply: Reply, ended: RequestEnded, run: Run
    ) -> None:
        """Answer a request: by `run` if it is the first with its key, else as that was answered.

        Raises `GatewayError` while nothing has been sent yet.
        """
        until_s = self._clock.monotonic_s() + self.limits.wait_s
        found: StoredCall | None = None
        while found is None:
            turn = self._turns.get(call.scope)
            if turn is not None:
                check_same(call, turn.fingerprint)
                found = await self._wait(call, turn, until_s)
                continue
            found, is_served = await self._take_turn(call, admitted, reply, run, until_s)
            if is_served:
                return
        check_same(call, found.fingerprint)
        await replay(call, found, reply, ended)

    async def _wait(self, call: KeyedCall, turn: _Turn, until_s: float) -> StoredCall | None:
        """What comes of another's turn."""
        left_s = until_s - self._clock.monotonic_s()
        done, _ = await asyncio.wait([turn.found], timeout=max(0.0, left_s))
        if not done:
            raise still_running(call)
        return turn.found.result()

    async def _take_turn(
        self, call: KeyedCall, admitted: Admitted, reply: Reply, run: Run, until_s: float
    ) -> tuple[StoredCall | None, bool]:
        """What came before, or what is served now; and whether it is the second."""
        turn = self._turns[call.scope] = _Turn(call.fingerprint)
        found: StoredCall | None = None
        try:
            found = await self._find_ended(call, until_s)
            if found is not None:
                return found, False
            found = await self._run(call, admitted, reply, run)
            return found, True
        except ClaimTakenError:
            return None, False
        finally:
            del self._turns[call.scope]
            turn.found.set_result(found)

    async def _find_ended(self, call: KeyedCall, until_s: float) -> StoredCall | None:
        """The call as it ended; None if it must be run. Waits while another process runs it."""
        pause_s = POLL_S
        while True:
            await self._write_end(call.scope)
            found = await self._load(call.scope)
            if found is None or not found.is_running:
                return found
            check_same(call, found.fingerprint)
            left_s = until_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise still_running(call)
            # Nobody tells us: it may be a process that has died.
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, POLL_S_MAX)

    async def _load(self, scope: Scope) -> StoredCall | None:
        loading = load_call(self._driver, scope, int(self._clock.now_s()))
        try:
            return await self._patience.wait_for(loading)
        except (StorageError, TimeoutError) as error:
            raise claims_unavailable() from error

    async def _run(
        self, call: KeyedCall, admitted: Admitted, reply: Reply, run: Run
    ) -> StoredCall | None:
        """Run the call; its answer for those who wait, None when it may be run again."""
        claim = self._make_claim(call, admitted)
        recorded = RecordedReply(reply, claim, self.limits.answer_bytes_max)
        try:
            await run(msgspec.structs.replace(admitted, claim=claim), recorded)
        finally:
            if claim.is_made and not claim.is_settled:
                await self._close_claim(claim, recorded)
        if not recorded.is_kept:
            return None
        kept = recorded.recorded
        return StoredCall(
            call.fingerprint,
            claim.request_id,
            answer=kept if isinstance(kept, Answer) else None,
            loss=kept if isinstance(kept, Loss) else None,
        )

    def _make_claim(self, call: KeyedCall, admitted: Admitted) -> Claim:
        now_s = int(self._clock.now_s())
        return Claim(
            scope=call.scope,
            fingerprint=call.fingerprint,
            request=admitted.call.asking.seed,
            request_id=admitted.call.asking.request_id,
            runner=self._runner,
            now_s=now_s,
            expires_at_s=now_s + self.limits.keep_s,
        )

    async def _close_claim(self, claim: Claim, recorded: RecordedReply) -> None:
        """End a claim that no settlement ends: of a response that is made in the background."""
        statement = recorded.keep() if recorded.has_started else claim.released()
        self._unwritten[claim.scope] = claim.request, statement
        try:
            await self._write_end(claim.scope)
        except GatewayError:
            # Whoever asks again tries again; where nothing was answered the key is freed instead,
            # with all that this process has forgotten.
            if not recorded.has_started:
                del self._unwritten[claim.scope]
                self._forget(claim.request)

    async def _write_end(self, scope: Scope) -> None:
        """Write what is still to be written of a key's last call. Raises `GatewayError`."""
        if scope not in self._unwritten:
            return
        request, statement = self._unwritten[scope]
        try:
            commit = self._driver.commit([statement], group=scope.account_id)
            await self._patience.wait_for(commit)
        except ExpectationError:
            # This process was taken for dead, and the key is another's by now.
            pass
        except (StorageError, TimeoutError) as error:
            raise claims_unavailable() from error
        del self._unwritten[scope]
        self._forget(request)


async def replay(call: KeyedCall, found: StoredCall, reply: Reply, ended: RequestEnded) -> None:
    """Give an answer again, under this request's own id. Raises `GatewayError` if it is lost."""
    if found.loss is not None:
        raise answer_lost(call, found.request_id, found.loss)
    answer = found.answer
    assert answer is not None
    ended.is_replay, ended.status, ended.bytes_out = True, answer.status, len(answer.body)
    reply.start(answer.status, head_of_replay(found, answer, ended.request_id))
    body = answer.body
    for at in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
        reply.write(body[at : at + PIECE_BYTES])
        await wait_for_room(reply)
    reply.end(body[-(len(body) % PIECE_BYTES or PIECE_BYTES) :])


def head_of_replay(found: StoredCall, answer: Answer, request_id: str) -> ResponseHeaders:
    """The headers of an answer that is given again: it costs nothing."""
    nothing = format_dollars(0).encode()
    kept = [(name, nothing if name == _COST else value) for name, value in answer.headers]
    return [
        (b"x-request-id", request_id.encode()),
        (b"x-nagara-idempotent-replay", b"true"),
        (b"x-nagara-original-request-id", found.request_id.encode()),
        *kept,
    ]
