"""One connection to an SQLite file: how it is opened, and its errors told in words.

Invariant: whoever opens a connection here has a database of ours in WAL mode whose commits are on
the disk when they return (synchronous FULL), until `leave_flushing` leaves that to somebody else.
Every `apsw.Error` becomes a `StorageError` that says what to do; SQLite's own words are only an
addition to it.

SQLite itself comes with apsw, not from Python: see docs/decisions/0021-own-sqlite.md. Whatever else
opens the file in this process must do it with the same library: two do not see each other's locks.
"""

import contextlib
import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import apsw

from nagara.storage.data_folder import can_write, make_private_file
from nagara.storage.driver import ConflictError, StorageError, Value

BUSY_TIMEOUT_S = 5.0
PAGE_BYTES = 2048
"""Half of what SQLite takes by itself: a charge changes some bytes of a dozen pages, and each is
summed up and written whole. A file that is there keeps its own."""


class FileIdentity(NamedTuple):
    """Which file it is that lies at `place`."""

    place: str
    device: int
    inode: int


# Literals, quoted names and comments are matched only to be left alone.
_TOKENS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<number>\d+)""",
    re.VERBOSE | re.DOTALL,
)

_ADVICE: dict[type[Exception], str] = {
    apsw.ReadOnlyError: "cannot be written: make the file and its folder writable for this "
    "user, or choose another folder with --data",
    apsw.PermissionsError: "may not be used by this user: change its owner or permissions",
    apsw.CantOpenError: "cannot be opened: make sure that its folder exists and that this "
    "user may write there, or choose another with --data",
    apsw.FullError: "cannot grow: the disk is full. Free some space; nothing was lost",
    apsw.NotADBError: "is not an SQLite database: move it away, or choose another folder "
    "with --data",
    apsw.CorruptError: "is damaged: stop every nagara that uses it and restore a backup",
    apsw.BusyError: f"was locked by another program for {BUSY_TIMEOUT_S:.0f} s: find out "
    "which one holds it",
    apsw.LockedError: "is locked by another program: find out which one holds it",
    apsw.IOError: "could not be read or written by the operating system: look at the disk",
}


def open_connection(path: Path, *, can_make: bool = False) -> apsw.Connection:
    """Open the file; `can_make` makes it if it is not there, with mode 0600.

    May wait for a lock of another program. Raises `StorageError`.
    The connection may move between threads, but only one may use it at a time.
    """
    if can_make and not path.exists():
        _make_file(path)
    connection = connect(path)
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        # Heeded by a file that is empty.
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        _configure(connection, path)
        undo.pop_all()
    return connection


def leave_flushing(
    connection: apsw.Connection, *, busy_timeout_s: float | None = None
) -> apsw.Connection:
    """The same connection, whose commits wait for no disk and make no checkpoint.

    Both are then its owner's to see to. `busy_timeout_s` is how long it waits for a lock, in place
    of the usual time.
    """
    # In WAL mode, NORMAL leaves out the flush at the commit and nothing else.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    if busy_timeout_s is not None:
        connection.set_busy_timeout(round(busy_timeout_s * 1000))
    return connection


def connect(path: Path) -> apsw.Connection:
    """A connection to a file that is there, not yet in WAL mode. Raises `StorageError`."""
    identify(path)
    # SQLite would open a read-only file, and fail at the first commit.
    if not can_write(path):
        raise StorageError(f"the database {path} {_ADVICE[apsw.ReadOnlyError]}")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise tell(error, path) from error
    connection.set_busy_timeout(round(BUSY_TIMEOUT_S * 1000))
    return connection


def _make_file(path: Path) -> None:
    """Make an empty file with mode 0600, unless somebody else just did.

    Rule: the file itself is never opened here, or anywhere but in SQLite. Closing any descriptor
    of it drops this process's POSIX locks on it, other connections' too; another process would
    then take itself for the last one and remove the log that we still write to.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    try:
        make_private_file(path)
    except OSError as error:
        raise StorageError(
            f"the database {path} {_ADVICE[apsw.CantOpenError]} ({error.strerror})"
        ) from error


def identify(path: Path) -> FileIdentity:
    """Which file lies at the path now; `StorageError` when none does."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise StorageError(
            f"the database {path} is gone ({error.strerror}): put it back"
        ) from error
    return FileIdentity(str(path), found.st_dev, found.st_ino)


def check_identity(identity: FileIdentity) -> None:
    """Raise `StorageError` when another file lies at the path than was opened, or none.

    What is written to a file that was removed is lost, and SQLite does not notice.
    """
    place, device, inode = identity
    try:
        found = os.stat(place)
    except OSError:
        found = None
    if found is None or found.st_ino != inode or found.st_dev != device:
        # Says what became of it.
        identify(Path(place))
        raise StorageError(f"the database {place} was replaced by another file: restart nagara")


def _configure(connection: apsw.Connection, path: Path) -> None:
    try:
        mode = _enter_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except apsw.Error as error:
        raise tell(error, path) from error
    if mode != "wal":
        raise StorageError(
            f"the database {path} is on a file system that cannot share memory between programs "
            "(a network mount?): choose a local folder with --data"
        )


def _enter_wal(connection: apsw.Connection) -> str:
    # Two programs that make the file together can deadlock on this pragma; SQLite then answers
    # "busy" at once without waiting for its timeout, and trying again is all that helps.
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").get)
        except apsw.BusyError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)


@lru_cache(maxsize=512)
def number_placeholders(sql: str) -> str:
    """SQLite's `?1` for our `$1`, outside literals and comments.

    SQLite takes `$1` for a *name*, to which a sequence is bound by order of appearance, silently:
    `VALUES ($2, $1)` would swap.
    """

    def replace(token: re.Match[str]) -> str:
        number = token["number"]
        return token[0] if number is None else f"?{number}"

    return _TOKENS.sub(replace, sql)


def execute(connection: apsw.Connection, sql: str, params: Sequence[Value] = ()) -> apsw.Cursor:
    """Run one statement written with `$1` placeholders."""
    return connection.execute(number_placeholders(sql), params)


def tell(error: apsw.Error, path: Path, index: int = 0) -> StorageError:
    """What to raise for SQLite's error in statement `index`: in words, with what to do."""
    if isinstance(error, apsw.ConstraintError | apsw.MismatchError):
        return ConflictError(index, str(error))
    advice = _ADVICE.get(type(error))
    if advice is None:
        return StorageError(f"the database {path} refused: {error}")
    return StorageError(f"the database {path} {advice} ({error})")


def is_locked(error: Exception) -> bool:
    """Whether it says that another program has the lock."""
    return isinstance(error, apsw.BusyError)


def tell_locked(path: Path) -> StorageError:
    """What to raise when another program had the lock for as long as we wait for it."""
    return StorageError(f"the database {path} {_ADVICE[apsw.BusyError]}")
