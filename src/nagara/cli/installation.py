"""What `nagara doctor` looks at on this machine: folder, database, secret, clock, port, limits.

Nothing is made, changed or brought up to date, and a gateway that runs is not disturbed: the
address is opened and let go at once, the database is asked whether it would take a write.
"""

import contextlib
import errno
import importlib.util
import platform
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from nagara import __version__
from nagara.catalogue.shipped import load_shipped
from nagara.cli.findings import Finding, is_doubtful, is_fine, is_wrong
from nagara.config.values import mask_address
from nagara.settings import SECRET_VARIABLE, Settings
from nagara.storage.data_folder import can_write, database_path, find_open_mode, secret_path
from nagara.storage.database import Database, examine_schema, open_driver
from nagara.storage.driver import StorageError
from nagara.storage.migrations import load_migrations
from nagara.storage.secret import has_keys_of_another, read_pepper
from nagara.storage.spool import DAMAGED, FOLDER, SUFFIX
from nagara.web.server import open_socket

FREE_BYTES_MIN = 256 * 1024 * 1024
CLOCK_BACK_S = 86_400
"""Catalogues are dated by the day, and time zones differ by less."""


def check_program() -> Finding:
    """What runs here."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio's own loop, which is slower"
    version = platform.python_version()
    return is_fine("program", f"nagara {__version__} on Python {version}, with {loop}")


def check_folder(folder: Path) -> Iterator[Finding]:
    """Whether the data folder can be used, or made."""
    check, shown = "data folder", folder.absolute()
    if not folder.exists():
        above = next(path for path in folder.absolute().parents if path.exists())
        if can_write(above):
            yield is_fine(check, f"{shown} is not there yet; the first start makes it")
        else:
            yield is_wrong(check, f"{shown} is not there, and {above} is not writable for you")
        return
    if not folder.is_dir() or not can_write(folder):
        yield is_wrong(check, f"{shown} is no folder that you may write to: chown or chmod it")
        return
    if mode := find_open_mode(folder):
        yield is_doubtful(check, f"{shown} is open to others (mode {mode:03o}): chmod 700 it")
    elif (free := shutil.disk_usage(folder).free) < FREE_BYTES_MIN:
        yield is_doubtful(check, f"{shown} has {free // 2**20} MB of disk left")
    else:
        yield is_fine(check, f"{shown} is writable, and yours alone")
    yield from check_unsettled(folder / FOLDER)


def check_unsettled(folder: Path) -> Iterator[Finding]:
    """Charges that wait on the disk for the database."""
    if not can_write(folder):
        return
    for path in sorted(folder.iterdir()):
        if path.suffix == DAMAGED:
            yield is_wrong("charges", f"{path} holds charges that could not be read back")
        elif path.suffix == SUFFIX and path.stat().st_size:
            yield is_doubtful("charges", f"{path} waits to be booked: a running gateway does it")


async def check_database(database: Database) -> AsyncIterator[Finding]:
    """Whether it is there, ours, writable, up to date, and of the same secret."""
    check = "database"
    where = mask_address(database.url.reveal()) if database.url else database_path(database.folder)
    if not database.is_begun:
        yield is_fine(check, f"{where} is not there yet; the first start makes it")
        return
    try:
        version, known = await examine_schema(database), len(load_migrations())
    except StorageError as error:
        yield is_wrong(check, str(error))
        return
    if version < known:
        yield is_doubtful(
            check, f"{where} has schema {version}; the next start brings it up to {known}"
        )
        return
    if database.url is None and (mode := find_open_mode(database_path(database.folder))):
        yield is_doubtful(check, f"{where} can be read by others (mode {mode:03o}): chmod 600 it")
    yield is_fine(check, f"{where} can be written, schema {version}")


async def check_secret(database: Database, environment: Mapping[str, str]) -> Finding:
    """Whether the secret is there, private, and the one that the keys were made with."""
    check, given = "secret", environment.get(SECRET_VARIABLE)
    path = secret_path(database.folder)
    where = SECRET_VARIABLE if given else str(path)
    try:
        pepper = read_pepper(database.folder, given)
        is_other = await _has_keys_of_another(database, pepper)
    except StorageError as error:
        return is_wrong(check, str(error))
    if is_other and pepper is None:
        return is_wrong(check, f"{path} is missing, and no key can be recognised without it")
    if is_other:
        return is_wrong(check, f"{where} is not what the keys in the database were made with")
    if pepper is None:
        return is_fine(check, f"{path} is not there yet; the first start makes it")
    if not given and (mode := find_open_mode(path)):
        return is_doubtful(check, f"{path} can be read by others (mode {mode:03o}): chmod 600 it")
    return is_fine(check, f"{where} is there")


async def _has_keys_of_another(database: Database, pepper: bytes | None) -> bool:
    """False too where there is no database that could be asked; that is said elsewhere."""
    if not database.is_begun:
        return False
    with contextlib.suppress(StorageError):
        if await examine_schema(database) < len(load_migrations()):
            return False
        driver = await open_driver(database, can_make=False)
        try:
            return await has_keys_of_another(driver, pepper)
        finally:
            await driver.close()
    return False


def check_clock(now_s: float | None = None) -> Finding:
    """Whether the clock can be right: expiries, prices and signatures go by it."""
    now_s = time.time() if now_s is None else now_s
    shown = f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%d %H:%M} UTC"
    if now_s < load_shipped().built_at_s - CLOCK_BACK_S:
        return is_wrong("clock", f"{shown} is before this nagara was made: set the clock")
    return is_fine("clock", shown)


def check_address(settings: Settings, *, is_ours: bool) -> Finding:
    """Whether the address is free; `is_ours` says that a gateway answers there."""
    check, where = "address", f"{settings.host}:{settings.port}"
    try:
        open_socket(settings.host, settings.port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_ours:
            return is_fine(check, f"a gateway is serving on {where}")
        return is_wrong(
            check, f"cannot listen on {where}: {error.strerror}. Choose another host or port"
        )
    return is_fine(check, f"{where} is free")


def check_open_files(requests_max: int) -> Finding:
    """Whether so many requests may have their two connections each."""
    if importlib.util.find_spec("resource") is None:
        return is_fine("open files", "this system has no limit that could be asked for")
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and limit < 2 * requests_max:
        return is_doubtful(
            "open files",
            f"at most {limit}, and requests_in_flight_max = {requests_max} may take "
            f"{2 * requests_max}: raise it by 'ulimit -n', or lower the setting",
        )
    return is_fine("open files", f"at most {limit}")
