"""What can happen to a database in the middle of everything, and how it ends.

Done to the real thing: a server's processes, a file's lock, the limit of what may be written.
"""

import resource
import sqlite3
from collections.abc import Callable
from typing import Protocol

from nagara.storage.data_folder import database_path
from tests.postgres import PostgresServer
from tests.system.gateway import GatewayProcess

ROOM_BYTES = 512
"""How much more a full disk takes: less than a commit, or a record of the spool."""


class Outage(Protocol):
    """Something that happens to a database, and ends."""

    def begin(self, gateway: GatewayProcess) -> None: ...

    def end(self) -> None: ...


class ServerDown:
    """The server has gone, and is started again."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def begin(self, gateway: GatewayProcess) -> None:
        self._server.kill()

    def end(self) -> None:
        self._server.start()


class ServerSilent:
    """The server is there and says nothing."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def begin(self, gateway: GatewayProcess) -> None:
        self._server.pause()

    def end(self) -> None:
        self._server.resume()


class FileLocked:
    """Another program holds the file's lock."""

    def __init__(self) -> None:
        self._other: sqlite3.Connection | None = None

    def begin(self, gateway: GatewayProcess) -> None:
        self._other = sqlite3.connect(database_path(gateway.data), isolation_level=None)
        self._other.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        assert self._other is not None
        self._other.execute("ROLLBACK")
        self._other.close()


class DiskFull:
    """No file may grow any more: neither the database nor what would be kept beside it."""

    def begin(self, gateway: GatewayProcess) -> None:
        log = database_path(gateway.data).with_name("nagara.db-wal")
        self._pid = gateway.pid
        self._limit(log.stat().st_size + ROOM_BYTES)

    def end(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size_bytes: int) -> None:
        _, hard = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


OUTAGES: dict[str, Callable[[PostgresServer], Outage]] = {
    "the server is silent": ServerSilent,
    "the server is down": ServerDown,
    "the file is locked": lambda _: FileLocked(),
    "the disk is full": lambda _: DiskFull(),
}
