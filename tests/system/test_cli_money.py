"""`nagara accounts`, `credits` and `ledger`: real processes on a real folder."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nagara.cli import main
from nagara.domain.limits import RateLimits
from nagara.storage.data_folder import database_path
from nagara.storage.grants import expire_grants
from nagara.storage.sqlite import SqliteDriver
from tests.system.test_cli_keys import Shell

LIMITS = RateLimits.__struct_fields__


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "data")
    shell.ok("accounts", "create", "acme", "--grant", "5")
    return shell


def balance(shell: Shell, name: str = "acme") -> str:
    return str(shell.json("accounts", "show", name)["balance"])


def test_account_is_made_listed_renamed_and_marked_up(shell: Shell) -> None:
    made = shell.json("accounts", "create", "beta", "--markup", "12.5")
    created_at = made.pop("created_at")
    assert made == {
        "id": 2,
        "name": "beta",
        "balance": "0.00",
        "held": "0.00",
        "available": "0.00",
        "markup_percent": 12.5,
        "limits": dict.fromkeys(LIMITS),
    }
    assert shell.json("accounts", "rename", "beta", "gamma")["name"] == "gamma"
    assert shell.json("accounts", "set-markup", "gamma", "0.0001%")["markup_percent"] == 0.0001
    shell.ok("accounts", "set-markup", "gamma", "none")
    listed = shell.json("accounts", "list")["accounts"]
    assert [account["name"] for account in listed] == ["acme", "gamma"]
    assert listed[1]["markup_percent"] is None
    assert listed[1]["created_at"] == created_at
    table = shell.ok("accounts", "list")
    assert table.splitlines()[1].split()[:3] == ["1", "acme", "$5.00"]


def test_markup_may_be_a_discount_that_leaves_something_to_pay(shell: Shell) -> None:
    set_markup = ("accounts", "set-markup", "acme")
    assert shell.json(*set_markup, "-12.5")["markup_percent"] == -12.5
    assert shell.json(*set_markup, "-99.9999")["markup_percent"] == -99.9999
    for percent in ("-100", "-250", "1000001", "1e3", "--5", "nan"):
        assert percent in shell.error(2, *set_markup, percent)
    assert shell.json("accounts", "show", "acme")["markup_percent"] == -99.9999
    connection = sqlite3.connect(database_path(shell.folder))
    with pytest.raises(sqlite3.IntegrityError), connection:
        connection.execute("UPDATE accounts SET markup_ppm = -1000000")
    connection.close()


def test_rates_of_an_account_are_set_one_by_one(shell: Shell) -> None:
    limit = ("accounts", "limit", "acme")
    assert shell.json(*limit, "--requests-per-minute", "60")["limits"] == {
        **dict.fromkeys(LIMITS),
        "requests_per_minute": 60,
    }
    told = shell.ok(*limit, "--tokens-per-minute", "9", "--requests-in-flight", "0")
    assert "60 requests per minute, 9 tokens per minute, any requests in flight" in told
    told = shell.ok(*limit, "--requests-per-minute", "1", "--requests-in-flight", "1")
    assert "1 request per minute, 9 tokens per minute, 1 request in flight" in told
    shell.ok(*limit, *(part for name in LIMITS for part in (_option(name), "default")))
    assert shell.json("accounts", "show", "acme")["limits"] == dict.fromkeys(LIMITS)
    assert "nothing to change" in shell.error(2, *limit)
    assert "whole number" in shell.error(2, *limit, "--requests-per-minute", "-1")
    assert "there is no account" in shell.error(
        1, "accounts", "limit", "nobody", "--requests-per-minute", "1"
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def test_amounts_of_errors_are_in_dollars(shell: Shell) -> None:
    message = shell.error(1, "credits", "adjust", "-5.000000001", "--account", "acme")
    assert "$5.000000001 is more than the $5.00 that is available" in message


def test_name_that_is_taken_or_kept_is_refused(shell: Shell) -> None:
    shell.ok("accounts", "create", "beta")
    assert "already" in shell.error(1, "accounts", "create", "beta")
    assert "already" in shell.error(1, "accounts", "rename", "beta", "acme")
    assert "keeps its name" in shell.error(1, "accounts", "rename", "default", "x")
    assert "there is 'acme', 'beta'" in shell.error(1, "accounts", "show", "nobody")


def test_credit_with_an_id_is_added_once(shell: Shell) -> None:
    for _ in range(2):
        told = shell.json("credits", "add", "12.50", "--account", "acme", "--id", "invoice-7")
        assert (told["id"], told["amount"], told["balance"]) == ("invoice-7", "12.50", "17.50")
    assert "another movement" in shell.error(
        1, "credits", "add", "13", "--account", "acme", "--id", "invoice-7"
    )
    for _ in range(2):
        shell.ok("credits", "add", "1", "--account", "acme")
    assert balance(shell) == "19.50"


def test_movement_that_was_made_before_is_told_from_one_that_is_made_now(shell: Shell) -> None:
    add = ("credits", "add", "12.50", "--account", "acme", "--id", "invoice-7")
    first = "Added $12.50 to 'acme' (id invoice-7); the balance is $17.50.\n"
    assert shell.ok(*add) == first
    again = shell.ok(*add)
    assert again.startswith("Nothing to do: added $12.50 to 'acme' at 2")
    assert again.endswith("the balance is $17.50.\n")
    assert shell.json(*add)["is_repetition"] is True
    assert shell.json("credits", "grant", "1", "--account", "acme")["is_repetition"] is False


def test_correction_in_the_other_direction_is_not_the_same_one(shell: Shell) -> None:
    adjust = ("credits", "adjust", "--account", "acme", "--id", "fix")
    told = shell.ok(*adjust, "-2")
    assert told == "Corrected the balance of 'acme' by -$2.00 (id fix); the balance is $3.00.\n"
    assert "another movement" in shell.error(1, *adjust, "2")
    assert balance(shell) == "3.00"


def test_balance_is_corrected_both_ways_and_never_below_zero(shell: Shell) -> None:
    shell.ok("credits", "adjust", "0.000000001", "--account", "acme")
    shell.ok("credits", "adjust", "-2.50", "--account", "acme", "--note", "double entry")
    assert balance(shell) == "2.500000001"
    assert "more than" in shell.error(1, "credits", "adjust", "-2.6", "--account", "acme")
    assert balance(shell) == "2.500000001"
    newest = shell.json("credits", "list", "--account", "acme")["transactions"][0]
    assert (newest["type"], newest["amount"], newest["note"]) == (
        "adjustment",
        "-2.50",
        "double entry",
    )


def test_grant_ends_when_it_was_said_to(shell: Shell) -> None:
    shell.ok("credits", "grant", "3", "--expires", "2999-01-31", "--account", "acme")
    shell.ok("credits", "grant", "2", "--account", "acme")
    rows = shell.json("credits", "list", "--account", "acme")["transactions"]
    assert [row["expires_at"] for row in rows] == [None, "2999-01-31T00:00:00Z", None]
    table = shell.ok("credits", "list", "--account", "acme").splitlines()
    assert [line.split()[2:4] for line in table[1:]] == [
        ["+$2.00", "-"],
        ["+$3.00", "2999-01-31T00:00Z"],
        ["+$5.00", "-"],
    ]
    assert balance(shell) == "10.00"

    async def expire() -> int:
        driver = await SqliteDriver.open(database_path(shell.folder))
        try:
            return await expire_grants(driver, 32_503_680_000)
        finally:
            await driver.close()

    assert asyncio.run(expire()) == 3 * 10**9
    assert balance(shell) == "7.00"
    shell.ok("ledger", "verify")


def test_what_came_and_went_is_listed_newest_first(shell: Shell) -> None:
    shell.ok("credits", "add", "1", "--account", "acme", "--note", "first")
    shell.ok("credits", "add", "2", "--account", "acme", "--note", "second")
    header, newest, *rest = shell.ok("credits", "list", "--account", "acme").splitlines()
    assert header.split() == ["WHEN", "TYPE", "AMOUNT", "EXPIRES", "NOTE", "ID"]
    assert newest.split()[2:5] == ["+$2.00", "-", "second"]
    assert len(rest) == 2
    only = shell.json("credits", "list", "--account", "acme", "--limit", "1")["transactions"]
    assert len(only) == 1


def test_more_than_64_bits_is_refused_and_nothing_half_done(shell: Shell) -> None:
    message = shell.error(1, "credits", "add", "9223372036", "--account", "acme")
    assert "beyond" in message
    assert balance(shell) == "5.00"
    assert shell.json("ledger", "verify")["ok"] is True


def test_refund_of_no_request_says_so(shell: Shell) -> None:
    assert "no request 'req_1'" in shell.error(1, "credits", "refund", "req_1")


def test_ledger_that_agrees_is_code_0_and_one_that_does_not_is_code_1_with_words(
    shell: Shell,
) -> None:
    assert shell.ok("ledger", "verify").startswith("The ledger agrees with itself: 1 account, ")
    connection = sqlite3.connect(database_path(shell.folder))
    with connection:
        connection.execute(
            "UPDATE ledger_accounts SET credits_nano = credits_nano + 7 WHERE kind = 'customer'"
        )
    connection.close()
    done = shell.run("ledger", "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert "customer 1 has 5000000007, and should have 5000000000" in done.stderr
    found = shell.run("ledger", "verify", "--json")
    assert found.returncode == 1
    assert '"ok": false' in found.stdout


def test_file_of_a_newer_version_is_refused_by_every_command_and_left_alone(
    shell: Shell,
) -> None:
    with closing(sqlite3.connect(database_path(shell.folder))) as connection, connection:
        connection.execute(
            "INSERT INTO schema_versions SELECT version + 1000, 'later', applied_at_s "
            "FROM schema_versions WHERE version = 1"
        )
    before = dump(shell)
    for words in (["credits", "add", "5"], ["ledger", "verify"], ["serve", "--port", "0"]):
        assert "was written by a newer nagara" in shell.error(1, *words)
    assert dump(shell) == before


def dump(shell: Shell) -> list[str]:
    """All that is in the file."""
    with closing(sqlite3.connect(database_path(shell.folder))) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["credits", "add", "1e3"], "such as 12.50"),
        (["credits", "add", "nan"], "such as 12.50"),
        (["credits", "add", "inf"], "such as 12.50"),
        (["credits", "add", "٣"], "such as 12.50"),
        (["credits", "add", "9" * 5000], f"'{'9' * 40}…' is more than"),
        (["credits", "add", "0"], "above zero"),
        (["credits", "add", "--", "-3"], "negative"),
        (["credits", "add", "0.0000000001"], "9 decimal places"),
        (["credits", "add", "9" * 18], "more than the ledger can hold"),
        (["credits", "add", "1", "--id", ""], "printable"),
        (["credits", "add", "1", "--note", "a\nb"], "printable"),
        (["credits", "grant", "1", "--expires", "2020-01-01"], "not in the future"),
        (["credits", "adjust", "0"], "above or below zero"),
        (["credits", "adjust", "-1e3"], "such as 12.50"),
        (["credits", "refund", "x", "--amount", "0"], "above zero"),
        (["accounts", "create", ""], "1 to 255"),
        (["accounts", "create", "x", "--grant", "-1"], "negative"),
        (["accounts", "set-markup", "x", "-100"], "above -100"),
        (["accounts", "create", "x", "--markup", "-100"], "above -100"),
        (["accounts", "set-markup", "x", "--percent=5"], "percentage"),
        (["accounts", "set-markup", "x", "1e3"], "percentage"),
        (["accounts", "set-markup", "x", "1000001"], "1000000 percent"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("NAGARA_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["nagara", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    out, message = capsys.readouterr()
    assert (caught.value.code, out, message.count("\n")) == (2, "", 1)
    assert said in message
    assert not (tmp_path / "data").exists()
