"""`nagara models`, run as users run it."""

import json
import os
import re
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


OWN_PRICES = """
[models.mine]
markup_percent = "20"

[[models.mine.prices]]
input_mtok = "1"
output_mtok = "2.50"
search = "0.01"
tiers = [{ input_tokens_above = 200000, input_mtok = "3" }]
service_tiers.flex = { multiple = "0.5" }

[[models.mine.prices]]
effective_from = 2999-01-01
input_mtok = "4"
"""


def test_model_of_the_configuration_is_shown_with_what_callers_pay_and_when(
    tmp_path: Path,
) -> None:
    config = tmp_path / "own.toml"
    config.write_text(OWN_PRICES)
    model = answer(tmp_path, "show", "mine", "--config", str(config))
    assert model["usd_per_million"] == {"input": 1.2, "output": 3, "searches": 12000}
    now, later = model["prices"]
    assert now["tiers"] == [{"input_tokens_min": 200001, "usd_per_million": {"input": 3.6}}]
    assert now["service_tiers"]["flex"]["usd_per_million"]["output"] == 1.5
    assert (later["effective_from"], later["usd_per_million"]) == ("2999-01-01", {"input": 4.8})
    facts = run(tmp_path, "show", "mine", "--config", str(config)).stdout
    assert "input 1.2, output 3, 0.012 a search (markup of 20% included)" in facts
    assert re.search(r"above 200000 in +input 3.6\n", facts)
    assert re.search(r"from 2999-01-01 +input 4.8 ", facts)


def test_broken_configuration_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[models.mine]\nmarkup_percnt = 1\n")
    done = run(tmp_path, "list", "--config", str(config))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "markup_percent" in done.stderr


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
