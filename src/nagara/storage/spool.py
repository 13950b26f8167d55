"""Settlements that the database could not take, on the local disk until it can.

One file for each process, in a folder below the data folder: MessagePack behind its length for each
settlement, on the disk before `append` returns. Whoever has settled all of them removes the file. A
process that died leaves its file to the next one that looks: a living one holds a lock on its own.

    <data>/unsettled/<runner>.spool

What was cut by a crash was never acknowledged, and is skipped.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from nagara.storage.driver import Statement, StorageError
from nagara.storage.journal import RequestRecord
from nagara.storage.ledger_statements import Hold, Settlement

FOLDER = "unsettled"

LENGTH_BYTES = 4


class Entry(msgspec.Struct, array_like=True):
    """A settlement as it is written: statements with parameters of any type a database has."""

    hold: Hold | None
    record: RequestRecord
    costs: tuple[tuple[str, int], ...]
    extra: list[tuple[str, tuple[Any, ...], int | None]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class Spool:
    """The file of this process. Used by one thread at a time; made when it is first needed."""

    def __init__(self, data_folder: Path, runner: str) -> None:
        self._folder = data_folder / FOLDER
        self._path = self._folder / f"{runner}.spool"
        self._file: BinaryIO | None = None

    def append(self, settlement: Settlement) -> None:
        """Keep one settlement, durably. Raises `StorageError` if the disk does not take it."""
        try:
            file = self._file or self._open()
            file.write(_encode(settlement))
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be written ({error.strerror}): charges wait in memory"
            ) from error

    def read(self) -> list[Settlement]:
        """What this process has put in, oldest first."""
        return _read(self._path) if self._file is not None else []

    def clear(self) -> None:
        """Remove the file: everything in it was settled."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def adopt(self) -> Iterator[list[Settlement]]:
        """The settlements of each process that is gone; its file is removed after its turn."""
        for path in sorted(self._folder.glob("*.spool")):
            if path == self._path:
                continue
            with path.open("rb") as file:
                if not _lock(file):
                    continue
                yield _read(path)
                path.unlink(missing_ok=True)

    def _open(self) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(handle, "ab")
        _lock(file)
        self._file = file
        return file


def _lock(file: BinaryIO) -> bool:
    """Whether the file is ours now. The lock goes when the process does, however it goes."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _encode(settlement: Settlement) -> bytes:
    extra = [(s.sql, s.params, s.rows_expected) for s in settlement.extra]
    entry = Entry(settlement.hold, settlement.record, settlement.costs, extra)
    data = _encoder.encode(entry)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def _read(path: Path) -> list[Settlement]:
    data, at, settlements = path.read_bytes(), 0, []
    while at + LENGTH_BYTES <= len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if at <= len(data):
            settlements.append(_decode(data[begin:at]))
    return settlements


def _decode(data: bytes) -> Settlement:
    entry = _decoder.decode(data)
    extra = tuple(Statement(*statement) for statement in entry.extra)
    return Settlement(hold=entry.hold, record=entry.record, costs=entry.costs, extra=extra)
