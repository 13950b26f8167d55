"""Making connections to PostgreSQL: from the operator's address to a session with our bounds.

While the server cannot be reached, whoever asks is told so at once: one at a time tries again, and
not more often than every `RETRY_S`. So a server that is down costs callers nothing but the answer,
and one that is back is found by whoever asks next.
"""

import asyncio
import contextlib
import time

from psycopg import pq

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.postgres_address import Address
from nagara.storage.postgres_connection import PostgresConnection, encode_query
from nagara.storage.postgres_errors import (
    ConnectionLostError,
    ServerError,
    tell,
    tell_unreachable,
)
from nagara.storage.postgres_socket import wait_for_socket

RETRY_S = 0.25

_SET = "SELECT " + ", ".join(f"set_config(${at}, ${at + 1}, false)" for at in range(1, 14, 2))


class PostgresDialler:
    """Dials one database. Raises `StorageError` for an address that is none."""

    def __init__(self, url: Secret, bounds: PostgresBounds) -> None:
        self._address = Address(url, bounds)
        self.where = self._address.where
        self.bounds = bounds
        self._failure: ConnectionLostError | None = None
        self._retry_at_s = 0.0

    async def dial(self, *, can_write: bool = True) -> PostgresConnection:
        """A new connection, which the caller closes. Raises `StorageError`.

        One that cannot write refuses it, as SQLite's readers do.
        """
        if self._failure is not None and time.monotonic() < self._retry_at_s:
            raise self._failure
        # Whoever comes while this one tries again is told at once what the last one met.
        self._retry_at_s = time.monotonic() + self.bounds.connect_timeout_s + RETRY_S
        try:
            connection = await self._connect(can_write=can_write)
        except ConnectionLostError as error:
            self._failure = error
            self._retry_at_s = time.monotonic() + RETRY_S
            raise
        self._failure = None
        return connection

    async def _connect(self, *, can_write: bool) -> PostgresConnection:
        pgconn = await self._reach()
        connection = PostgresConnection(pgconn, self.where, self.bounds.timeout_s)
        query = encode_query(_SET, _session(self.bounds, can_write=can_write))
        outcome = (await connection.run([query]))[0]
        if isinstance(outcome, ServerError):
            connection.close()
            raise tell(outcome, self.where)
        return connection

    async def _reach(self) -> pq.abc.PGconn:
        """Connected to the first of the servers that lets us in."""
        failure = tell_unreachable("no server is named", self.where)
        try:
            async for conninfo in self._address.resolve():
                try:
                    return await self._shake_hands(conninfo)
                except ConnectionLostError as error:
                    failure = error
        except OSError as error:
            failure = tell_unreachable(f"could not translate host name: {error}", self.where)
        raise failure

    async def _shake_hands(self, conninfo: Secret) -> pq.abc.PGconn:
        # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PQCONNECTSTARTPARAMS
        pgconn = pq.PGconn.connect_start(conninfo.reveal().encode())
        with contextlib.ExitStack() as undo:
            undo.callback(pgconn.finish)
            try:
                async with asyncio.timeout(self.bounds.connect_timeout_s):
                    await _poll(pgconn)
            except TimeoutError as error:
                raise tell_unreachable("timeout expired", self.where) from error
            if pgconn.status != pq.ConnStatus.OK:
                raise tell_unreachable(pgconn.get_error_message(), self.where)
            undo.pop_all()
        return pgconn


async def _poll(pgconn: pq.abc.PGconn) -> None:
    """Do what libpq wants done until it has connected or given up."""
    wanted = pq.PollingStatus.WRITING
    while pgconn.status != pq.ConnStatus.BAD and wanted != pq.PollingStatus.OK:
        is_reading = wanted == pq.PollingStatus.READING
        await wait_for_socket(pgconn.socket, can_read=is_reading, can_write=not is_reading)
        wanted = pq.PollingStatus(pgconn.connect_poll())
        if wanted == pq.PollingStatus.FAILED:
            return


def _session(bounds: PostgresBounds, *, can_write: bool) -> tuple[str, ...]:
    """Names and values of what a session is set to."""
    timeout_ms = round(bounds.timeout_s * 1000)
    settings = {
        # The server gives up before we do, so that it does not work on for nobody.
        "statement_timeout": f"{timeout_ms}ms",
        "lock_timeout": f"{timeout_ms // 2}ms",
        # A process that was cut off in a transaction must not keep its locks.
        "idle_in_transaction_session_timeout": f"{timeout_ms}ms",
        # Every statement sees what was committed before it: conditional updates rely on it.
        "default_transaction_isolation": "read committed",
        "default_transaction_read_only": "off" if can_write else "on",
        "bytea_output": "hex",
        # What was answered has to be on the disk, whatever the server's default is.
        "synchronous_commit": "on",
    }
    return tuple(word for pair in settings.items() for word in pair)
