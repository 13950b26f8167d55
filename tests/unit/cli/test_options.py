"""Every command finds the data folder that `nagara serve` would use."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nagara.cli import cli
from nagara.cli.models import CHOICES
from nagara.cli.options import Place, takes_place


@click.command()
@takes_place
def where(place: Place) -> None:
    click.echo(f"{place.data}|{place.config}")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def place_of(*arguments: str, **env: str) -> str:
    clean = {"NAGARA_DATA": None, "NAGARA_CONFIG": None, "XDG_DATA_HOME": "/xdg"}
    result = CliRunner().invoke(where, arguments, env={**clean, **env})
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_data_folder_is_the_users_own_without_any_setting() -> None:
    assert place_of() == "/xdg/nagara|None"


def test_option_wins_over_environment_over_file() -> None:
    Path("nagara.toml").write_text('[server]\ndata = "/file"\nport = "broken"\n')
    config = Path.cwd() / "nagara.toml"
    assert place_of() == f"/file|{config}"
    assert place_of(NAGARA_DATA="/env") == f"/env|{config}"
    assert place_of("--data", "/option", NAGARA_DATA="/env") == f"/option|{config}"


def test_file_is_the_options_or_the_environments() -> None:
    Path("other.toml").write_text('[server]\ndata = "/other"\n')
    assert place_of("--config", "other.toml") == "/other|other.toml"
    assert place_of(NAGARA_CONFIG="other.toml") == "/other|other.toml"


def test_file_that_is_not_there_ends_the_command_with_a_line() -> None:
    result = CliRunner().invoke(where, ["--config", "none.toml"])
    assert result.exit_code == 1
    assert "none.toml: cannot be read" in result.output
    assert "Traceback" not in result.output


def test_what_a_command_does_fits_into_its_groups_help() -> None:
    context = click.Context(cli)
    groups = [cli.get_command(context, name) for name in cli.list_commands(context)]
    commands = [
        c for group in groups if isinstance(group, click.Group) for c in group.commands.values()
    ]
    assert commands
    for command in commands:
        assert not command.get_short_help_str(limit=64).endswith("..."), command.name


def test_a_choice_is_named_once() -> None:
    assert len(CHOICES) == len(set(CHOICES))
