"""One connection to PostgreSQL, over libpq's pipeline mode.

How it works. `run` sends all statements of a list at once, then a sync, and reads the answers: one
round trip however many there are. Outside of a transaction the list is one of its own; the first
statement that fails makes the server skip the rest. Statements are prepared the first time and then
known by name, so that the server parses and plans each once a connection.
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html

Invariant: a connection whose state is not known (timed out, cancelled, cut) is closed, never used
again. It belongs to one task at a time. Nothing here retries.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import psycopg
from psycopg import pq

from nagara.storage.driver import Result, Value
from nagara.storage.postgres_errors import (
    STALE_PLAN,
    ServerError,
    tell_lost,
)
from nagara.storage.postgres_socket import wait_for_socket
from nagara.storage.postgres_values import decode_rows, encode_params

PREPARED_MAX = 500

_DONE = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})


class Query(msgspec.Struct, frozen=True):
    """A statement with its parameters as they are sent."""

    sql: str
    params: list[bytes | None] = []
    formats: list[int] = []

    @property
    def size_bytes(self) -> int:
        """What it takes on the wire, about."""
        return len(self.sql) + sum(len(param) for param in self.params if param is not None)


Outcome = Result | ServerError | None
"""What became of a statement; None for one that was skipped because another had failed."""


def encode_query(sql: str, params: Sequence[Value] = ()) -> Query:
    """A statement ready to be sent. Raises as `encode_params` does."""
    return Query(sql, *encode_params(params))


class PostgresConnection:
    """Made by `PostgresDialler.dial`; whoever dialled it closes it."""

    def __init__(self, pgconn: pq.abc.PGconn, where: str, timeout_s: float) -> None:
        """`pgconn` is connected and set up; from here on it is ours. `where` is for messages."""
        pgconn.nonblocking = 1
        pgconn.enter_pipeline_mode()
        self._pgconn = pgconn
        self._where = where
        self._timeout_s = timeout_s
        self._names: dict[str, bytes] = {}
        self._named = 0
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking the server."""
        if self._is_closed:
            return False
        try:
            # A server that has gone has left its farewell in the socket.
            self._pgconn.consume_input()
        except psycopg.Error:
            self.close()
            return False
        return self._pgconn.status == pq.ConnStatus.OK

    async def run(self, queries: Sequence[Query]) -> list[Outcome]:
        """Run statements in order, as far as the first that fails; what became of each.

        Raises `ConnectionLostError`; the connection is then closed.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                plan = self._send(queries)
                await self._flush()
                results = await self._receive()
            return self._read_outcomes(queries, plan, results)
        except TimeoutError as error:
            self.close()
            raise tell_lost(self._where, f"no answer for {self._timeout_s:g} s") from error
        except (psycopg.Error, OSError) as error:
            self.close()
            raise tell_lost(self._where, str(error)) from error
        except BaseException:
            # What was sent is on its way, and its answers would be taken for the next one's.
            self.close()
            raise

    async def wait_for_notice(self, within_s: float) -> None:
        """Wait until the server has sent something by itself, but no longer than that."""
        if self._take_notices():
            return
        try:
            async with asyncio.timeout(within_s):
                await wait_for_socket(self._pgconn.socket)
            self._pgconn.consume_input()
            self._take_notices()
        except TimeoutError:
            return
        except psycopg.Error as error:
            self.close()
            raise tell_lost(self._where, str(error)) from error

    def close(self) -> None:
        """Let go of it at once. May be repeated."""
        if not self._is_closed:
            self._is_closed = True
            self._pgconn.finish()

    def _send(self, queries: Sequence[Query]) -> list["_Sent"]:
        """Hand everything to libpq; which answers are to come, in order."""
        plan: list[_Sent] = []
        fresh: dict[str, bytes] = {}
        for index, query in enumerate(queries):
            name = self._names.get(query.sql) or fresh.get(query.sql)
            if name is None and len(self._names) + len(fresh) < PREPARED_MAX:
                name = fresh[query.sql] = b"s%d" % self._named
                self._named += 1
                self._pgconn.send_prepare(name, query.sql.encode())
                plan.append(_Sent(index, name))
            if name is None:
                self._pgconn.send_query_params(
                    query.sql.encode(), query.params, param_formats=query.formats
                )
            else:
                self._pgconn.send_query_prepared(name, query.params, query.formats)
            plan.append(_Sent(index))
        self._pgconn.pipeline_sync()
        return plan

    async def _flush(self) -> None:
        # The server may stop reading until its answers are read, so both ways are watched.
        while self._pgconn.flush():
            await wait_for_socket(self._pgconn.socket, can_write=True)
            self._pgconn.consume_input()

    async def _receive(self) -> list[pq.abc.PGresult]:
        """The answers up to the sync, one for each that was planned."""
        results: list[pq.abc.PGresult] = []
        while True:
            while self._pgconn.is_busy():
                await wait_for_socket(self._pgconn.socket)
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:
                # The end of one statement's answers; or of all, when nobody is there any more.
                if self._pgconn.status != pq.ConnStatus.OK:
                    raise tell_lost(self._where, self._pgconn.get_error_message())
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _read_outcomes(
        self, queries: Sequence[Query], plan: list["_Sent"], results: list[pq.abc.PGresult]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = [None] * len(queries)
        for sent, result in zip(plan, results, strict=True):
            if result.status == pq.ExecStatus.PIPELINE_ABORTED:
                continue
            if result.status not in _DONE:
                outcomes[sent.index] = self._read_error(result)
            elif sent.name is not None:
                self._names[queries[sent.index].sql] = sent.name
            else:
                outcomes[sent.index] = _read_result(result)
        return outcomes

    def _read_error(self, result: pq.abc.PGresult) -> ServerError:
        message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
        if not sqlstate or severity in (b"FATAL", b"PANIC"):
            raise tell_lost(self._where, message or result.get_error_message())
        if sqlstate in STALE_PLAN:
            self._names.clear()
        return ServerError(sqlstate, message)

    def _take_notices(self) -> bool:
        found = False
        while self._pgconn.notifies() is not None:
            found = True
        return found


class _Sent(msgspec.Struct, frozen=True):
    """An answer that is to come: of the query itself, or of preparing it under `name`."""

    index: int
    name: bytes | None = None


def _read_result(result: pq.abc.PGresult) -> Result:
    if result.nfields:
        rows = decode_rows(result)
        return Result(rows, len(rows))
    return Result([], result.command_tuples or 0)
