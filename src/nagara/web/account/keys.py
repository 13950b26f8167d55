"""`/v1/account/keys`: the keys of an account that call models, made, changed and deleted.

Keys of other accounts are not there, and neither are provisioning keys: whoever has one cannot make
more of them, nor lock out the others. A change is in force in this process when it is answered, and
in every other within a second.
"""

import os

from starlette.requests import Request
from starlette.responses import Response

from nagara.access import RANDOM_BYTES, issue_key
from nagara.domain.catalog import Account, Key, KeyKind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.runtime import Clock
from nagara.storage.driver import Driver
from nagara.storage.keys import (
    change_key,
    count_keys,
    create_key,
    delete_key,
    find_key,
    load_keys,
)
from nagara.storage.rotation import RETIRED_MAX, rotate_key
from nagara.storage.snapshots import Snapshots
from nagara.storage.spending import load_spending
from nagara.web.account.callers import answer, answer_change, read_body
from nagara.web.account.key_bodies import read_changes, read_new_key, read_overlap
from nagara.web.account.key_views import NOTHING_SPENT, KeyList, KeyView, view_key, view_secret
from nagara.web.account.queries import ID_MAX
from nagara.web.times import TIME_S_MAX, format_time

KEYS_MAX = 10_000
"""Keys of one account: all of them are in the memory of every process."""


class AccountKeys:
    """The handlers. They raise `GatewayError`, and `StorageError` when the store is down."""

    def __init__(self, driver: Driver, snapshots: Snapshots, pepper: bytes, clock: Clock) -> None:
        self._driver = driver
        self._snapshots = snapshots
        self._pepper = pepper
        self._clock = clock

    async def serve_all(self, request: Request, account_id: int) -> Response:
        """`GET` and `POST /v1/account/keys`."""
        if request.method == "POST":
            return await self._create(request, account_id)
        keys = [key for key in await load_keys(self._driver, account_id=account_id) if _shows(key)]
        now_ms = self._now_ms()
        spent = await load_spending(self._driver, account_id, now_ms=now_ms)
        views = [view_key(key, spent.get(key.id, NOTHING_SPENT), now_ms) for key in keys]
        return answer(request, KeyList(views))

    async def serve_one(self, request: Request, account_id: int) -> Response:
        """`GET`, `PATCH` and `DELETE /v1/account/keys/{key_id}`."""
        key = await self._find(request, account_id)
        if request.method == "PATCH":
            return await self._change(request, key)
        if request.method == "DELETE":
            return await self._delete(key)
        return answer(request, await self._view(key))

    async def rotate(self, request: Request, account_id: int) -> Response:
        """`POST /v1/account/keys/{key_id}/rotate`: the same key with another secret."""
        key = await self._find(request, account_id)
        overlap_s, now_s = read_overlap(await read_body(request)), int(self._clock.now_s())
        issued = issue_key(key.kind, os.urandom(RANDOM_BYTES), self._pepper)
        if not await rotate_key(self._driver, key, issued, now_s=now_s, overlap_s=overlap_s):
            raise _cannot_rotate(key)
        await self._snapshots.refresh()
        rotated = await find_key(self._driver, key.id, account_id=account_id) or key
        until = format_time(min(now_s + overlap_s, key.expires_at_s or TIME_S_MAX))
        view = await self._view(rotated)
        return answer_change(
            view_secret(view, issued.secret.reveal(), previous_key_expires_at=until)
        )

    async def _create(self, request: Request, account_id: int) -> Response:
        now_s = int(self._clock.now_s())
        asked = read_new_key(await read_body(request), now_s)
        if await count_keys(self._driver, account_id) >= KEYS_MAX:
            raise _too_many_keys()
        issued = issue_key(asked.kind, os.urandom(RANDOM_BYTES), self._pepper)
        account = self._account(account_id)
        key = await create_key(self._driver, account, issued, asked.terms, now_s)
        await self._snapshots.refresh()
        view = view_key(key, NOTHING_SPENT, now_s * 1000)
        return answer_change(view_secret(view, issued.secret.reveal()), 201)

    async def _change(self, request: Request, key: Key) -> Response:
        changes = read_changes(await read_body(request), self._clock.now_s(), key.limits)
        changed = await change_key(self._driver, key.id, changes, account_id=key.account_id)
        if changed is None:
            raise _no_such_key(str(key.id))
        await self._snapshots.refresh()
        return answer_change(await self._view(changed))

    async def _delete(self, key: Key) -> Response:
        now_s = int(self._clock.now_s())
        # A second delete that came between finds nothing, and says so.
        if not await delete_key(self._driver, key.id, now_s=now_s, account_id=key.account_id):
            raise _no_such_key(str(key.id))
        await self._snapshots.refresh()
        return Response(status_code=204)

    async def _find(self, request: Request, account_id: int) -> Key:
        text = str(request.path_params["key_id"])
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(ID_MAX))
        key = None
        if is_number:
            key = await find_key(self._driver, int(text), account_id=account_id)
        if key is None or not _shows(key):
            raise _no_such_key(text)
        return key

    async def _view(self, key: Key) -> KeyView:
        now_ms = self._now_ms()
        spent = await load_spending(self._driver, key.account_id, now_ms=now_ms, key_id=key.id)
        return view_key(key, spent.get(key.id, NOTHING_SPENT), now_ms)

    def _account(self, account_id: int) -> Account:
        return self._snapshots.current.accounts[account_id]

    def _now_ms(self) -> int:
        return int(self._clock.now_s() * 1000)


def _shows(key: Key) -> bool:
    return key.kind is not KeyKind.PROVISIONING


def _no_such_key(text: str) -> GatewayError:
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"This account has no API key {text[:40]!r}. GET /v1/account/keys lists those there are.",
        param="key_id",
    )


def _too_many_keys() -> GatewayError:
    return GatewayError(
        ErrorKind.CONFLICT,
        f"This account has {KEYS_MAX} keys, which is all that it may have. Delete some first.",
        code="too_many_keys",
    )


def _cannot_rotate(key: Key) -> GatewayError:
    return GatewayError(
        ErrorKind.CONFLICT,
        f"The key {key.id} was rotated at the same time, or has {RETIRED_MAX} former secrets that "
        "still work. Read it again; with an overlap_s of 0 the present one is not kept.",
        code="cannot_rotate",
    )
