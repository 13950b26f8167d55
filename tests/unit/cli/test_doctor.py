"""`nagara doctor`: what it finds wrong, that it changes nothing, and what it never shows."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result
from tests.fakes import FakeUpstream, Peer

from nagara.cli.doctor import doctor
from nagara.cli.findings import Finding, Verdict
from nagara.cli.installation import check_address, check_clock, check_open_files, check_unsettled
from nagara.cli.keys import keys
from nagara.cli.reach import Surroundings
from nagara.config.load import load_config
from nagara.providers import PROVIDERS
from nagara.settings import SECRET_VARIABLE, TABLE, Settings

CREDENTIAL = "sk-0123456789abcdefWXYZ"


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in TABLE.values():
        monkeypatch.delenv(setting.variable, raising=False)
    for provider in PROVIDERS.values():
        for variable in (*provider.credential_env, provider.base_url_env or SECRET_VARIABLE):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NAGARA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NAGARA_PORT", "0")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of an installation that has begun."""
    assert CliRunner().invoke(keys, ["create", "a-key"]).exit_code == 0
    return tmp_path / "data"


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(doctor, arguments, env=env)


def report(*arguments: str, **env: str) -> dict[str, Any]:
    result = run("--json", *arguments, **env)
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ok"] else 1)
    return found


def wrong(found: dict[str, Any]) -> dict[str, str]:
    checks = found["checks"]
    return {each["check"]: each["message"] for each in checks if each["verdict"] == "wrong"}


def test_machine_where_nothing_has_begun_is_well_and_stays_untouched(tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.stdout
    assert "the first start makes it" in result.stdout
    assert "Nothing is wrong" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_installation_that_has_begun_is_well(data: Path) -> None:
    found = report()
    assert found["ok"] is True
    checks = {each["check"]: each for each in found["checks"]}
    assert checks["database"]["message"].startswith(f"{data}/nagara.db can be written, schema ")
    assert {each["verdict"] for each in found["checks"]} <= {"ok", "warning"}


def test_everything_wrong_with_the_configuration_is_said_and_the_rest_looked_at(
    tmp_path: Path,
) -> None:
    (tmp_path / "nagara.toml").write_text("[server]\nport = -1\nprot = 1\n")
    result = run()
    assert result.exit_code == 1
    assert '"port"' in result.stdout
    assert "port is -1" in result.stdout
    assert "secret" in result.stdout
    (tmp_path / "nagara.toml").write_text("x = [")
    assert list(wrong(report())) == ["configuration"]


def test_secret_that_is_lost_or_another_is_wrong(data: Path) -> None:
    another = wrong(report(**{SECRET_VARIABLE: "ab" * 32}))
    assert SECRET_VARIABLE in another["secret"]
    (data / "secret.key").write_bytes(b"short")
    assert "not a secret of ours" in wrong(report())["secret"]
    (data / "secret.key").unlink()
    assert "no key can be recognised" in wrong(report())["secret"]
    assert not (data / "secret.key").exists()


def test_files_that_others_can_read_are_a_warning(data: Path) -> None:
    data.chmod(0o755)
    for name in ("secret.key", "nagara.db"):
        (data / name).chmod(0o644)
    found = report()
    assert found["ok"] is True
    doubtful = {x["check"]: x["message"] for x in found["checks"] if x["verdict"] == "warning"}
    assert "chmod 700" in doubtful["data folder"]
    assert "chmod 600" in doubtful["database"]
    assert "chmod 600" in doubtful["secret"]


def test_database_of_a_newer_version_or_no_database_is_wrong(data: Path) -> None:
    with closing(apsw.Connection(str(data / "nagara.db"))) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (999, 'later', 0)")
    assert "upgrade nagara" in wrong(report())["database"]
    for path in data.glob("nagara.db*"):
        path.unlink()
    (data / "nagara.db").write_bytes(b"no database" * 100)
    assert "not an SQLite database" in wrong(report())["database"]


def test_older_schema_is_not_brought_up_to_date_by_looking(data: Path) -> None:
    with closing(apsw.Connection(str(data / "nagara.db"))) as connection:
        last = connection.execute("SELECT MAX(version) FROM schema_versions").get
        connection.execute("DELETE FROM schema_versions WHERE version = ?", (last,))
    found = report()
    assert found["ok"] is True
    assert f"has schema {last - 1}; the next start brings it up to {last}" in str(found)
    with closing(apsw.Connection(str(data / "nagara.db"))) as connection:
        now = connection.execute("SELECT MAX(version) FROM schema_versions").get
    assert now == last - 1


def test_credentials_are_masked() -> None:
    result = run(OPENAI_API_KEY=CREDENTIAL)
    assert "…WXYZ from OPENAI_API_KEY" in result.stdout
    assert CREDENTIAL[:-4] not in result.stdout


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_address_that_another_program_has_is_wrong_and_a_gateway_is_not(busy_port: int) -> None:
    settings = Settings(port=busy_port)
    assert check_address(settings, is_ours=False).verdict is Verdict.WRONG
    assert check_address(settings, is_ours=True).verdict is Verdict.OK


def test_clock_before_the_catalogue_was_made_is_wrong() -> None:
    assert check_clock(0.0).verdict is Verdict.WRONG
    assert check_clock().verdict is Verdict.OK


def test_too_few_open_files_are_a_warning() -> None:
    assert check_open_files(10**9).verdict is Verdict.WARNING
    assert check_open_files(1).verdict is Verdict.OK


def test_charges_that_wait_or_are_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.spool").write_bytes(b"x")
    (tmp_path / "b.spool").write_bytes(b"")
    (tmp_path / "c.damaged").write_bytes(b"x")
    verdicts = [found.verdict for found in check_unsettled(tmp_path)]
    assert verdicts == [Verdict.WARNING, Verdict.WRONG]
    assert list(check_unsettled(tmp_path / "nothing")) == []


async def reach(upstream: FakeUpstream) -> Finding:
    env = {"OPENAI_API_KEY": CREDENTIAL, "OPENAI_BASE_URL": f"{upstream.url}/v1"}
    config = load_config(None, env)
    surroundings = Surroundings(config.settings, {})
    try:
        providers = list(config.declared.providers.values())
        return (await surroundings.check_providers(providers, is_asked=True))[0]
    finally:
        await surroundings.close()


@pytest.mark.parametrize(
    ("status", "headers", "verdict", "said"),
    [
        (200, (), Verdict.OK, "takes the credential"),
        (404, (), Verdict.OK, "answers 404"),
        (401, (), Verdict.WRONG, "refuses the credential"),
        (503, (), Verdict.WARNING, "unwell or busy"),
        (200, (b"date: Thu, 01 Jan 1970 00:00:00 GMT",), Verdict.WARNING, "clock"),
    ],
)
async def test_provider_that_is_asked_is_judged_by_its_answer(
    status: int, headers: tuple[bytes, ...], verdict: Verdict, said: str
) -> None:
    asked: list[tuple[bytes, bytes | None]] = []

    async def answer(peer: Peer) -> None:
        request = await peer.read_request()
        assert request is not None
        asked.append((request.target, request.header(b"authorization")))
        await peer.answer(b"{}", *headers, status=status)

    async with FakeUpstream(answer) as upstream:
        found = await reach(upstream)
    assert asked == [(b"/v1/models", b"Bearer " + CREDENTIAL.encode())]
    assert found.verdict is verdict
    assert said in found.message
    assert CREDENTIAL not in found.message


async def test_provider_that_is_not_there_is_wrong() -> None:
    async with FakeUpstream() as upstream:
        gone = upstream
    found = await reach(gone)
    assert found.verdict is Verdict.WRONG
    assert "cannot be reached" in found.message
