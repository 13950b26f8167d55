"""Accounts, keys, the catalogue, the pepper and the first start, over each driver."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from nagara.access import IssuedKey, issue_key
from nagara.domain.catalog import Account, Catalogue, Key, KeyKind, Model, Offer, Operation, Startup
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter
from nagara.storage.catalogue import load_catalogue, save_catalogue
from nagara.storage.data_folder import secret_path
from nagara.storage.driver import Driver, ExpectationError, Statement, StorageError
from nagara.storage.first_start import FirstKeys, open_first_account
from nagara.storage.keys import (
    KeyChanges,
    change_key,
    create_account,
    create_key,
    delete_key,
    find_account,
    find_key,
    load_accounts,
    load_keys,
    load_revision,
)
from nagara.storage.opening import KeyTerms
from nagara.storage.secret import open_pepper

Opener = Callable[[], Awaitable[Driver]]
PEPPER = b"p" * 32


def issue(kind: KeyKind = KeyKind.STANDARD) -> IssuedKey:
    return issue_key(kind, os.urandom(32), PEPPER)


async def make_account(driver: Driver, name: str = "acme") -> Account:
    account = await create_account(driver, name, created_at_s=5, opening_grant_nano=2**62)
    assert account is not None
    return account


async def make_key(driver: Driver, account: Account | None = None, name: str = "ci") -> Key:
    account = account or await make_account(driver)
    return await create_key(driver, account, issue(), KeyTerms(name=name), 7)


async def test_account_is_found_as_it_was_made(driver: Driver) -> None:
    account = await make_account(driver)
    assert await find_account(driver, "acme") == account
    assert await load_accounts(driver) == [account]
    assert await find_account(driver, "other") is None


async def test_second_account_of_a_name_is_refused(driver: Driver) -> None:
    await make_account(driver)
    assert await create_account(driver, "acme", created_at_s=1, opening_grant_nano=0) is None
    assert len(await load_accounts(driver)) == 1


@pytest.mark.parametrize(
    "terms",
    [
        KeyTerms(name="plain"),
        KeyTerms(
            name="ключ",
            expires_at_s=2**40,
            credit_limit_nano=2**63 - 1,
            allowed_models=frozenset({"a", "b:free"}),
        ),
        KeyTerms(name="none", credit_limit_nano=0, allowed_models=frozenset()),
    ],
)
async def test_key_is_found_as_it_was_made(driver: Driver, terms: KeyTerms) -> None:
    account = await make_account(driver)
    key = await create_key(driver, account, issue(KeyKind.TEST), terms, 7)
    assert await find_key(driver, key.id) == key
    assert await load_keys(driver) == [key]
    assert key.allowed_models == terms.allowed_models


async def test_key_of_no_account_is_refused(driver: Driver) -> None:
    with pytest.raises(ExpectationError):
        await create_key(driver, Account(9, "ghost", 0, 0), issue(), KeyTerms(name="x"), 7)
    assert await load_keys(driver) == []


async def test_changes_touch_only_what_they_name_and_none_takes_a_bound_away(
    driver: Driver,
) -> None:
    account = await make_account(driver)
    terms = KeyTerms(
        name="ci", expires_at_s=99, credit_limit_nano=5, allowed_models=frozenset({"a"})
    )
    key = await create_key(driver, account, issue(), terms, 7)
    off = await change_key(driver, key.id, KeyChanges(is_enabled=False))
    assert off is not None
    assert (off.is_enabled, off.expires_at_s, off.credit_limit_nano) == (False, 99, 5)
    free = await change_key(
        driver,
        key.id,
        KeyChanges(name="cd", expires_at_s=None, credit_limit_nano=None, allowed_models=None),
    )
    assert free is not None
    assert (free.name, free.is_enabled, free.digest) == ("cd", False, key.digest)
    assert (free.expires_at_s, free.credit_limit_nano, free.allowed_models) == (None, None, None)


async def test_no_changes_are_no_change(driver: Driver) -> None:
    key = await make_key(driver)
    revision = await load_revision(driver)
    assert await change_key(driver, key.id, KeyChanges()) == key
    assert await load_revision(driver) == revision


async def test_deleted_key_is_gone_for_every_reader_but_its_row_stays(driver: Driver) -> None:
    key = await make_key(driver)
    assert await delete_key(driver, key.id, now_s=8)
    assert not await delete_key(driver, key.id, now_s=9)
    assert await find_key(driver, key.id) is None
    assert await load_keys(driver) == []
    assert await change_key(driver, key.id, KeyChanges(is_enabled=True)) is None
    rows = await driver.query("SELECT name, digest, deleted_at_s FROM keys")
    assert rows == [("ci", None, 8)]


async def test_id_of_a_deleted_key_is_not_given_again(driver: Driver) -> None:
    account = await make_account(driver)
    first = await make_key(driver, account)
    await delete_key(driver, first.id, now_s=8)
    assert (await make_key(driver, account)).id > first.id


@pytest.mark.parametrize("key_id", [0, -1, 999, 2**63, 10**40])
async def test_unknown_id_is_no_key(driver: Driver, key_id: int) -> None:
    assert await find_key(driver, key_id) is None
    assert await change_key(driver, key_id, KeyChanges(name="x")) is None
    assert not await delete_key(driver, key_id, now_s=8)


async def test_an_account_reaches_its_own_keys_alone(driver: Driver) -> None:
    mine, theirs = await make_account(driver, "mine"), await make_account(driver, "theirs")
    key = await make_key(driver, theirs)
    assert await find_key(driver, key.id, account_id=mine.id) is None
    changes = KeyChanges(is_enabled=False)
    assert await change_key(driver, key.id, changes, account_id=mine.id) is None
    assert not await delete_key(driver, key.id, now_s=8, account_id=mine.id)
    assert await load_keys(driver, account_id=mine.id) == []
    assert await load_keys(driver, account_id=theirs.id) == [key]


async def test_every_change_of_keys_counts_up_their_revision(driver: Driver) -> None:
    revisions = [await load_revision(driver)]
    account = await make_account(driver)
    revisions.append(await load_revision(driver))
    key = await make_key(driver, account)
    revisions.append(await load_revision(driver))
    await change_key(driver, key.id, KeyChanges(name="x"))
    revisions.append(await load_revision(driver))
    await delete_key(driver, key.id, now_s=8)
    revisions.append(await load_revision(driver))
    assert revisions == [0, 1, 2, 3, 4]


def catalogue(built_at_s: int) -> Catalogue:
    offer = Offer("openai", "m-1", (RateCard(rates_pico={Meter.INPUT: 37_500}),))
    model = Model(
        id="m",
        startup="s",
        display_name="M",
        operations=(Operation.CHAT,),
        aliases=("latest",),
        prices=(RateCard(rates_pico={Meter.OUTPUT: 2**62, Meter.CACHE_READ: 0}),),
        offers=(offer,),
    )
    return Catalogue(built_at_s, "test", (model,), (Startup("s", "S"),))


async def test_catalogue_is_kept_whole_and_the_newest_wins(driver: Driver) -> None:
    assert await load_catalogue(driver) is None
    assert await save_catalogue(driver, catalogue(10))
    assert not await save_catalogue(driver, catalogue(9))
    assert await load_catalogue(driver) == catalogue(10)
    assert await save_catalogue(driver, catalogue(11))
    assert await load_catalogue(driver) == catalogue(11)


async def test_catalogue_that_cannot_be_read_counts_as_absent(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    insert = "INSERT INTO catalogues (name, built_at_s, document) VALUES ('models.2', 1, $1)"
    await driver.commit([Statement(insert, (b'{"models": 3}',))])
    assert await load_catalogue(driver) is None
    assert "rebuilt" in caplog.text


async def test_first_start_makes_an_account_with_two_working_keys(driver: Driver) -> None:
    first = await open_first_account(driver, PEPPER, now_s=7, opening_grant_nano=3)
    assert first is not None
    assert [a.balance_nano for a in await load_accounts(driver)] == [3]
    kinds = {key.digest: key.kind for key in await load_keys(driver)}
    assert set(kinds.values()) == {KeyKind.STANDARD, KeyKind.PROVISIONING}
    assert first.standard.reveal().startswith("ng-")
    assert first.provisioning.reveal().startswith("ng-prov-")
    assert await open_first_account(driver, PEPPER, now_s=8, opening_grant_nano=10**11) is None


async def test_first_starts_together_make_one_account(open_driver: Opener) -> None:
    drivers = [await open_driver() for _ in range(4)]
    made = await asyncio.gather(
        *(open_first_account(d, PEPPER, now_s=7, opening_grant_nano=10**11) for d in drivers)
    )
    assert sum(first is not None for first in made) == 1
    assert len(await load_accounts(drivers[0])) == 1
    assert len(await load_keys(drivers[0])) == 2
    for driver in drivers:
        await driver.close()


async def test_pepper_is_made_once_and_kept_private(driver: Driver, tmp_path: Path) -> None:
    pepper = await open_pepper(driver, tmp_path)
    assert len(pepper) == 32
    assert secret_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert await open_pepper(driver, tmp_path) == pepper


async def test_peppers_made_together_are_one(driver: Driver, tmp_path: Path) -> None:
    peppers = await asyncio.gather(*(open_pepper(driver, tmp_path) for _ in range(8)))
    assert len(set(peppers)) == 1
    assert [name for name in os.listdir(tmp_path) if "secret" in name] == ["secret.key"]


@pytest.mark.parametrize(
    "given",
    ["00" * 31 + "ff", "00" * 31 + "FF\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8="],
)
async def test_given_pepper_is_taken_and_no_file_is_made(
    driver: Driver, tmp_path: Path, given: str
) -> None:
    assert await open_pepper(driver, tmp_path, given) == bytes(31) + b"\xff"
    assert not secret_path(tmp_path).exists()


async def test_missing_pepper_is_an_error_once_there_are_keys(
    driver: Driver, tmp_path: Path
) -> None:
    await open_pepper(driver, tmp_path)
    secret_path(tmp_path).unlink()
    await open_pepper(driver, tmp_path)
    await make_key(driver)
    secret_path(tmp_path).unlink()
    with pytest.raises(StorageError, match=r"secret\.key is missing"):
        await open_pepper(driver, tmp_path)
    assert not secret_path(tmp_path).exists()


async def test_wrong_pepper_is_an_error_once_there_are_keys(driver: Driver, tmp_path: Path) -> None:
    await open_pepper(driver, tmp_path)
    await make_key(driver)
    with pytest.raises(StorageError, match="not the one"):
        await open_pepper(driver, tmp_path, "ab" * 32)


async def test_pepper_that_others_can_read_is_warned_of(
    driver: Driver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pepper = await open_pepper(driver, tmp_path)
    secret_path(tmp_path).chmod(0o644)
    assert await open_pepper(driver, tmp_path) == pepper
    assert "chmod 600" in caplog.text


async def test_secret_that_another_overtook_before_the_first_keys_is_refused(
    driver: Driver, tmp_path: Path
) -> None:
    ours = await open_pepper(driver, tmp_path / "ours")
    theirs = await open_pepper(driver, tmp_path / "theirs")
    assert await open_first_account(driver, theirs, now_s=1, opening_grant_nano=0)
    with pytest.raises(StorageError, match="not the one"):
        await open_first_account(driver, ours, now_s=1, opening_grant_nano=0)
    assert await open_first_account(driver, theirs, now_s=1, opening_grant_nano=0) is None


async def test_of_two_secrets_that_begin_together_one_is_refused(
    open_driver: Opener, tmp_path: Path
) -> None:
    async def begin(name: str) -> FirstKeys | None:
        driver = await open_driver()
        try:
            pepper = await open_pepper(driver, tmp_path / name)
            return await open_first_account(driver, pepper, now_s=1, opening_grant_nano=0)
        finally:
            await driver.close()

    results = await asyncio.gather(*(begin(name) for name in "abcd"), return_exceptions=True)
    assert sum(isinstance(result, FirstKeys) for result in results) == 1, results
    refused = [str(result) for result in results if isinstance(result, StorageError)]
    assert len(refused) == 3, results
    # Whoever came when there were keys already misses its file, the others have another one.
    assert all("secret" in text for text in refused), refused
