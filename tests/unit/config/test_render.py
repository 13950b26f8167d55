"""What is printed and documented of the configuration is what the code reads."""

import tomllib
from pathlib import Path

import pytest
from docs.__main__ import FOLDER, PAGES

from nagara.config.load import load_config
from nagara.config.render import EXAMPLE_TABLES, render_example
from nagara.settings import TABLE, Settings


def uncomment(text: str, mark: str) -> str:
    return "\n".join(line.removeprefix(mark) for line in text.splitlines())


def test_example_as_printed_changes_nothing() -> None:
    assert tomllib.loads(render_example()) == {}


def test_example_without_its_marks_loads_and_equals_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "nagara.toml"
    path.write_text(uncomment(render_example(), "# "))
    config = load_config(path, {})
    assert config.settings == Settings()
    assert {name for name, source in config.sources.items() if source != "default"} == set(TABLE)


def test_tables_of_the_example_load(tmp_path: Path) -> None:
    path = tmp_path / "nagara.toml"
    path.write_text(EXAMPLE_TABLES)
    declared = load_config(path, {"OPENAI_API_KEY": "sk-0123456789abcdef"}).declared
    assert list(declared.providers) == ["openai", "my-vllm"]
    assert len(declared.models[0].deployments) == 2
    assert declared.models[0].prices is not None
    assert declared.aliases[0].name == "fast"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run: make docs"
