"""`nagara config` as a command: what it prints, and its exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nagara.cli.config import config, mask
from nagara.config.render import render_example
from nagara.domain.catalog import Secret
from nagara.providers import PROVIDERS
from nagara.settings import TABLE

SECRET = "sk-0123456789abcdefWXYZ"


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    variables = [s.variable for s in TABLE.values()] + ["NAGARA_CONFIG"]
    for provider in PROVIDERS.values():
        variables += [*provider.credential_env, provider.base_url_env or "NAGARA_CONFIG"]
    for variable in variables:
        monkeypatch.delenv(variable, raising=False)


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(config, arguments, env=env)


def test_check_prints_every_setting_with_its_source() -> None:
    Path("nagara.toml").write_text("[server]\nport = 1234\n")
    result = run("check", NAGARA_HOST="::1")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    assert set(TABLE) <= set(lines)
    assert lines["port"][1:] == ["1234", "nagara.toml:2"] or "nagara.toml:2" in lines["port"][2]
    assert lines["host"][1:] == ['"::1"', "NAGARA_HOST"]
    assert lines["data"][2] == "default"
    assert "the sandbox serves every model" in result.stdout


def test_check_masks_secrets() -> None:
    for arguments in (["check"], ["check", "--json"]):
        result = run(*arguments, OPENAI_API_KEY=SECRET)
        assert result.exit_code == 0
        assert "WXYZ" in result.stdout
        assert SECRET[:-4] not in result.stdout


def test_short_secret_is_masked_whole() -> None:
    assert mask(Secret("abcd1234")) == "****"
    assert mask(Secret(SECRET)) == "…WXYZ"
    assert mask(None) is None


def test_check_as_json_has_settings_providers_models_and_warnings() -> None:
    result = run("check", "--json", OPENAI_API_KEY=SECRET, NAGARA_PROT="1")
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert report["settings"]["port"] == {"value": 8080, "source": "default"}
    assert report["providers"][0]["name"] == "openai"
    assert report["providers"][0]["credential_source"] == "OPENAI_API_KEY"
    assert report["models"] > 50
    assert "NAGARA_PORT" in report["warnings"][0]


def test_check_of_a_broken_file_tells_all_problems_and_exits_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[server]\nport = -1\nprot = 1\n")
    result = run("check", "--config", str(path))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    report = json.loads(run("check", "--json", NAGARA_CONFIG=str(path)).stdout)
    assert report["ok"] is False
    assert len(report["problems"]) == 2


def test_check_finds_aliases_that_lead_nowhere() -> None:
    Path("nagara.toml").write_text('[aliases]\nfast = "no-such-model"\n')
    result = run("check")
    assert result.exit_code == 1
    assert "leads nowhere" in result.stderr


def test_example_is_printed() -> None:
    assert run("example").stdout == render_example()
