"""The writer process of an SQLite file: `python -m nagara.storage.sqlite_writer_main PATH`.

Standard input is a socket to the gateway, both ways. See `sqlite_process` for the messages and why.
It takes what has come, commits it as one group, answers, and takes what came in the meantime. It
ends when the socket is closed, after what it had received; no signal of a terminal reaches it.
"""

import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec

from nagara.storage.driver import ConflictError, ExpectationError, Statement
from nagara.storage.sqlite_connection import identify, open_connection
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
    connection = open_connection(path)
    link = socket.socket(fileno=sys.stdin.fileno())
    try:
        serve(connection, path, link)
    finally:
        connection.close()


def serve(connection: sqlite3.Connection, path: Path, link: socket.socket) -> None:
    """Commit what comes, group by group."""
    identity = identify(path)
    texts: list[str] = []
    received = bytearray()
    while piece := link.recv(RECEIVE_BYTES):
        received += piece
        tickets, batches = [], []
        for ticket, is_flushed, asked in _take_messages(received, texts):
            tickets.append(ticket)
            statements = [Statement(texts[n], p, rows) for n, p, rows in asked]
            batches.append(Batch(statements, is_flushed=is_flushed))
        for at in range(0, len(batches), GROUP_MAX):
            group = batches[at : at + GROUP_MAX]
            commit_group(connection, path, identity, group)
            _answer(link, tickets[at : at + GROUP_MAX], group)


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


def _answer(link: socket.socket, tickets: list[int], group: list[Batch]) -> None:
    answers = [_describe(*row) for row in zip(tickets, group, strict=True)]
    message = _encoder.encode(answers)
    link.sendall(len(message).to_bytes(LENGTH_BYTES, "big") + message)


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
    return Answer(ticket, None, ("storage", str(error), 0, 0, 0))


if __name__ == "__main__":
    main()
