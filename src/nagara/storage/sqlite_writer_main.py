"""The writer process of an SQLite file: `python -m nagara.storage.sqlite_writer_main PATH`.

Standard input is a socket to the gateway, both ways. See `sqlite_process` for the messages and why.
It takes what has come, commits it as one group, answers, and takes what came in the meantime. What
is to be on the disk is answered by the `Flusher`, which waits for that while more is committed. It
ends when the socket is closed, after what it had received; no signal of a terminal reaches it.
"""

import contextlib
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nagara.storage.driver import ConflictError, ExpectationError, Statement, StorageError
from nagara.storage.sqlite_connection import identify, open_connection
from nagara.storage.sqlite_flusher import Flusher
from nagara.storage.sqlite_process import LENGTH_BYTES, RECEIVE_BYTES, Answer
from nagara.storage.sqlite_writer import GROUP_MAX, Batch, commit_group

AskedStatement = tuple[int, tuple[Any, ...], int | None]
AskedBatch = tuple[int, bool, list[AskedStatement]]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[str], list[AskedBatch]])


def main() -> None:
    """Serve until the gateway closes its end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    path = Path(sys.argv[1])
    try:
        connection = open_connection(path)
    except StorageError as error:
        sys.exit(f"nagara: {error}")
    link = socket.socket(fileno=sys.stdin.fileno())
    answers = Answers(link, path)
    flusher = Flusher(path, answers.tell_flushed)
    try:
        serve(connection, path, link, answers, flusher)
    finally:
        flusher.close()
        connection.close()


def serve(
    connection: sqlite3.Connection,
    path: Path,
    link: socket.socket,
    answers: "Answers",
    flusher: Flusher["Asked"],
) -> None:
    """Commit what comes, group by group."""
    identity = identify(path)
    texts: list[str] = []
    received = bytearray()
    # One buffer for all that comes: a new one each time would have the system map its pages anew.
    room = memoryview(bytearray(RECEIVE_BYTES))
    while count := _receive(link, room):
        received += room[:count]
        come = []
        for ticket, is_flushed, asked in _take_messages(received, texts):
            statements = [Statement(texts[n], params, rows) for n, params, rows in asked]
            come.append(Asked(ticket, Batch(statements, is_flushed=is_flushed)))
        for at in range(0, len(come), GROUP_MAX):
            group = come[at : at + GROUP_MAX]
            commit_group(connection, path, identity, [each.batch for each in group], flushes=False)
            waiting = [each for each in group if each.waits_for_disk]
            if waiting:
                flusher.hand_over(waiting)
            answers.tell([each for each in group if not each.waits_for_disk])


class Asked(NamedTuple):
    """One commit that was asked for."""

    ticket: int
    batch: Batch

    @property
    def waits_for_disk(self) -> bool:
        """Whether it was done and is to be on the disk before it is answered."""
        return self.batch.is_flushed and self.batch.error is None


class Answers:
    """The way back to the gateway, for both threads."""

    def __init__(self, link: socket.socket, path: Path) -> None:
        self._link = link
        self._path = path
        self._sending = threading.Lock()

    def tell_flushed(self, group: Sequence[Asked], error: OSError | None) -> None:
        """Answer those that waited for the disk."""
        if error is not None:
            for each in group:
                each.batch.error = StorageError(
                    f"the database {self._path} could not be written to the disk "
                    f"({error.strerror}): it is not known what became of this"
                )
        self.tell(group)

    def tell(self, group: Sequence[Asked]) -> None:
        """Say what became of each."""
        if not group:
            return
        message = _encoder.encode([_describe(each.ticket, each.batch) for each in group])
        framed = len(message).to_bytes(LENGTH_BYTES, "big") + message
        # A gateway that died hears nothing, but what it had asked for is still done: the commits
        # that follow may be charges of answers which its callers have got.
        with self._sending, contextlib.suppress(ConnectionError):
            self._link.sendall(framed)


def _receive(link: socket.socket, room: memoryview) -> int:
    """How many bytes have come; none at the end, also when the gateway died with answers unread."""
    try:
        return link.recv_into(room)
    except ConnectionError:
        return 0


def _take_messages(received: bytearray, texts: list[str]) -> list[AskedBatch]:
    """The whole messages at the beginning of `received`, which is left with the rest."""
    asked: list[AskedBatch] = []
    while len(received) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(received[:LENGTH_BYTES], "big")
        if len(received) < end:
            break
        new_texts, batches = _decoder.decode(memoryview(received)[LENGTH_BYTES:end])
        texts += new_texts
        asked += batches
        del received[:end]
    return asked


def _describe(ticket: int, batch: Batch) -> Answer:
    error = batch.error
    if error is None:
        results = [(result.rows, result.rows_touched) for result in batch.results]
        return Answer(ticket, results)
    if isinstance(error, ExpectationError):
        numbers = (error.index, error.rows_expected, error.rows)
        return Answer(ticket, None, ("expectation", str(error), *numbers))
    if isinstance(error, ConflictError):
        return Answer(ticket, None, ("conflict", str(error), error.index, 0, 0))
    kind = "storage" if isinstance(error, StorageError) else "value"
    return Answer(ticket, None, (kind, str(error), 0, 0, 0))


if __name__ == "__main__":
    main()
