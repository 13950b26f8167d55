"""`nagara models`, run as users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NAGARA = Path(sys.executable).with_name("nagara")


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NAGARA, "models", *arguments, "--data", tmp_path / "data"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def answer(tmp_path: Path, *arguments: str) -> Any:
    done = run(tmp_path, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_list_shows_prices_of_a_million_tokens(tmp_path: Path) -> None:
    done = run(tmp_path, "list", "--startup", "openai", "--search", "4.1-mini")
    header, row = done.stdout.splitlines()
    assert header.split()[:2] == ["ID", "INPUT"]
    assert row.split()[:5] == ["gpt-4.1-mini", "0.4", "1.6", "1000000", "openai"]
    assert not (tmp_path / "data").exists()


def test_list_is_narrowed_by_operation(tmp_path: Path) -> None:
    models = answer(tmp_path, "list", "--operation", "moderations")["models"]
    assert "omni-moderation" in [model["id"] for model in models]
    assert {tuple(model["operations"]) for model in models} == {("moderations",)}


def test_show_finds_a_model_by_its_alias(tmp_path: Path) -> None:
    model = answer(tmp_path, "show", "claude-sonnet-4-5-20250929")
    assert model["id"] == "claude-sonnet-4.5"
    assert model["usd_per_million"]["cache_write_5m"] == 3.75
    assert model["offers"][0]["provider"] == "anthropic"
    assert "claude-sonnet-4-5" in run(tmp_path, "show", "claude-sonnet-4.5").stdout


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("show", "gpt-4.1-mni"), "did you mean gpt-4.1-mini"),
        (("list", "--startup", "antropic"), "did you mean anthropic"),
        (("list", "--operation", "chat"), "chat.completions"),
    ],
)
def test_mistake_ends_with_one_line(
    tmp_path: Path, arguments: tuple[str, ...], advice: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert advice in done.stderr


def test_sync_stores_what_list_then_shows(tmp_path: Path) -> None:
    done = run(tmp_path, "sync")
    assert done.returncode == 0, done.stderr
    assert "models from genai-prices" in done.stdout.splitlines()[-1]
    assert (tmp_path / "data").exists()
    again = answer(tmp_path, "sync")
    assert (again["added"], again["removed"], again["repriced"]) == ([], [], [])
    assert again["models"] == len(answer(tmp_path, "list")["models"])


def test_sync_without_the_extra_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "genai_prices.py").write_text("raise ImportError")
    done = run(tmp_path, "sync", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "nagara: the price data is not installed: pip install 'nagara[catalogue]'\n"
    )


def test_update_without_a_network_is_one_line(tmp_path: Path) -> None:
    proxy = "http://127.0.0.1:9"  # the discard port: nobody listens there
    done = run(tmp_path, "sync", "--update", HTTPS_PROXY=proxy, https_proxy=proxy, NO_PROXY="")
    assert done.returncode == 1
    assert done.stderr.startswith("nagara: the newest prices could not be fetched")
    assert len(done.stderr.splitlines()) == 1
