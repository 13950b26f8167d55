"""Calls with an idempotency key in the store: who runs one, and the answer of one that has ended.

Theory of operation. A call claims its key in the commit of its hold, and puts its answer there in
the commit of its charge, so that a key has an answer exactly when somebody was charged for it.

    no row ──claim──> running (runner) ──answered──> answer
      ^                  │     └────────lost───────> no answer, and why; charged all the same
      └──release, reaper─┘

Every write of a row expects it to be absent, expired, or this very request's: whoever finds it
somebody else's touches nothing, fails its whole commit, and charges nothing. That holds also for a
process that was taken for dead and comes back, whose claim another may have by then.

Raises `StorageError` as the driver does.
"""

import enum

import msgspec

from nagara.storage.driver import Driver, Statement, Value, is_large

SWEEP_ROWS = 100
"""Few at a time: each may hold a large answer."""

Headers = tuple[tuple[bytes, bytes], ...]

_IS_IT = "account_id = $1 AND is_test = $2 AND idempotency_key = $3"
_PUT = (
    "INSERT INTO idempotent_calls (account_id, is_test, idempotency_key, fingerprint, request, "
    "request_id, runner, lost, status, headers, body, expires_at_s) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
    "ON CONFLICT (account_id, is_test, idempotency_key) DO UPDATE SET "
    "fingerprint = excluded.fingerprint, request = excluded.request, "
    "request_id = excluded.request_id, runner = excluded.runner, lost = excluded.lost, "
    "status = excluded.status, headers = excluded.headers, body = excluded.body, "
    "expires_at_s = excluded.expires_at_s "
    "WHERE idempotent_calls.request = excluded.request OR idempotent_calls.expires_at_s <= $13"
)
_RELEASE = f"DELETE FROM idempotent_calls WHERE {_IS_IT} AND request = $4"  # noqa: S608
_LOAD = (
    "SELECT fingerprint, request_id, runner, lost, status, headers, body "  # noqa: S608
    f"FROM idempotent_calls WHERE {_IS_IT} AND expires_at_s > $4"
)
_OPEN = "SELECT request FROM idempotent_calls WHERE runner = $1"
_FREE = "DELETE FROM idempotent_calls WHERE runner = $1"
_FREE_ONE = _FREE + " AND request = $2"
_HAS_EXPIRED = "SELECT 1 FROM idempotent_calls WHERE expires_at_s <= $1 LIMIT 1"
_SWEEP = (
    "DELETE FROM idempotent_calls WHERE (account_id, is_test, idempotency_key) IN "
    "(SELECT account_id, is_test, idempotency_key FROM idempotent_calls "
    "WHERE expires_at_s <= $1 LIMIT $2)"
)
_encode_headers = msgspec.msgpack.Encoder().encode
_headers_decoder = msgspec.msgpack.Decoder(Headers)


class ClaimTakenError(Exception):
    """Another process has claimed the key in the meantime; nothing was held."""


class Loss(enum.Enum):
    """Why a call that was charged has no answer in the store."""

    TOO_LARGE = "too_large"
    CUT = "cut"


class Scope(msgspec.Struct, frozen=True):
    """Where an idempotency key means one call. Test keys have their own, as with responses."""

    account_id: int
    is_test: bool
    key: str


class Answer(msgspec.Struct, frozen=True):
    """An answer as its caller got it: of a stream, all its bytes."""

    status: int
    headers: Headers
    body: bytes


class StoredCall(msgspec.Struct, frozen=True):
    """A call that came before: running (none of the last two), answered, or lost."""

    fingerprint: bytes
    request_id: str
    answer: Answer | None = None
    loss: Loss | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.answer is None and self.loss is None


class Claim(msgspec.Struct, kw_only=True):
    """One request's claim to a key, and what becomes of it, as statements.

    `request` is our own id of the request. `is_made` once it is in the store; `is_settled` once
    what becomes of it is part of the request's settlement.
    """

    scope: Scope
    fingerprint: bytes
    request: str
    request_id: str
    runner: str
    now_s: int
    expires_at_s: int
    is_made: bool = False
    is_settled: bool = False

    def opening(self) -> Statement:
        """Part of a commit that begins the call; it fails if somebody else has the key."""
        return self._put(self.runner, None, None)

    def answered(self, answer: Answer) -> Statement:
        """Part of the commit that charges it, with what it is charged for; fails likewise."""
        return self._put(None, None, answer)

    def lost(self, loss: Loss) -> Statement:
        """The same for an answer that cannot be given again."""
        return self._put(None, loss, None)

    def released(self) -> Statement:
        """Part of a commit after which the key is free: nothing was charged."""
        return Statement(_RELEASE, (*_params(self.scope), self.request))

    def _put(self, runner: str | None, loss: Loss | None, answer: Answer | None) -> Statement:
        said: tuple[Value, ...] = (None, None, None)
        if answer is not None:
            said = (answer.status, _encode_headers(answer.headers), answer.body)
        params = (
            *_params(self.scope),
            self.fingerprint,
            self.request,
            self.request_id,
            runner,
            None if loss is None else loss.value,
            *said,
            self.expires_at_s,
            self.now_s,
        )
        is_long = answer is not None and is_large(answer.body)
        return Statement(_PUT, params, rows_expected=1, is_long=is_long)


async def load_call(driver: Driver, scope: Scope, now_s: int) -> StoredCall | None:
    """The call that has this key; None when there is none, or no longer."""
    rows = await driver.query(_LOAD, (*_params(scope), now_s))
    if not rows:
        return None
    fingerprint, request_id, runner, lost, status, headers, body = rows[0]
    answer, loss = None, None if lost is None else Loss(lost)
    if runner is None and loss is None:
        answer = Answer(status, _headers_decoder.decode(headers), body)
    return StoredCall(fingerprint, request_id, answer, loss)


async def load_open(driver: Driver, runner: str) -> list[str]:
    """The requests of a process that have claimed a key and not ended."""
    return [row[0] for row in await driver.query(_OPEN, (runner,))]


def free_claims(runner: str, request: str | None = None) -> Statement:
    """Part of a commit that frees what a process runs no more: one request's key, or all."""
    if request is None:
        return Statement(_FREE, (runner,))
    return Statement(_FREE_ONE, (runner, request))


async def sweep_calls(driver: Driver, now_s: int) -> None:
    """Delete what has expired."""
    while await driver.query(_HAS_EXPIRED, (now_s,)):
        await driver.commit([Statement(_SWEEP, (now_s, SWEEP_ROWS), is_long=True)])


def _params(scope: Scope) -> tuple[int, int, str]:
    return scope.account_id, int(scope.is_test), scope.key
