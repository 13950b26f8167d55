"""The composition root: settings in, a running gateway out. Every object is built here, once.

Starting goes from the ground up (store, keys, catalogue, routes, upstreams, pipeline, edge) and
closing the other way round. Nothing here decides anything about a request.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from nagara.catalogue.shipped import pick_newer
from nagara.config.load import Config, find_data_folder, find_database
from nagara.config.rate_limits import read_rate_limits
from nagara.config.watch import ConfigWatch
from nagara.domain.catalog import Catalogue, ConfiguredProvider, Snapshot
from nagara.domain.configuration import ConfigError
from nagara.idempotency.once import Once
from nagara.limits.failed_keys import FailedKeys
from nagara.limits.gate import Gate
from nagara.limits.memory import MemoryLimiter
from nagara.media.fetching import FileFetcher
from nagara.observe.log import Log
from nagara.parts import (
    make_fetcher,
    make_log,
    make_pool,
    read_background_limits,
    read_edge_limits,
    read_idempotency_limits,
    read_keeper_limits,
    read_pipeline_limits,
    read_timeouts,
)
from nagara.pipeline import Pipeline
from nagara.reaping import Reaping
from nagara.responses.background import Background
from nagara.responses.following import Following
from nagara.responses.keeper import Keeper
from nagara.responses.stateful import StatefulResponses
from nagara.routing.table import build_routes
from nagara.runtime import Clock, SystemClock, Tasks, make_id
from nagara.sandbox.answer import Sandbox
from nagara.settings import SECRET_VARIABLE
from nagara.settlement import Settlements
from nagara.storage.catalogue import load_catalogue
from nagara.storage.database import open_driver
from nagara.storage.driver import Driver
from nagara.storage.first_start import FirstKeys, open_first_account
from nagara.storage.kept_files import KeptFiles
from nagara.storage.ledger import Ledger
from nagara.storage.runners import Reaper
from nagara.storage.secret import open_pepper
from nagara.storage.snapshots import Snapshots
from nagara.storage.spool import Spool
from nagara.storage.turns import KeptTurns
from nagara.upstream.attempt import Upstreams
from nagara.upstream.discovery import find_running
from nagara.upstream.pool import Pool
from nagara.web.account.callers import Door
from nagara.web.account.endpoints import AccountEndpoints
from nagara.web.account.keys import AccountKeys
from nagara.web.account.reports import Reports
from nagara.web.client_address import TrustedProxies
from nagara.web.cors import Origins
from nagara.web.image_files import ImageFiles
from nagara.web.inference import InferenceEdge
from nagara.web.refused_keys import RefusedKeys
from nagara.web.responses import ResponsesEndpoints
from nagara.web.rest import Rest
from nagara.web.routes import Routes

SETTLE_S = 2.0
"""How long exchanges may take to end once they were told to, at the very end."""


class Gateway:
    """A started gateway: `routes` serve until `close`."""

    def __init__(
        self, config: Config, folder: Path, clock: Clock, log: Log, reload: Callable[[], Config]
    ) -> None:
        self.config = config
        self.folder = folder
        self.first_keys: FirstKeys | None = None
        self._clock = clock
        self._log = log
        self._reload = reload
        self._background = Tasks()
        self._stack = AsyncExitStack()
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()
        self.snapshots: Snapshots
        self.routes: Routes
        self._catalogue: Catalogue
        self._pipeline: Pipeline
        self._gate: Gate
        self._failed_keys: FailedKeys
        self._refused_keys: RefusedKeys
        self._edge: InferenceEdge | None = None
        self._driver: Driver
        self._pepper: bytes
        self._responses: StatefulResponses | None = None
        self._rest: Rest
        self._local_servers: list[ConfiguredProvider] = []

    @classmethod
    async def open(
        cls, config: Config, environment: Mapping[str, str], reload: Callable[[], Config]
    ) -> "Gateway":
        """Start everything. Raises `StorageError`, `ConfigError` or `ValueError` if it cannot be.

        `reload` reads the configuration anew, for when its files change.
        """
        folder = find_data_folder(config.settings.data, environment)
        gateway = cls(config, folder, SystemClock(), make_log(config.settings, environment), reload)
        try:
            await gateway._start(environment)
        except BaseException:
            await gateway.close()
            raise
        return gateway

    async def _start(self, environment: Mapping[str, str]) -> None:
        settings = self.config.settings
        await self._open_store(environment)
        self._open_limits()
        self._open_ledger()
        self._rest = Rest(
            self.snapshots, self._refused_keys, self._clock, self._log, lambda: self._is_stopping
        )
        pool = make_pool(settings, environment, self._clock)
        self._stack.push_async_callback(pool.close)
        self._local_servers = await find_running(
            self.config.local_servers, pool, settings.discovery_timeout_s
        )
        self.config = self._add_local_servers(self.config)
        for warning in self.config.warnings:
            logging.getLogger("nagara.config").warning("configuration: %s", warning)
        self._take_config(self.config)
        self._open_edge(pool, make_fetcher(settings, environment, self._clock))
        watch = ConfigWatch(self.config, self._reload, self._apply)
        self._background.keep_running("watch keys", self.snapshots.watch)
        self._background.keep_running("watch configuration", watch.run)
        self._keep_responses_running()
        self._keep_ledger_running()

    async def _open_store(self, environment: Mapping[str, str]) -> None:
        """What is kept: the database, the keys in it, and the catalogue."""
        settings = self.config.settings
        driver = await open_driver(find_database(settings, environment))
        self._stack.push_async_callback(driver.close)
        self._driver = driver
        pepper = await open_pepper(driver, self.folder, environment.get(SECRET_VARIABLE))
        self._pepper = pepper
        self.first_keys = await open_first_account(
            driver,
            pepper,
            now_s=int(self._clock.now_s()),
            opening_grant_nano=settings.opening_grant_nano,
        )
        self._catalogue = pick_newer(await load_catalogue(driver))
        self.snapshots = Snapshots(
            driver,
            pepper,
            self._clock,
            self._log,
            settings.storage_stale_s,
            self._take_catalogue,
        )
        await self.snapshots.reload_keys()

    def _open_limits(self) -> None:
        """What bounds how fast callers may be."""
        settings, clock = self.config.settings, self._clock
        self._gate = Gate(MemoryLimiter(clock), read_rate_limits(settings), clock, self._log)
        self._failed_keys = FailedKeys(settings.failed_keys_per_minute_max, clock)
        proxies = TrustedProxies(settings.trusted_proxies)
        self._refused_keys = RefusedKeys(self.snapshots, self._failed_keys, proxies)

    def _open_ledger(self) -> None:
        """What holds and settles money."""
        settings = self.config.settings
        runner = make_id("run_")
        ledger = Ledger(self._driver, runner)
        spool = Spool(self.folder, runner)
        self._settlements = Settlements(ledger, spool, self._log, settings.storage_patience_s)
        self._stack.push_async_callback(self._settlements.close)
        limits = read_idempotency_limits(settings)
        self._once = Once(self._driver, runner, self._clock, limits, ledger.forget)
        reaper = Reaper(self._driver, ledger, self._clock, settings.hold_lease_s)
        self._reaping = Reaping(reaper, self._driver, self._clock, self._log, settings.hold_lease_s)

    def _open_edge(self, pool: Pool, fetcher: FileFetcher) -> None:
        """What serves: the pipeline, and the application over it."""
        settings = self.config.settings
        self._files = KeptFiles(
            self.folder, settings.image_keep_s, settings.image_files_bytes_max, self._clock
        )
        self._background.keep_running("sweep files", self._files.sweep_forever)
        self._pipeline = Pipeline(
            self.snapshots,
            Upstreams(pool, Sandbox(), read_timeouts(settings), settings.response_bytes_max),
            self._gate,
            self._settlements,
            KeptTurns(settings.kept_turns_bytes_max),
            self._files,
            fetcher,
            read_pipeline_limits(settings),
            self._clock,
            self._log,
        )
        self._responses = self._open_responses()
        self._edge = InferenceEdge(
            self._pipeline,
            self._responses,
            self._once,
            self._refused_keys,
            read_edge_limits(settings),
            self._clock,
            self._log,
        )
        origins = Origins(settings.allowed_origins)
        rest = self._rest.build(
            ResponsesEndpoints(self.snapshots, self._responses),
            self._open_account_api(),
            ImageFiles(self._files),
        )
        self.routes = Routes(self._edge, rest, origins, self._clock, self._log)

    def _open_account_api(self) -> AccountEndpoints:
        return AccountEndpoints(
            Door(self.snapshots),
            Reports(self._driver, self._clock),
            AccountKeys(self._driver, self.snapshots, self._pepper, self._clock),
        )

    def _open_responses(self) -> StatefulResponses:
        """What keeps responses and makes them in the background."""
        settings, clock, log = self.config.settings, self._clock, self._log
        keeper = Keeper(self._driver, clock, log, read_keeper_limits(settings))
        self._stack.push_async_callback(keeper.close)
        background = Background(self._driver, clock, log, read_background_limits(settings))
        # Before what they need is closed: what still runs is failed, and that is stored.
        self._stack.push_async_callback(background.close, SETTLE_S)
        following = Following(self._driver, keeper, background)
        return StatefulResponses(
            self._pipeline,
            self.snapshots,
            keeper,
            background,
            following,
            clock,
            log,
            settings.body_bytes_max,
        )

    def _keep_ledger_running(self) -> None:
        self._background.keep_running("settle later", self._settlements.work_forever)
        self._background.keep_running("reap holds", self._reaping.run_forever)

    def _keep_responses_running(self) -> None:
        assert self._responses is not None
        keeper, background = self._responses.keeper, self._responses.background
        self._background.keep_running("write responses", keeper.write_forever)
        self._background.keep_running("sweep responses", keeper.sweep_forever)
        self._background.keep_running("write background responses", background.write_forever)
        self._background.keep_running("watch leases of responses", background.watch_leases)

    def join_tasks(self, tasks: set[asyncio.Task[None]]) -> None:
        """Put background responses among the tasks that a server waits for when it stops."""

        def join(task: asyncio.Task[None]) -> None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        assert self._responses is not None
        self._responses.background.on_task = join

    @property
    def snapshot(self) -> Snapshot:
        """What requests see now."""
        return self.snapshots.current

    def stop_accepting(self) -> None:
        """From now on new requests are turned away; those that run may end."""
        self._is_stopping = True
        if self._edge is not None:
            self._edge.is_closing = True
            # A signal may come while a log line is being handed over, so its own waits a moment.
            self._loop.call_soon_threadsafe(self._tell_stopping, self._running())

    def _running(self) -> int:
        in_flight = 0 if self._edge is None else self._edge.in_flight
        return in_flight + (0 if self._responses is None else len(self._responses.background))

    def _tell_stopping(self, running: int) -> None:
        logger = logging.getLogger("nagara")
        if running == 0:
            logger.info("stopping: nothing runs")
            return
        logger.info(
            "stopping: %d running request%s may take %g s more; Ctrl-C again ends them now",
            running,
            "" if running == 1 else "s",
            self.config.settings.shutdown_grace_s,
        )

    async def close(self) -> None:
        """End what runs, then let go of everything. Harmless after a start that failed."""
        if self._edge is not None:
            await self._edge.settle(SETTLE_S)
        await self._background.close(0)
        await self._stack.aclose()
        self._log.close()

    def _add_local_servers(self, config: Config) -> Config:
        """The configuration with the servers that were found running at the start."""
        found = {server.name: server for server in self._local_servers}
        declared = msgspec.structs.replace(
            config.declared, providers={**found, **config.declared.providers}
        )
        return msgspec.structs.replace(config, declared=declared)

    def _take_catalogue(self, catalogue: Catalogue) -> None:
        """Put a catalogue into use that `nagara models sync` stored."""
        before, self._catalogue = self._catalogue, catalogue
        try:
            self._take_config(self.config)
        except ConfigError as error:
            # An alias of the operator's, say, is now the id of a model.
            self._catalogue = before
            logging.getLogger("nagara.catalogue").error(
                "the new catalogue is not used: %s", "; ".join(error.problems)
            )
            return
        logging.getLogger("nagara.catalogue").info(
            "the catalogue was renewed: %d models", len(catalogue.models)
        )

    def _take_config(self, config: Config) -> None:
        table = build_routes(config.declared, self._catalogue)
        for warning in table.warnings:
            logging.getLogger("nagara.config").warning("%s", warning)
        self.snapshots.replace_routes(self._catalogue, table, config.declared.providers)
        self._rest.prepare()

    def _apply(self, config: Config) -> None:
        """Put a changed configuration into effect. Raises `ConfigError` if it cannot be used."""
        config = self._add_local_servers(config)
        self._take_config(config)
        self._pipeline.limits = read_pipeline_limits(config.settings)
        self._gate.change_settings(read_rate_limits(config.settings))
        self._failed_keys.change_limit(config.settings.failed_keys_per_minute_max)
        self.snapshots.stale_s = config.settings.storage_stale_s
        self.config = config
