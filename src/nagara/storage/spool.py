"""Settlements that the database could not take, on the local disk until it can.

One file for each process, in a folder below the data folder, and on the disk before `append`
returns. Whoever has settled all of them removes the file. A process that died leaves its file to
the next one that looks: a living one holds a lock on its own.

    <data>/unsettled/<runner>.spool     records of length, CRC-32, and a settlement in MessagePack

What was cut by a crash was never acknowledged, and is skipped. A record that cannot be read for any
other reason is a charge that is lost: the file is kept, as `.damaged`, and its reader is told so.
"""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from nagara.storage.driver import Statement, StorageError
from nagara.storage.journal import RequestRecord
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.rate_cards import UsedCard

FOLDER = "unsettled"
SUFFIX, DAMAGED = ".spool", ".damaged"

NUMBER_BYTES = 4
HEAD_BYTES = 2 * NUMBER_BYTES


class Entry(msgspec.Struct, array_like=True):
    """A settlement as it is written: statements with parameters of any type a database has."""

    hold: Hold | None
    record: RequestRecord
    costs: tuple[tuple[str, int], ...]
    extra: list[tuple[str, tuple[Any, ...], int | None]]
    cards: tuple[UsedCard, ...] = ()


# Every entry begins with this: an array of so many fields (MessagePack's fixarray).
_ENTRY_MARK = bytes([0x90 | len(Entry.__struct_fields__)])

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class Spooled(msgspec.Struct, frozen=True):
    """What a file holds, oldest first; `problem` says in words what of it could not be read.

    `size_bytes` is how far it was read.
    """

    settlements: list[Settlement]
    problem: str | None = None
    size_bytes: int = 0


class Spool:
    """The file of this process. Used by one thread at a time; made when it is first needed."""

    def __init__(self, data_folder: Path, runner: str) -> None:
        self._folder = data_folder / FOLDER
        self._path = self._folder / f"{runner}{SUFFIX}"
        self._file: BinaryIO | None = None
        self._size_bytes = 0

    def append(self, settlements: Sequence[Settlement]) -> None:
        """Keep them, durably. Raises `StorageError` if the disk does not take them: none is kept.

        What a full disk took of them is taken back, so that nothing stands in the middle of a
        record later.
        """
        data = b"".join(map(_encode, settlements))
        try:
            handle = (self._file or self._open()).fileno()
            try:
                _write(handle, data, self._size_bytes)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, self._size_bytes)
                raise
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written ({error.strerror})") from error
        self._size_bytes += len(data)

    def read(self) -> Spooled:
        """What this process has put in. Raises `StorageError` if the disk does not give it."""
        if self._file is None:
            return Spooled([])
        try:
            return _read(self._path, os.pread(self._file.fileno(), self._size_bytes, 0))
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read ({error.strerror})") from error

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in it."""
        return self._size_bytes == 0

    def clear(self, settled: Spooled) -> None:
        """Let go of the file, unless more was put in since `settled` was read.

        Raises `StorageError` if the disk does not let us.
        """
        if self._file is None or self._size_bytes != settled.size_bytes:
            return
        try:
            _put_away(self._path, settled)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be removed ({error.strerror})") from error
        self.close()

    def close(self) -> None:
        """Leave what is in the file to the next process."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._size_bytes = 0

    def adopt(self) -> Iterator[Spooled]:
        """What each process that is gone has left; its file goes after its turn.

        A file that cannot be read, or removed, stays, with a problem that says so.
        """
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path == self._path:
                continue
            try:
                yield from self._adopt(path)
            except FileNotFoundError:
                # Another process was quicker.
                continue
            except OSError as error:
                yield Spooled([], f"{path} cannot be read ({error.strerror}): its charges wait")

    def _adopt(self, path: Path) -> Iterator[Spooled]:
        """Raises `OSError`."""
        with path.open("rb") as file:
            if not (_lock(file) and _is_at(path, file)):
                return
            left = _read(path, file.read())
            yield left
            try:
                _put_away(path, left)
            except OSError as error:
                # What is settled twice is recognised, so that it may lie there.
                yield Spooled([], f"{path} cannot be removed ({error.strerror}): remove it")

    def _open(self) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            file = os.fdopen(handle, "r+b")
            # Between its making and its lock, another process may take it for a dead one's.
            if _lock(file) and _is_at(self._path, file):
                break
            file.close()
        _sync_folder(self._folder)
        self._file = file
        return file


def _write(handle: int, data: bytes, at: int) -> None:
    """Write all of it there, onto the disk."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, at)
        rest, at = rest[written:], at + written
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable, which its own flush does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: BinaryIO) -> bool:
    """Whether the file is ours now. The lock goes when the process does, however it goes."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether that file still lies there: its last owner may have removed it before our lock."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _put_away(path: Path, settled: Spooled) -> None:
    if settled.problem is None:
        path.unlink(missing_ok=True)
    else:
        path.rename(path.with_suffix(DAMAGED))


def _encode(settlement: Settlement) -> bytes:
    extra = [(s.sql, s.params, s.rows_expected) for s in settlement.extra]
    entry = Entry(settlement.hold, settlement.record, settlement.costs, extra, settlement.cards)
    data = _encoder.encode(entry)
    head = len(data).to_bytes(NUMBER_BYTES, "big") + zlib.crc32(data).to_bytes(NUMBER_BYTES, "big")
    return head + data


def _read(path: Path, data: bytes) -> Spooled:
    settlements, damaged, at = list[Settlement](), 0, 0
    while at + HEAD_BYTES <= len(data):
        begin = at + HEAD_BYTES
        end = begin + int.from_bytes(data[at : at + NUMBER_BYTES], "big")
        check = int.from_bytes(data[begin - NUMBER_BYTES : begin], "big")
        settlement = _decode(data[begin:end], check) if end <= len(data) else None
        if settlement is not None:
            settlements.append(settlement)
            at = end
            continue
        # Its content is damaged, or its length, and then the next one is elsewhere.
        following = _find_record(data, at + 1)
        if following is None and end > len(data):
            # Cut by a crash.
            break
        damaged += 1
        at = end if following is None else following
    problem = None
    if damaged:
        kept = path.with_suffix(DAMAGED)
        problem = f"{damaged} charges in {path} are damaged and lost: it is kept as {kept.name}"
    return Spooled(settlements, problem, len(data))


def _find_record(data: bytes, at: int) -> int | None:
    """Where the next record begins that is as it was written; None if there is none."""
    while (begin := data.find(_ENTRY_MARK, at + HEAD_BYTES)) != -1:
        at = begin - HEAD_BYTES
        end = begin + int.from_bytes(data[at : at + NUMBER_BYTES], "big")
        check = int.from_bytes(data[begin - NUMBER_BYTES : begin], "big")
        if end <= len(data) and _decode(data[begin:end], check) is not None:
            return at
        at += 1
    return None


def _decode(data: bytes, check: int) -> Settlement | None:
    """A settlement, or None for what is not as it was written."""
    if zlib.crc32(data) != check:
        return None
    try:
        entry = _decoder.decode(data)
    except msgspec.DecodeError:
        return None
    extra = tuple(Statement(*statement) for statement in entry.extra)
    return Settlement(
        hold=entry.hold,
        record=entry.record,
        costs=entry.costs,
        cards=entry.cards,
        extra=extra,
    )
