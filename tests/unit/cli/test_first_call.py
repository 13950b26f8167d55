"""The call that a person is told to try: it names what is served here."""

from pathlib import Path

import pytest

from nagara.catalogue.shipped import load_shipped
from nagara.cli.first_call import EXAMPLE_MODEL, find_call, near, suggest_model
from nagara.config.load import load_config
from nagara.domain.catalog import KeyKind
from nagara.routing.table import build_routes

OWN = """
[server]
host = "0.0.0.0"
port = 9123
[providers.mine]
kind = "compatible"
base_url = "http://127.0.0.1:1/v1"
"""
MODEL = '[models.house]\ndeployments = [{ provider = "mine", model = "m" }]\n'


def suggested(tmp_path: Path, text: str = "", **env: str) -> str:
    path = tmp_path / "nagara.toml"
    path.write_text(text)
    declared = load_config(path, env).declared
    return suggest_model(declared, build_routes(declared, load_shipped()).routes)


def test_model_is_one_that_is_served(tmp_path: Path) -> None:
    assert suggested(tmp_path) == EXAMPLE_MODEL
    assert suggested(tmp_path, OPENAI_API_KEY="sk-0123456789") == EXAMPLE_MODEL
    assert suggested(tmp_path, ANTHROPIC_API_KEY="sk-ant-0123456789").startswith("claude")
    assert suggested(tmp_path, OWN) == "mine/MODEL"
    assert suggested(tmp_path, OWN + MODEL, OPENAI_API_KEY="sk-0123456789") == "house"


def test_model_that_would_be_refused_for_want_of_a_price_is_not_suggested(tmp_path: Path) -> None:
    unpriced = OWN + MODEL.replace("mine", "openai")
    assert suggested(tmp_path, unpriced, OPENAI_API_KEY="sk-0123456789") == EXAMPLE_MODEL


@pytest.mark.parametrize(
    ("kind", "allowed", "part"),
    [
        (KeyKind.STANDARD, None, '"model": "house"'),
        (KeyKind.STANDARD, frozenset({"b", "a"}), '"model": "a"'),
        (KeyKind.TEST, None, f'"model": "{EXAMPLE_MODEL}"'),
        (KeyKind.PROVISIONING, None, "/v1/account/balance"),
    ],
)
def test_call_is_to_the_configured_address_with_what_the_key_may(
    tmp_path: Path, kind: KeyKind, allowed: frozenset[str] | None, part: str
) -> None:
    path = tmp_path / "nagara.toml"
    path.write_text(OWN + MODEL)
    told = find_call(kind, "ng-secret", allowed, path)
    assert "curl http://127.0.0.1:9123/v1/" in told
    assert part in told


def test_key_is_told_of_beside_a_broken_configuration(tmp_path: Path) -> None:
    path = tmp_path / "nagara.toml"
    path.write_text("[server]\nport = true\n")
    assert "http://127.0.0.1:8080/" in find_call(KeyKind.STANDARD, "ng-secret", None, path)


def test_address_of_the_sixth_version_is_in_brackets() -> None:
    assert near("::", 1) == "http://[::1]:1"
