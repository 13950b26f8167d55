"""The pepper: the secret that the digests of all keys are made with.

It lies in a file of its own in the data folder, so that a copy of the database alone is of no use
to anyone, or comes from the environment. Without it no key can be recognised, so it is never
replaced while there are keys: a start with the wrong one fails and says so, instead of refusing
every caller. The store keeps a fingerprint of it to know by. Machines that share a PostgreSQL
database have to be given the same one: of two that begin with secrets of their own, one fails.
"""

import base64
import binascii
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from nagara.access import digest_key
from nagara.storage.data_folder import (
    find_open_mode,
    make_private_file,
    prepare_data_folder,
    secret_path,
)
from nagara.storage.driver import Driver, ExpectationError, Statement, StorageError

logger = logging.getLogger("nagara.storage")

PEPPER_BYTES = 32

_FINGERPRINT_OF = "nagara pepper"
_READ_FINGERPRINT = "SELECT value FROM meta WHERE name = 'pepper'"
_COUNT_KEYS = "SELECT COUNT(*) FROM keys WHERE deleted_at_s IS NULL"
_SAVE_FINGERPRINT = (
    "INSERT INTO meta (name, value) VALUES ('pepper', $1) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value "
    "WHERE NOT EXISTS (SELECT 1 FROM keys WHERE deleted_at_s IS NULL)"
)
_GUARD = (
    "INSERT INTO meta (name, value) VALUES ('pepper', $1) ON CONFLICT (name) DO UPDATE SET "
    "value = excluded.value WHERE meta.value = excluded.value"
)
# Waits for a commit of first keys that is under way, so that the statement behind it sees them.
_TOUCH_FINGERPRINT = Statement("UPDATE meta SET value = value WHERE name = 'pepper'")


async def open_pepper(
    driver: Driver,
    folder: Path,
    given: str | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """The pepper of this store: `given` (hex or base64), or the folder's file, made at first.

    Raises `StorageError` when it is missing, malformed, or not the one that the keys were made
    with. Two processes that start together get the same one.
    """
    has_keys = (await driver.query(_COUNT_KEYS))[0][0] > 0
    pepper = read_pepper(folder, given)
    if not given and pepper is not None and (mode := find_open_mode(secret_path(folder))):
        logger.warning(
            "%s can be read by others (mode %03o): run chmod 600 on it", secret_path(folder), mode
        )
    if pepper is None:
        if has_keys:
            raise StorageError(
                f"{secret_path(folder)} is missing, and no key can be recognised without it: "
                "put it back, or copy it from another machine that uses this database, or give "
                "the same secret in NAGARA_SECRET"
            )
        pepper = _make_file(secret_path(folder), random_bytes(PEPPER_BYTES))
    await _check_fingerprint(driver, pepper, has_keys=has_keys)
    return pepper


def read_pepper(folder: Path, given: str | None) -> bytes | None:
    """The pepper that is there: `given`, or the folder's file; None if there is neither.

    Raises `StorageError` for one that is malformed or cannot be read.
    """
    return decode_pepper(given) if given else _read_file(secret_path(folder))


async def has_keys_of_another(driver: Driver, pepper: bytes | None) -> bool:
    """Whether the store has keys that were made with another pepper than this."""
    if (await driver.query(_COUNT_KEYS))[0][0] == 0:
        return False
    rows = await driver.query(_READ_FINGERPRINT)
    return pepper is None or rows != [(digest_key(pepper, _FINGERPRINT_OF),)]


def decode_pepper(text: str) -> bytes:
    """The bytes of a secret written as 64 hex digits or as base64; `StorageError` for others."""
    for decode in (bytes.fromhex, _decode_base64):
        with contextlib.suppress(ValueError, binascii.Error):
            pepper = decode(text.strip())
            if len(pepper) == PEPPER_BYTES:
                return pepper
    raise StorageError(
        f"NAGARA_SECRET must be {PEPPER_BYTES} bytes, as 64 hex digits or as base64: "
        "'openssl rand -hex 32' makes one"
    )


def _decode_base64(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None, validate=True)


async def _check_fingerprint(driver: Driver, pepper: bytes, *, has_keys: bool) -> None:
    fingerprint = digest_key(pepper, _FINGERPRINT_OF)
    rows = await driver.query(_READ_FINGERPRINT)
    if rows and rows[0][0] == fingerprint:
        return
    if rows and has_keys:
        raise wrong_secret()
    try:
        await driver.commit([_TOUCH_FINGERPRINT, Statement(_SAVE_FINGERPRINT, (fingerprint,), 1)])
    except ExpectationError:
        # Another process made the first keys since we looked, perhaps with the same secret.
        await check_secret(driver, pepper)


async def check_secret(driver: Driver, pepper: bytes) -> None:
    """Raise `StorageError` if the keys in the store were made with another secret."""
    if await driver.query(_READ_FINGERPRINT) != [(digest_key(pepper, _FINGERPRINT_OF),)]:
        raise wrong_secret()


def guard_secret(pepper: bytes) -> Statement:
    """Part of the commit of the first keys: it fails if another secret has come before them."""
    return Statement(_GUARD, (digest_key(pepper, _FINGERPRINT_OF),), rows_expected=1)


def wrong_secret() -> StorageError:
    """What to raise when the keys in the store were made with another secret than ours."""
    return StorageError(
        "the secret (NAGARA_SECRET, or secret.key in the data folder) is not the one that the "
        "keys in this database were made with: none would be recognised. Put the right one back; "
        "all machines that share a database need the same"
    )


def _read_file(path: Path) -> bytes | None:
    try:
        pepper = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read by this user: {error.strerror}") from error
    if len(pepper) != PEPPER_BYTES:
        raise StorageError(
            f"{path} is not a secret of ours ({len(pepper)} bytes instead of {PEPPER_BYTES}): "
            "restore it from a backup"
        )
    return pepper


def _make_file(path: Path, pepper: bytes) -> bytes:
    """Keep the pepper in a file; the content of whoever was first."""
    prepare_data_folder(path.parent)
    try:
        make_private_file(path, pepper)
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be made: {error.strerror}") from error
