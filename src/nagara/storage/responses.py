"""Responses in the store: the objects, what led to them, and the events of background ones.

Each belongs to an owner, an account's standard or test keys, and every statement names the owner:
another's response is as absent as one that never was. An expired one is absent from the second of
its expiry, whenever it is swept. While a process works on a background response it is its `runner`
and renews a lease; whoever else ends the response takes the runner away in the same statement, so
that a runner which has lost its response changes nothing any more.

Raises `StorageError` as the driver does.
"""

import msgspec

from nagara.operations.kept_items import Maker
from nagara.storage.driver import Driver, Row, Statement, is_large

SWEEP_ROWS = 500

_COLUMNS = (
    "account_id, is_test, id, key_id, status, is_background, maker, created_at_s, expires_at_s, "
    "response, input, history, runner, lease_until_s"
)
_IS_OWN = "account_id = $1 AND is_test = $2 AND id = $3"
_SAVE = (
    f"INSERT INTO responses ({_COLUMNS}) "  # noqa: S608 - our own column names
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
    "ON CONFLICT (account_id, is_test, id) DO UPDATE SET key_id = excluded.key_id, "
    "status = excluded.status, is_background = excluded.is_background, maker = excluded.maker, "
    "created_at_s = excluded.created_at_s, expires_at_s = excluded.expires_at_s, "
    "response = excluded.response, input = excluded.input, history = excluded.history, "
    "runner = excluded.runner, lease_until_s = excluded.lease_until_s"
)
_LOAD = f"SELECT {_COLUMNS} FROM responses WHERE {_IS_OWN} AND expires_at_s > $4"  # noqa: S608
_DELETE = f"DELETE FROM responses WHERE {_IS_OWN} AND expires_at_s > $4"  # noqa: S608
_DELETE_EVENTS = (
    "DELETE FROM response_events WHERE account_id = $1 AND is_test = $2 AND response_id = $3"
)
_PROGRESS = (
    "UPDATE responses SET status = $5, response = $6, lease_until_s = $7 "  # noqa: S608
    f"WHERE {_IS_OWN} AND runner = $4"
)
_FINISH = (
    "UPDATE responses SET status = $5, response = $6, maker = $7, runner = NULL, "  # noqa: S608
    f"lease_until_s = NULL WHERE {_IS_OWN} AND runner = $4"
)
_END = (
    "UPDATE responses SET status = $4, response = $5, runner = NULL, lease_until_s = NULL "  # noqa: S608
    f"WHERE {_IS_OWN} AND runner = $6"
)
_ADD_EVENTS = (
    "INSERT INTO response_events "
    "(account_id, is_test, response_id, first_number, last_number, expires_at_s, events) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7) "
    # Whoever was cancelled in a commit does not know whether it was done, and writes again.
    "ON CONFLICT (account_id, is_test, response_id, first_number) DO UPDATE SET "
    "last_number = excluded.last_number, events = excluded.events"
)
_EVENTS = (
    "SELECT first_number, events FROM response_events "
    "WHERE account_id = $1 AND is_test = $2 AND response_id = $3 AND last_number > $4 "
    "ORDER BY first_number LIMIT $5"
)
_LAPSED = f"SELECT {_COLUMNS} FROM responses WHERE lease_until_s < $1 LIMIT 100"  # noqa: S608
_SWEEPS = (
    "DELETE FROM responses WHERE (account_id, is_test, id) IN "
    "(SELECT account_id, is_test, id FROM responses WHERE expires_at_s <= $1 LIMIT $2)",
    "DELETE FROM response_events WHERE (account_id, is_test, response_id, first_number) IN "
    "(SELECT account_id, is_test, response_id, first_number FROM response_events "
    "WHERE expires_at_s <= $1 LIMIT $2)",
)


class Owner(msgspec.Struct, frozen=True):
    """Whose a response is. Test keys have their own, so that a CI job reads nobody's real ones."""

    account_id: int
    is_test: bool


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response as it is kept.

    `response` is the object as its caller has it, `input` the request's own input, `history` the
    items before it as `kept_items.encode_kept` writes them. `maker` of None: nobody answered.
    """

    owner: Owner
    id: str
    key_id: int
    status: str
    created_at_s: int
    expires_at_s: int
    response: bytes
    input: bytes
    history: bytes = b""
    maker: Maker | None = None
    is_background: bool = False
    runner: str | None = None
    lease_until_s: int | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes, about."""
        return len(self.response) + len(self.input) + len(self.history)


class EventBlock(msgspec.Struct, frozen=True):
    """Some events of one stream in their order; the first has the number `first_number`."""

    first_number: int
    events: tuple[bytes, ...]


def save_response(stored: StoredResponse) -> Statement:
    """Part of a commit that keeps a response; one of the same id is replaced."""
    maker = None if stored.maker is None else msgspec.json.encode(stored.maker).decode()
    params = (
        *_key(stored.owner, stored.id),
        stored.key_id,
        stored.status,
        int(stored.is_background),
        maker,
        stored.created_at_s,
        stored.expires_at_s,
        stored.response,
        stored.input,
        stored.history,
        stored.runner,
        stored.lease_until_s,
    )
    is_long = is_large(stored.response, stored.input, stored.history)
    return Statement(_SAVE, params, is_long=is_long)


async def load_response(
    driver: Driver, owner: Owner, response_id: str, now_s: int
) -> StoredResponse | None:
    """A response of the owner's; None when there is none, or no longer."""
    rows = await driver.query(_LOAD, (*_key(owner, response_id), now_s))
    return _stored(rows[0]) if rows else None


async def delete_response(driver: Driver, owner: Owner, response_id: str, now_s: int) -> bool:
    """Delete a response with its events; False as None in `load_response`."""
    key = _key(owner, response_id)
    results = await driver.commit(
        [Statement(_DELETE, (*key, now_s)), Statement(_DELETE_EVENTS, key, is_long=True)]
    )
    return results[0].rows_touched > 0


def record_progress(stored: StoredResponse, lease_until_s: int) -> Statement:
    """Part of a commit that says how far a response is; it fails if `stored.runner` lost it."""
    own = (*_key(stored.owner, stored.id), stored.runner)
    params = (*own, stored.status, stored.response, lease_until_s)
    is_long = is_large(stored.response)
    return Statement(_PROGRESS, params, rows_expected=1, is_long=is_long)


def record_end(stored: StoredResponse) -> Statement:
    """Part of a commit by which the runner ends its response; it fails if the runner lost it."""
    maker = None if stored.maker is None else msgspec.json.encode(stored.maker).decode()
    own = (*_key(stored.owner, stored.id), stored.runner)
    params = (*own, stored.status, stored.response, maker)
    return Statement(_FINISH, params, rows_expected=1, is_long=is_large(stored.response))


def add_events(stored: StoredResponse, block: EventBlock) -> Statement:
    """Part of a commit that keeps events; it goes with one of the two above, which guard it.

    A block that begins at the same number as one that is there replaces it.
    """
    last = block.first_number + len(block.events) - 1
    key = _key(stored.owner, stored.id)
    events = b"".join(block.events)
    params = (*key, block.first_number, last, stored.expires_at_s, events)
    return Statement(_ADD_EVENTS, params, is_long=is_large(events))


async def end_for_runner(driver: Driver, running: StoredResponse, ended: StoredResponse) -> bool:
    """End a response that another process runs, or ran; False when it was ended before."""
    params = (*_key(running.owner, running.id), ended.status, ended.response, running.runner)
    is_long = is_large(ended.response)
    [result] = await driver.commit([Statement(_END, params, is_long=is_long)])
    return result.rows_touched > 0


async def load_events(
    driver: Driver, owner: Owner, response_id: str, after: int, blocks_max: int = 16
) -> list[EventBlock]:
    """The next blocks that hold events numbered above `after`; the first may begin before that."""
    rows = await driver.query(_EVENTS, (*_key(owner, response_id), after, blocks_max))
    return [EventBlock(first, _split(events)) for first, events in rows]


async def load_lapsed(driver: Driver, now_s: int) -> list[StoredResponse]:
    """Some of the responses whose runner has not renewed its lease."""
    return [_stored(row) for row in await driver.query(_LAPSED, (now_s,))]


async def sweep(driver: Driver, now_s: int) -> int:
    """Delete some of what has expired; how many rows, so that it is called until there are none."""
    params = (now_s, SWEEP_ROWS)
    results = await driver.commit([Statement(sql, params, is_long=True) for sql in _SWEEPS])
    return sum(result.rows_touched for result in results)


def _key(owner: Owner, response_id: str) -> tuple[int, int, str]:
    return owner.account_id, int(owner.is_test), response_id


def _split(events: bytes) -> tuple[bytes, ...]:
    # They were written by us: one data line each, and LF for a line's end.
    return tuple(event + b"\n\n" for event in events.split(b"\n\n") if event)


def _stored(row: Row) -> StoredResponse:
    account_id, is_test, id_, key_id, status, is_background, maker, *rest = row
    created_at_s, expires_at_s, response, input_, history, runner, lease_until_s = rest
    return StoredResponse(
        owner=Owner(account_id, bool(is_test)),
        id=id_,
        key_id=key_id,
        status=status,
        is_background=bool(is_background),
        maker=None if maker is None else msgspec.json.decode(maker, type=Maker),
        created_at_s=created_at_s,
        expires_at_s=expires_at_s,
        response=response,
        input=input_,
        history=history,
        runner=runner,
        lease_until_s=lease_until_s,
    )
