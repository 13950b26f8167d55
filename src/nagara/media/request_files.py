"""The files of one request: fetched when the first provider wants them, and once for all.

Choosing a lane is pure, so a lane only says which files it wants; here they are fetched, and it is
chosen again with them. Who is tried next after a failure finds them already here.
"""

import msgspec

from nagara.dialects.addresses import Fetched
from nagara.domain.catalog import Deployment
from nagara.media.fetching import FileFetcher
from nagara.operations.lanes import Asking, Lane, choose_lane, next_lane


class RequestFiles:
    """What was fetched for one request. One that has only text never touches it."""

    def __init__(self, fetcher: FileFetcher) -> None:
        self._fetcher = fetcher
        self._fetched: Fetched | None = {} if fetcher.is_enabled else None

    async def choose_lane(self, asking: Asking, deployment: Deployment) -> Lane:
        """The lane to this deployment, with its files. Raises `GatewayError` if there is none."""
        return await self._fill(choose_lane(self._put_in(asking), deployment), asking, deployment)

    async def next_lane(self, asking: Asking, narrowed: Deployment) -> Lane | None:
        """As `lanes.next_lane`, with its files. Raises `GatewayError` for those alone."""
        lane = next_lane(self._put_in(asking), narrowed)
        return None if lane is None else await self._fill(lane, asking, narrowed)

    async def _fill(self, lane: Lane, asking: Asking, deployment: Deployment) -> Lane:
        if not lane.wanted:
            return lane
        self._fetched = await self._fetcher.fetch(lane.wanted, self._fetched or {})
        lane = choose_lane(self._put_in(asking), deployment)
        assert not lane.wanted
        return lane

    def _put_in(self, asking: Asking) -> Asking:
        if self._fetched is None:
            return asking
        return msgspec.structs.replace(asking, fetched=self._fetched)
