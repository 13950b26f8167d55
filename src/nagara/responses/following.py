"""The stream of a background response, from any event on, for as many as ask, in any process.

A follower reads from the run's memory while it runs here and the events are there, else from the
store. It keeps nothing itself but the number of the last event it gave, so it is as slow as its
client and holds nobody up. Events come once each, in order, without a gap.

A response that was ended from outside (cancelled in another process, or its process died) has no
terminal event in the store; its follower gives one, with the next number.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from nagara.dialects.sse import DONE, encode_event, read_data
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.response_state import (
    ACTIVE,
    TERMINAL_EVENTS,
    read_event,
    write_event,
)
from nagara.responses.background import Background
from nagara.responses.keeper import Keeper
from nagara.storage.driver import Driver, StorageError
from nagara.storage.responses import Owner, StoredResponse, load_events

POLL_S = 0.25
"""How often the store is asked for the events of a response that another process makes."""


class Following:
    """Opens streams of background responses."""

    def __init__(self, driver: Driver, keeper: Keeper, background: Background) -> None:
        self._driver = driver
        self._keeper = keeper
        self._background = background

    async def check(self, stored: StoredResponse, after: int) -> None:
        """Raise `GatewayError` when there is no stream to follow after that event."""
        if not stored.is_background:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                "Only a response that was created with 'background': true can be streamed again. "
                "Retrieve it without 'stream'.",
                param="stream",
            )
        run = self._background.find(stored.owner, stored.id)
        if run is None:
            # One more than is stored: the event that a follower adds to a response ended outside.
            blocks = await load_events(self._driver, stored.owner, stored.id, after - 1)
            is_known = after < 0 or bool(blocks) or stored.status not in ACTIVE
        else:
            is_known = after <= run.last
        if not is_known:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                f"The stream of this response has not reached event {after}.",
                param="starting_after",
            )

    async def follow(self, owner: Owner, response_id: str, after: int) -> AsyncIterator[bytes]:
        """The events above `after`, each by itself, to the end; then `[DONE]`.

        Never raises: when the store fails, the last event says so, and the stream can be resumed.
        """
        last = b""
        try:
            async for number, event in self._events(owner, response_id, after):
                after, last = number, event
                yield event
            ended = await self._keeper.find(owner, response_id)
            if ended is not None and not await self._is_ended(owner, response_id, after, last):
                yield write_event(f"response.{ended.status}", after + 1, ended.response)
            yield DONE
        except StorageError:
            yield _store_failed(after + 1)

    async def _events(
        self, owner: Owner, response_id: str, after: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            run = self._background.find(owner, response_id)
            found = run.events_after(after) if run is not None else None
            # The status before the events, or the last of them could be missed.
            is_active = run is not None or await self._is_active(owner, response_id)
            if found is None:
                found = await self._load(owner, response_id, after)
            for number, event in found:
                yield number, event
                after = number
            if found:
                continue
            if not is_active or (run is not None and not run.is_active):
                return
            if run is not None:
                await run.wait(after)
            else:
                await asyncio.sleep(POLL_S)

    async def _load(self, owner: Owner, response_id: str, after: int) -> list[tuple[int, bytes]]:
        blocks = await load_events(self._driver, owner, response_id, after)
        numbered = (
            pair for block in blocks for pair in enumerate(block.events, block.first_number)
        )
        return [(number, event) for number, event in numbered if number > after]

    async def _is_active(self, owner: Owner, response_id: str) -> bool:
        stored = await self._keeper.find(owner, response_id)
        if stored is None:
            return False
        return (await self._background.check_lease(stored)).status in ACTIVE

    async def _is_ended(self, owner: Owner, response_id: str, after: int, last: bytes) -> bool:
        """Whether the event `after`, which is `last` if it was given here, is a terminal one."""
        if not last:
            known = dict(await self._load(owner, response_id, after - 1))
            # Above all that is stored: the caller was given the added one before.
            if after not in known:
                return after >= 0
            last = known[after]
        return read_event(read_data(last)).type in TERMINAL_EVENTS


def _store_failed(number: int) -> bytes:
    said = {
        "type": "error",
        "sequence_number": number,
        "code": "storage_unavailable",
        "message": "The gateway cannot read the rest of this stream right now. Resume it shortly "
        "with starting_after.",
        "param": None,
    }
    return encode_event(msgspec.json.encode(said), "error")
