"""What a new installation begins with: the account `default` and its first two keys.

All of it is one commit, so there is never an account without keys, and of two processes that start
together one makes it and the other sees that it is made.
"""

import os
from collections.abc import Callable

import msgspec

from nagara.access import RANDOM_BYTES, issue_key
from nagara.domain.catalog import KeyKind, Secret
from nagara.storage.driver import Driver, ExpectationError
from nagara.storage.keys import KEYS_CHANGED, find_account
from nagara.storage.opening import KeyTerms, open_account, open_key
from nagara.storage.secret import check_secret, guard_secret, wrong_secret

DEFAULT_ACCOUNT = "default"


class FirstKeys(msgspec.Struct, frozen=True):
    """The two secrets to print; they cannot be had again."""

    standard: Secret
    provisioning: Secret


async def open_first_account(
    driver: Driver,
    pepper: bytes,
    *,
    now_s: int,
    opening_grant_nano: int,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> FirstKeys | None:
    """Make the account `default` with a standard and a provisioning key; None if it is there.

    Raises `StorageError` if it was made with another secret.
    """
    if await find_account(driver, DEFAULT_ACCOUNT) is not None:
        # It may have been made since our secret was looked at.
        await check_secret(driver, pepper)
        return None
    standard = issue_key(KeyKind.STANDARD, random_bytes(RANDOM_BYTES), pepper)
    provisioning = issue_key(KeyKind.PROVISIONING, random_bytes(RANDOM_BYTES), pepper)
    try:
        await driver.commit(
            [
                *open_account(DEFAULT_ACCOUNT, now_s, opening_grant_nano),
                *open_key(DEFAULT_ACCOUNT, standard, KeyTerms(name="first"), now_s),
                *open_key(DEFAULT_ACCOUNT, provisioning, KeyTerms(name="provisioning"), now_s),
                KEYS_CHANGED,
                guard_secret(pepper),
            ]
        )
    except ExpectationError as error:
        # Either another process has made it, which is fine, or one with another secret begins.
        if await find_account(driver, DEFAULT_ACCOUNT) is None:
            raise wrong_secret() from error
        await check_secret(driver, pepper)
        return None
    return FirstKeys(standard.secret, provisioning.secret)
