"""Where an installation lies: the two options that every command shares.

The command line wins over the environment, that over the configuration file, and that over the
default, as for `nagara serve`: a command must not look into another folder than the gateway does.
The file is read only when it has the last word. Nothing is made here.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from nagara.config.load import find_data_folder, find_path, load_config
from nagara.domain.configuration import ConfigError


class Place(msgspec.Struct, frozen=True):
    """The data folder, and the configuration file where there is one."""

    data: Path
    config: Path | None


def find_place(data: Path | None, config: Path | None) -> Place:
    """The place that the options mean here; `click.ClickException` if the file is broken."""
    path = find_path(str(config) if config else None, os.environ, Path.cwd())
    if data is not None:
        return Place(data, path)
    if path is None:
        return Place(find_data_folder("", os.environ), None)
    try:
        settings = load_config(path, os.environ).settings
    except ConfigError as error:
        raise click.ClickException(
            f"the configuration is broken ({error.problems[0]}): see 'nagara config check', or "
            "name the data folder with --data"
        ) from error
    return Place(find_data_folder(settings.data, os.environ), path)


def takes_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data` and `--config` to a click command, which gets them as `place: Place`."""

    def find(ctx: click.Context, _: click.Parameter, config: Path | None) -> Path | None:
        ctx.params["place"] = find_place(ctx.params.pop("data"), config)
        return config

    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        envvar="NAGARA_DATA",
        show_envvar=True,
        # Before --config, whose callback needs it.
        is_eager=True,
        help="The folder of the database and the secret; else the configuration file's, else "
        "$XDG_DATA_HOME/nagara or ~/.local/share/nagara.",
    )
    config = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        envvar="NAGARA_CONFIG",
        show_envvar=True,
        expose_value=False,
        callback=find,
        help="The configuration file; else nagara.toml in this folder.",
    )
    return data(config(command))
