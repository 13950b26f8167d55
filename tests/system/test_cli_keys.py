"""`nagara keys`, as a person or a script runs it: real processes on a real folder."""

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nagara.access import authenticate, is_well_formed
from nagara.cli import main
from nagara.domain.catalog import Catalogue, KeyKind, Snapshot
from nagara.domain.errors import GatewayError
from nagara.storage.data_folder import database_path, secret_path
from nagara.storage.keys import load_accounts, load_keys, load_revision
from nagara.storage.rotation import load_retired
from nagara.storage.sqlite import SqliteDriver

Done = subprocess.CompletedProcess[str]


class Shell:
    """Runs the command on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {name: v for name, v in os.environ.items() if not name.startswith("NAGARA_")}
        self.environ = {**inherited, "NAGARA_DATA": str(folder)}

    def run(self, *words: str | bytes, **environ: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "nagara", *words],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def ok(self, *words: str | bytes) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return msgspec.json.decode(self.ok(*words, "--json"))

    def error(self, code: int, *words: str | bytes, **environ: str) -> str:
        """The one line that a failure is told in."""
        done = self.run(*words, **environ)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.startswith("nagara: ")
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")


async def snapshot(folder: Path) -> Snapshot:
    driver = await SqliteDriver.open(database_path(folder))
    loaded = await load_keys(driver)
    keys = {key.digest: key for key in [*loaded, *await load_retired(driver, loaded)]}
    accounts = {account.id: account for account in await load_accounts(driver)}
    await driver.close()
    catalogue = Catalogue(0, "", (), ())
    return Snapshot(keys=keys, accounts=accounts, catalogue=catalogue, routes={}, sandbox={})


async def recognise(folder: Path, secret: str) -> KeyKind:
    pepper = secret_path(folder).read_bytes()
    headers = [(b"x-api-key", secret.encode())]
    return authenticate(headers, await snapshot(folder), pepper, 0).kind


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ([], KeyKind.STANDARD),
        (["--provisioning"], KeyKind.PROVISIONING),
        (["--test"], KeyKind.TEST),
    ],
)
async def test_created_key_is_alone_on_stdout_and_is_recognised(
    shell: Shell, flags: list[str], kind: KeyKind
) -> None:
    done = shell.run("keys", "create", "ci", *flags)
    secret = done.stdout.removesuffix("\n")
    assert is_well_formed(secret)
    assert f"curl http://127.0.0.1:8080/v1/{'account' if kind == 'provisioning' else 'resp'}" in (
        done.stderr
    )
    assert await recognise(shell.folder, secret) is kind


async def test_switching_off_and_deleting_stops_a_key(shell: Shell) -> None:
    secret = shell.ok("keys", "create", "ci").strip()
    assert shell.ok("keys", "disable", "1") == "Disabled key 1, 'ci'.\n"
    with pytest.raises(GatewayError, match="disabled"):
        await recognise(shell.folder, secret)
    shell.ok("keys", "enable", "ci")
    assert await recognise(shell.folder, secret) is KeyKind.STANDARD
    shell.ok("keys", "delete", "1", "--yes")
    with pytest.raises(GatewayError, match="not known"):
        await recognise(shell.folder, secret)


async def test_gateway_that_runs_notices_what_the_command_did(shell: Shell) -> None:
    shell.ok("keys", "create", "ci")
    driver = await SqliteDriver.open(database_path(shell.folder))
    watch = aiter(driver.watch())
    await anext(watch)
    revision = await load_revision(driver)
    await asyncio.to_thread(shell.ok, "keys", "disable", "ci")
    async with asyncio.timeout(1):
        await anext(watch)
    assert await load_revision(driver) == revision + 1
    assert [key.is_enabled for key in await load_keys(driver)] == [False]
    await driver.close()


def test_json_has_every_term_of_the_key_and_the_secret_once(shell: Shell) -> None:
    made = shell.json(
        *("keys", "create", "ci", "--expires", "2999-01-31", "--models", "b, a,"),
        *("--credit-limit", "0.000000001", "--limit-period", "day"),
        *("--requests-per-minute", "5", "--requests-in-flight", "0"),
    )
    assert is_well_formed(made.pop("key"))
    created_at, hint = made.pop("created_at"), made.pop("hint")
    resets_at = made["limits"]["credit"]["resets_at"]
    assert resets_at.endswith("T00:00:00Z")
    assert made == {
        "id": 1,
        "name": "ci",
        "kind": "standard",
        "account": "default",
        "expires_at": "2999-01-31T00:00:00Z",
        "is_enabled": True,
        "credit_limit": 1e-9,
        "credit_limit_period": "day",
        "spent": "0.00",
        "allowed_models": ["a", "b"],
        "limits": {
            "credit": {
                "amount": "0.000000001",
                "period": "day",
                "remaining": "0.000000001",
                "resets_at": resets_at,
            },
            "requests_per_minute": 5,
            "tokens_per_minute": None,
            "requests_in_flight": 0,
        },
    }
    shown = shell.json("keys", "show", "ci")
    assert shown == {**made, "created_at": created_at, "hint": hint}
    assert shell.json("keys", "list") == {"keys": [shown]}
    assert shell.json("keys", "disable", "1") == {"keys": [{**shown, "is_enabled": False}]}
    assert shell.json("keys", "delete", "1", "--yes") == {"deleted": [1]}
    assert shell.json("keys", "list") == {"keys": []}


def test_limits_are_changed_one_by_one(shell: Shell) -> None:
    shell.ok("keys", "create", "ci", "--requests-per-minute", "5")
    said = shell.ok("keys", "limit", "ci", "--tokens-per-minute", "700")
    assert "ci" in said
    rates = {"requests_per_minute": 5, "tokens_per_minute": 700, "requests_in_flight": None}
    limits = {"credit": None, **rates}
    assert shell.json("keys", "show", "ci")["limits"] == limits
    changed = shell.json("keys", "limit", "1", "--requests-per-minute", "default")["keys"]
    assert [key["limits"] for key in changed] == [{**limits, "requests_per_minute": None}]
    assert "700 tokens per minute" in shell.ok("keys", "show", "ci")


def test_what_a_key_may_spend_and_use_is_changed_and_taken_away(shell: Shell) -> None:
    shell.ok("keys", "create", "ci", "--requests-per-minute", "5")
    (bound,) = shell.json(
        *("keys", "limit", "ci", "--credit-limit", "2.50", "--limit-period", "week"),
        *("--models", "a,b", "--expires", "2999-01-31"),
    )["keys"]
    assert (bound["credit_limit"], bound["credit_limit_period"]) == (2.5, "week")
    assert bound["allowed_models"] == ["a", "b"]
    assert bound["expires_at"] == "2999-01-31T00:00:00Z"
    assert bound["limits"]["requests_per_minute"] == 5
    (free,) = shell.json(
        *("keys", "limit", "ci", "--credit-limit", "none", "--models", "any"),
        *("--expires", "never"),
    )["keys"]
    assert (free["credit_limit"], free["allowed_models"], free["expires_at"]) == (None, None, None)


def test_limits_of_calls_are_refused_for_a_key_that_makes_none_and_change_no_other(
    shell: Shell,
) -> None:
    shell.ok("keys", "create", "ci")
    shell.ok("keys", "create", "ops", "--provisioning")
    assert "'ops', is a provisioning key" in shell.error(
        1, "keys", "limit", "ci", "ops", "--credit-limit", "1"
    )
    assert shell.json("keys", "show", "ci")["credit_limit"] is None
    shell.ok("keys", "limit", "ops", "--expires", "30d")


async def test_rotated_key_is_the_same_key_and_its_former_secret_works_on_for_a_while(
    shell: Shell,
) -> None:
    secrets = [shell.ok("keys", "create", "ci").strip()]
    for overlap in ("7d", "0"):
        done = shell.run("keys", "rotate", "ci", "--overlap", overlap)
        assert done.returncode == 0, done.stderr
        secrets.append(done.stdout.strip())
    first, second, third = secrets
    assert await recognise(shell.folder, first) is KeyKind.STANDARD
    assert await recognise(shell.folder, third) is KeyKind.STANDARD
    with pytest.raises(GatewayError, match="not known"):
        # It was replaced without an overlap.
        await recognise(shell.folder, second)
    assert [key["id"] for key in shell.json("keys", "list")["keys"]] == [1]


def test_list_is_plain_aligned_text_when_piped_and_shows_no_secret(shell: Shell) -> None:
    secrets = [shell.ok("keys", "create", name).strip() for name in ("ci", "[red]été")]
    shell.ok("keys", "disable", "ci")
    text = shell.ok("keys", "list")
    header, first, second = text.splitlines()
    at = header.index("STATE")
    assert first[at:].startswith("disabled")
    assert second[at:].startswith("enabled")
    assert "\x1b" not in text
    assert not any(secret in text for secret in secrets)


def test_list_is_a_table_on_a_terminal(shell: Shell) -> None:
    shell.ok("keys", "create", "[red]ci")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "nagara", "keys", "list"]
    environ = shell.environ | {"TERM": "xterm", "COLUMNS": "160"}
    with subprocess.Popen(command, env=environ, stdout=slave, stdin=slave) as child:
        assert child.wait() == 0
    text = os.read(master, 65536).decode()
    os.close(slave)
    os.close(master)
    assert "[red]ci" in text
    assert "─" in text


def test_before_the_first_start_one_is_told_how_to_begin(shell: Shell) -> None:
    for words in (["list"], ["show", "1"], ["disable", "1"], ["delete", "1", "--yes"]):
        assert "'nagara serve' or 'nagara keys create NAME'" in shell.error(1, "keys", *words)
    assert not shell.folder.exists()


def test_data_folder_is_the_options_or_the_environments(shell: Shell, tmp_path: Path) -> None:
    shell.ok("keys", "create", "ci", "--data", str(tmp_path / "other"))
    assert not shell.folder.exists()
    shell.run("keys", "create", "ci", NAGARA_DATA="", XDG_DATA_HOME=str(tmp_path / "xdg"))
    assert database_path(tmp_path / "xdg" / "nagara").exists()


def test_data_folder_may_be_the_configuration_files(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text(f'[server]\ndata = "{tmp_path / "filed"}"\n')
    shell.run("keys", "create", "ci", "--config", str(file), NAGARA_DATA="")
    assert database_path(tmp_path / "filed").exists()
    file.write_text("nonsense")
    message = shell.error(1, "keys", "list", "--config", str(file), NAGARA_DATA="")
    assert "some.toml" in message


def test_name_that_several_keys_have_is_not_guessed(shell: Shell) -> None:
    for _ in range(2):
        shell.ok("keys", "create", "ci")
    assert "give an id (1, 2)" in shell.error(1, "keys", "delete", "ci", "--yes")


def test_nothing_is_changed_when_one_key_is_unknown(shell: Shell) -> None:
    shell.ok("keys", "create", "ci")
    assert "no key '7'" in shell.error(1, "keys", "disable", "1", "7")
    assert shell.json("keys", "show", "1")["is_enabled"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create"], "Missing argument 'NAME'"),
        (["create", " "], "1 to 255"),
        (["create", "a\nb"], "1 to 255"),
        (["create", b"\xff"], "1 to 255"),
        (["create", "x" * 256], "1 to 255"),
        (["create", "a", "--expires", "2020-01-01"], "not in the future"),
        (["create", "a", "--expires", "999999w"], "after the year 9999"),
        (["create", "a", "--expires", "soon"], "30d"),
        (["create", "a", "--expires", "9" * 5000 + "d"], "30d"),
        (["create", "a", "--expires", "0001-01-01T00:00+23:00"], "not in the future"),
        (["create", "a", "--credit-limit", "-1"], "negative"),
        (["create", "a", "--credit-limit", "1e9"], "such as 12.50"),
        (["create", "a", "--credit-limit", "nan"], "such as 12.50"),
        (["create", "a", "--credit-limit", "9" * 5000], "more than the ledger can hold"),
        (["create", "a", "--credit-limit", "9" * 18], "more than the ledger can hold"),
        (["create", "a", "--models", ","], "list of models"),
        (["create", "a", "--models", b"\xff"], "list of models"),
        (["create", "a", "--provisioning", "--test"], "one of the two"),
        (["create", "a", "--provisioning", "--models", "x"], "calls no models"),
        (["create", "a", "--provisioning", "--requests-in-flight", "1"], "calls no models"),
        (["create", "a", "--requests-per-minute", "-1"], "whole number"),
        (["create", "a", "--tokens-per-minute", "1e3"], "whole number"),
        (["create", "a", "--requests-in-flight", "9" * 5000], "whole number"),
        (["limit", "a"], "nothing to change"),
        (["limit", "a", "--credit-limit", "-1"], "negative"),
        (["limit", "a", "--models", ","], "list of models"),
        (["rotate", "a", "--overlap", "1y"], "no span such as"),
        (["rotate", "a", "--overlap", "31d"], "more than 30 days"),
        (["rotate"], "Missing argument"),
        (["limit", "--requests-per-minute", "1"], "Missing argument"),
        (["show"], "Missing argument"),
        (["frobnicate"], "No such command"),
        (["list", "--colour"], "No such option"),
        (["list", "--data", "/etc/passwd"], "is a file"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str | bytes],
    said: str,
) -> None:
    # In this process, because a new one for each line of the table would take seconds.
    folder = tmp_path / "data"
    monkeypatch.setenv("NAGARA_DATA", str(folder))
    monkeypatch.setattr(sys, "argv", ["nagara", "keys", *map(os.fsdecode, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, message = capsys.readouterr()
    assert (caught.value.code, out, message.count("\n")) == (2, "", 1)
    assert said in message
    assert "--help'" in message
    assert not folder.exists()


def test_account_that_the_first_key_makes_opens_as_the_settings_say(shell: Shell) -> None:
    done = shell.run("keys", "create", "ci", NAGARA_OPENING_GRANT_USD="2.50")
    assert done.returncode == 0, done.stderr
    assert shell.json("accounts", "list")["accounts"][0]["balance"] == "2.50"


def test_key_for_a_model_that_nobody_knows_is_made_with_a_warning(shell: Shell) -> None:
    words = ("keys", "create", "ci", "--models", "gpt-4.1-mimi,gpt-4.1")
    done = shell.run(*words)
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "'gpt-4.1-mimi'; did you mean gpt-4.1-mini" in warnings[0]


def test_mistyped_command_is_told_the_nearest(shell: Shell) -> None:
    assert "Did you mean 'keys'?" in shell.error(2, "key")
    assert "Did you mean" not in shell.error(2, "frobnicate")


def test_each_problem_of_a_broken_configuration_has_its_line_at_a_start(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "nagara.toml"
    path.write_text("[server]\nport = -1\nprot = 1\n")
    done = shell.run("serve", "--config", str(path))
    assert done.returncode == 1
    *problems, last = done.stderr.splitlines()
    assert len(problems) == 2
    assert all(problem.startswith(f"{path}:") for problem in problems)
    assert last == "nagara: the configuration is broken: the 2 things above are wrong with it"


def test_deleting_without_anybody_to_ask_needs_yes(shell: Shell) -> None:
    shell.ok("keys", "create", "ci")
    assert "--yes" in shell.error(2, "keys", "delete", "1")
    assert len(shell.json("keys", "list")["keys"]) == 1


def test_failures_are_one_line_and_code_1(shell: Shell) -> None:
    shell.ok("keys", "create", "ci")
    assert "no account 'acme': there is 'default'" in shell.error(
        1, "keys", "create", "x", "--account", "acme"
    )
    assert "no account" in shell.error(1, "keys", "list", "--account", "acme")
    assert "no key" in shell.error(1, "keys", "show", "9" * 60)
    assert "64 hex digits" in shell.error(1, "keys", "create", "x", NAGARA_SECRET="short")
    assert "not the one" in shell.error(1, "keys", "create", "x", NAGARA_SECRET="ab" * 32)
    assert "cannot be made" in shell.error(1, "keys", "create", "x", "--data", "/proc/none")
    secret_path(shell.folder).unlink()
    assert "is missing" in shell.error(1, "keys", "create", "x")
    database_path(shell.folder).write_text("not a database, " * 100)
    assert "not an SQLite database" in shell.error(1, "keys", "list")


def test_terminal_that_lacks_a_character_shows_its_escape(shell: Shell) -> None:
    shell.ok("keys", "create", "ключ")
    done = shell.run("keys", "list", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "\\u043a" in done.stdout


def test_reader_that_leaves_early_is_no_failure_to_tell(shell: Shell) -> None:
    shell.ok("keys", "create", "ci")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "nagara", "keys", "list"],
        env=shell.environ,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.stderr == ""


def test_help_names_every_command_and_imports_none(shell: Shell) -> None:
    script = (
        "import sys; from nagara.cli import main; sys.argv = ['nagara', '--help']\n"
        "try: main()\n"
        "except SystemExit: print([m for m in sys.modules if m.startswith('nagara.cli.')])\n"
        "print('rich' in sys.modules, 'starlette' in sys.modules, 'apsw' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "keys  " in done.stdout
    assert "--data DIR" in done.stdout
    assert done.stdout.endswith("[]\nFalse False False\n")


def test_no_words_at_all_show_the_help(shell: Shell) -> None:
    for words in ([], ["keys"]):
        done = shell.run(*words)
        assert done.returncode == 2
        assert "Commands:" in done.stderr
