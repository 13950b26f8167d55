"""Making connections to PostgreSQL: from the operator's address to a session with our bounds.

While the server cannot be reached, whoever asks is told so at once: one at a time tries again, and
not more often than every `RETRY_S`. So a server that is down costs callers nothing but the answer,
and one that is back is found by whoever asks next.

Invariant: no message or representation shows the password of the address.
"""

import asyncio
import time

import psycopg
from psycopg import pq

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.driver import StorageError
from nagara.storage.postgres_connection import PostgresConnection, encode_query
from nagara.storage.postgres_errors import (
    ConnectionLostError,
    ServerError,
    tell,
    tell_unreachable,
)

RETRY_S = 0.25
SCHEMES = ("postgresql://", "postgres://")

_SET = "SELECT " + ", ".join(f"set_config(${at}, ${at + 1}, false)" for at in range(1, 14, 2))


class PostgresDialler:
    """Dials one database. Raises `StorageError` for an address that is none."""

    def __init__(self, url: Secret, bounds: PostgresBounds) -> None:
        options = _parse(url)
        self.where = _describe(options)
        self.bounds = bounds
        self._conninfo = Secret(_compose(options, bounds))
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
        # libpq looks names up and shakes hands within its own bound, but blocks while it does.
        pgconn = await asyncio.to_thread(pq.PGconn.connect, self._conninfo.reveal().encode())
        if pgconn.status != pq.ConnStatus.OK:
            raise tell_unreachable(pgconn.get_error_message(), self.where)
        connection = PostgresConnection(pgconn, self.where, self.bounds.timeout_s)
        query = encode_query(_SET, _session(self.bounds, can_write=can_write))
        outcome = (await connection.run([query]))[0]
        if isinstance(outcome, ServerError):
            connection.close()
            raise tell(outcome, self.where)
        return connection


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


def _parse(url: Secret) -> dict[str, str]:
    """The address as libpq reads it, with what the environment adds to it (PGHOST and so on)."""
    text = url.reveal()
    try:
        if not text.startswith(SCHEMES):
            raise StorageError("no scheme of PostgreSQL's")
        given = pq.Conninfo.parse(text.encode())
        usual = pq.Conninfo.get_defaults()
    except (psycopg.Error, StorageError):
        # The library's own words would show parts of it, perhaps of the password.
        raise StorageError(
            "the database_url is no address of a PostgreSQL database: it looks like "
            "postgresql://user:password@host:5432/name"
        ) from None
    options = {option.keyword.decode(): (option.val or b"").decode() for option in usual}
    options |= {option.keyword.decode(): option.val.decode() for option in given if option.val}
    return {name: value for name, value in options.items() if value}


def _describe(options: dict[str, str]) -> str:
    """Which database it is, for people: `"db.example:5432/nagara"`."""
    host = options.get("host") or options.get("hostaddr") or "localhost"
    name = options.get("dbname") or options.get("user", "")
    return f"{host}:{options.get('port', '5432')}/{name}"


def _compose(options: dict[str, str], bounds: PostgresBounds) -> str:
    """The address with our bounds, as far as it has none of its own."""
    ours = {
        "fallback_application_name": "nagara",
        # Whole seconds are all that libpq knows.
        "connect_timeout": str(max(1, round(bounds.connect_timeout_s))),
        "client_encoding": "UTF8",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": str(round(bounds.timeout_s * 1000)),
    }
    return " ".join(f"{name}={_quote(value)}" for name, value in (ours | options).items())


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
