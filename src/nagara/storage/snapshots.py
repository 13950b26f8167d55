"""The current snapshot: replaced whole when keys or the configuration change, never altered.

Keys are read again whenever the store says that something changed, and when a key is presented
that may be newer than what was read; routes come from whoever loads the configuration. While the
store cannot be read, the keys read last are trusted for `stale_s` seconds, since nothing can be
changed there either; after that, and for a key that is not among them, the answer is that we cannot
tell (503), never that the key is wrong (401).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from nagara.access import KEY_CHARS_MAX, authenticate, digest_key, is_well_formed, read_key_text
from nagara.domain.catalog import Catalogue, ConfiguredProvider, Key, Snapshot
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Observe, StorageFailed, StorageRecovered
from nagara.routing.table import RouteTable
from nagara.runtime import Clock
from nagara.storage.catalogue import load_catalogue
from nagara.storage.driver import Driver, StorageError
from nagara.storage.keys import load_accounts, load_keys, load_revision
from nagara.storage.rotation import load_retired

RETRY_S = 0.25
RETRY_AFTER_S = 1


class Snapshots:
    """Holds `current`. `watch` keeps its keys fresh until it is cancelled."""

    def __init__(
        self,
        driver: Driver,
        pepper: bytes,
        clock: Clock,
        observe: Observe,
        stale_s: float,
        on_catalogue: Callable[[Catalogue], None] = lambda _: None,
    ) -> None:
        """`on_catalogue` is called with a newer catalogue when one was stored."""
        self.stale_s = stale_s
        self.on_catalogue = on_catalogue
        self._keys_revision = self._catalogue_revision = -1
        self.current = Snapshot(
            keys={}, accounts={}, catalogue=Catalogue(0, "", (), ()), routes={}, sandbox={}
        )
        self._driver = driver
        self._pepper = pepper
        self._clock = clock
        self._observe = observe
        self._failing_since_s: float | None = None
        self._reading = asyncio.Lock()
        self._reads_begun = 0

    def replace_routes(
        self, catalogue: Catalogue, table: RouteTable, providers: Mapping[str, ConfiguredProvider]
    ) -> None:
        """Take a loaded configuration into use, from the next request on."""
        self.current = msgspec.structs.replace(
            self.current,
            catalogue=catalogue,
            routes=table.routes,
            sandbox=table.sandbox,
            providers=providers,
        )

    async def reload_keys(self) -> None:
        """Read all keys and accounts. Raises `StorageError`; the snapshot then stays as it is."""
        revision = await load_revision(self._driver, "keys")
        accounts = {account.id: account for account in await load_accounts(self._driver)}
        loaded = await load_keys(self._driver)
        keys = {key.digest: key for key in [*loaded, *await load_retired(self._driver, loaded)]}
        self._keys_revision = revision
        self.current = msgspec.structs.replace(self.current, keys=keys, accounts=accounts)

    async def watch(self) -> None:
        """Reload the keys whenever the store changed, and note when it cannot be read."""
        while True:
            try:
                async for _ in self._driver.watch():
                    await self._catch_up()
                    self._recover()
                return
            except StorageError as error:
                self._fail(error)
                await asyncio.sleep(RETRY_S)

    async def refresh(self) -> None:
        """Take into use what was just committed here, without waiting for the watch.

        Never fails: what cannot be read now the watch meets too.
        """
        with contextlib.suppress(StorageError):
            await self._catch_up()

    def knows(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the key in these headers is among those read last, whatever it may do."""
        try:
            text = read_key_text(headers)
        except GatewayError:
            return False
        if text is None or len(text) > KEY_CHARS_MAX:
            return False
        return digest_key(self._pepper, text) in self.current.keys

    async def knows_by_now(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the key in these headers is known, after looking into the store if it was not.

        For a request that was just refused: who makes a key and uses it at once is ahead of the
        watch. The store is read once for all who ask at the same time, and only for a key that is
        well formed and unknown.
        """
        text = read_key_text(headers)
        if text is None or not is_well_formed(text):
            return False
        digest = digest_key(self._pepper, text)
        if digest in self.current.keys:
            return True
        try:
            await self._catch_up(self._reads_begun)
        except StorageError:
            # The watch will meet it too, and say so.
            return False
        return digest in self.current.keys

    async def _catch_up(self, came: int | None = None) -> None:
        """Read what has changed, one at a time, so that an older answer never replaces a newer.

        Not needed for who came when `came` reads had begun, if another has begun since.
        """
        async with self._reading:
            if came is None or self._reads_begun == came:
                self._reads_begun += 1
                await self._follow()

    async def _follow(self) -> None:
        """Read what has changed: most commits touch neither keys nor the catalogue."""
        if await load_revision(self._driver, "keys") != self._keys_revision:
            await self.reload_keys()
        revision = await load_revision(self._driver, "catalogue")
        if revision != self._catalogue_revision:
            catalogue = await load_catalogue(self._driver)
            self._catalogue_revision = revision
            current = self.current.catalogue
            if catalogue is None or catalogue == current:
                return
            # Two builds of one day have the same time.
            if catalogue.built_at_s >= current.built_at_s:
                self.on_catalogue(catalogue)

    @property
    def is_readable(self) -> bool:
        """Whether the store could be read when it was last tried."""
        return self._failing_since_s is None

    def authenticate(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[Snapshot, Key]:
        """Who calls, and the snapshot that the request sees to its end.

        Raises `GatewayError`: as `access.authenticate` does, or STORAGE_UNAVAILABLE.
        """
        snapshot = self.current
        if self._failing_since_s is None:
            return snapshot, authenticate(headers, snapshot, self._pepper, self._clock.now_s())
        if self._clock.monotonic_s() - self._failing_since_s > self.stale_s:
            raise _cannot_tell()
        try:
            return snapshot, authenticate(headers, snapshot, self._pepper, self._clock.now_s())
        except GatewayError as error:
            if read_key_text(headers) is None:
                raise
            raise _cannot_tell() from error

    def _fail(self, error: StorageError) -> None:
        if self._failing_since_s is None:
            self._failing_since_s = self._clock.monotonic_s()
            self._observe(StorageFailed(reason=str(error)))

    def _recover(self) -> None:
        if self._failing_since_s is not None:
            after_s = self._clock.monotonic_s() - self._failing_since_s
            self._failing_since_s = None
            self._observe(StorageRecovered(after_s=after_s))


def _cannot_tell() -> GatewayError:
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot check keys right now, because its database cannot be read. "
        "Nothing is wrong with the request; send it again shortly.",
        retry_after_s=RETRY_AFTER_S,
    )
