"""The writer of an SQLite file as a process of its own: what a busy gateway needs.

Why. A thread that runs SQL in a process whose event loop is busy waits for the interpreter's lock
at every statement, for as long as the loop likes: commits that take 0.1 ms by themselves then take
ten. A process waits for nobody, and a group of commits costs the loop one message each way.

How. The two are joined by a socket pair. Messages are lists in MessagePack behind their length;
what was asked for in one turn of the loop is one message, and what the process finds when it has
committed one group is the next group. SQL texts are sent once and numbered.

    gateway -> writer   [new SQL texts, [[ticket, is_flushed, statements], …]]
                        where a statement is [sql number, params, rows_expected]
    writer -> gateway   [[ticket, results | null, error | null], …]      after the commit

The process ends when the gateway's end of the pair is closed, however that came about, after it has
committed what it had received. Should it die itself, whoever waits is told that the outcome is
unknown, and the next commit starts another.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from nagara.storage.driver import (
    ConflictError,
    ExpectationError,
    Result,
    Statement,
    StorageError,
)
from nagara.storage.sqlite_connection import check_identity, identify

QUEUE_MAX = 10_000
LENGTH_BYTES = 4
RECEIVE_BYTES = 1 << 18
CLOSE_TIMEOUT_S = 10.0

_encoder = msgspec.msgpack.Encoder()


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What became of one commit. `error` is a kind, its text, and the numbers of its class."""

    ticket: int
    results: list[tuple[list[tuple[Any, ...]], int]] | None
    error: tuple[str, str, int, int, int] | None = None


_answers = msgspec.msgpack.Decoder(list[Answer])


class SqliteProcess:
    """A writer like `SqliteWriter`, in another process. It belongs to one event loop."""

    def __init__(self, path: Path, *, queue_max: int = QUEUE_MAX) -> None:
        self._path = path
        self._queue_max = queue_max
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[list[Result]]] = {}
        self._outbox: list[msgspec.Raw] = []
        self._numbers: dict[str, int] = {}
        self._new_texts: list[str] = []
        self._ticket = 0
        self._is_closing = False
        self._link: _Link | None = None
        self._identity = identify(path)
        self._start()

    def commit(
        self, statements: Sequence[Statement], *, is_flushed: bool = True
    ) -> "asyncio.Future[list[Result]]":
        """As `Driver.commit`. It is made whether or not the future is waited for.

        Raises `StorageError` at once when too many wait already, and as the encoder does for a
        value that cannot be stored.
        """
        if self._is_closing:
            raise StorageError(f"the database {self._path} was closed")
        if len(self._waiting) >= self._queue_max:
            raise StorageError(
                f"{len(self._waiting)} commits wait for the database {self._path}: "
                "the disk is too slow"
            )
        if self._link is None:
            self._start()
        self._ticket += 1
        numbers = self._numbers
        for statement in statements:
            if statement.sql not in numbers:
                numbers[statement.sql] = len(numbers)
                self._new_texts.append(statement.sql)
        asked = [(numbers[s.sql], s.params, s.rows_expected) for s in statements]
        # Here, so that a value which cannot be sent is its own caller's error alone.
        message = msgspec.Raw(_encoder.encode((self._ticket, is_flushed, asked)))
        future: asyncio.Future[list[Result]] = self._loop.create_future()
        self._waiting[self._ticket] = future
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(message)
        return future

    async def close(self) -> None:
        """Commit what was asked for, then end the process."""
        self._is_closing = True
        self._flush()
        if self._waiting:
            await asyncio.wait(list(self._waiting.values()), timeout=CLOSE_TIMEOUT_S)
        if self._link is not None:
            link, self._link = self._link, None
            link.close()
            await asyncio.to_thread(_reap, link.process)

    def _start(self) -> None:
        """Start the process. It has all SQL texts to learn anew.

        Raises `StorageError` when the file is gone, or another one than at the beginning, and when
        the machine has no room for a process.
        """
        check_identity(self._path, self._identity)
        self._new_texts = list(self._numbers)
        try:
            self._link = _Link(self, self._path)
        except OSError as error:
            raise StorageError(
                f"no process can be started that writes to the database {self._path} "
                f"({error.strerror})"
            ) from error

    def _flush(self) -> None:
        if self._outbox and self._link is not None:
            self._link.send(_encoder.encode((self._new_texts, self._outbox)))
            self._new_texts = []
        self._outbox = []

    def receive(self, message: bytes) -> None:
        """Take a message of the process: deliver its answers."""
        for answer in _answers.decode(message):
            future = self._waiting.pop(answer.ticket, None)
            if future is None or future.done():
                continue
            if answer.results is not None:
                future.set_result([Result(rows, touched) for rows, touched in answer.results])
            else:
                future.set_exception(_read_error(answer.error))

    def lose(self) -> None:
        """The process has gone: nobody knows what became of the commits under way."""
        self._link = None
        self._outbox.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(
                    StorageError(f"the writer of the database {self._path} ended unexpectedly")
                )


class _Link(asyncio.Protocol):
    """One process and the socket to it."""

    def __init__(self, owner: SqliteProcess, path: Path) -> None:
        self._owner: SqliteProcess | None = owner
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "nagara.storage.sqlite_writer_main", str(path)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                # A Ctrl-C goes to the whole group; this process ends when we let it.
                start_new_session=True,
            )
            undo.pop_all()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        self._opening = loop.create_task(self._open(loop, ours))

    async def _open(self, loop: asyncio.AbstractEventLoop, ours: socket.socket) -> None:
        await loop.create_connection(lambda: self, sock=ours)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.writelines(self._unsent)
        self._unsent.clear()
        if self._owner is None:
            # It was closed before it was ready.
            self._transport.close()

    def send(self, message: bytes) -> None:
        """Send a message, as soon as the socket is ready."""
        framed = len(message).to_bytes(LENGTH_BYTES, "big") + message
        if self._transport is None:
            self._unsent.append(framed)
        else:
            self._transport.write(framed)

    def data_received(self, data: bytes) -> None:
        """Cut what comes into messages."""
        received = self._received
        received += data
        while len(received) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(received[:LENGTH_BYTES], "big")
            if len(received) < end:
                return
            message = bytes(received[LENGTH_BYTES:end])
            del received[:end]
            if self._owner is not None:
                self._owner.receive(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the outcome is one
        """The process has ended, or we have closed."""
        if self._owner is not None:
            self._owner.lose()
            self._owner = None
            # Nobody else takes leave of it, and it may not be quite dead.
            asyncio.get_running_loop().run_in_executor(None, _reap, self.process)

    def close(self) -> None:
        """Let the process end."""
        self._owner = None
        if self._transport is not None:
            self._transport.close()


def _reap(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(CLOSE_TIMEOUT_S)
        return
    process.kill()
    process.wait()


def _read_error(error: tuple[str, str, int, int, int] | None) -> StorageError | ValueError:
    if error is None:
        return StorageError("the writer gave no answer")
    kind, text, index, expected, rows = error
    if kind == "expectation":
        return ExpectationError(index, expected, rows)
    if kind == "conflict":
        return ConflictError(index, text)
    # As a writer in this process raises what SQLite cannot take.
    return ValueError(text) if kind == "value" else StorageError(text)
