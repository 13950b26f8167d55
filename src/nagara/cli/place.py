"""Where an installation lies: the two options that every command shares.

The command line wins over the environment, and that over the default. Nothing is made or read
here.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec


class Place(msgspec.Struct, frozen=True):
    """The data folder, and the configuration file where one was named."""

    data: Path
    config: Path | None


def default_data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where data goes when nobody says: the XDG base directory's place for it."""
    home = environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(home) / "nagara"


def takes_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data` and `--config` to a click command, which gets them as `place: Place`."""

    def keep_config(ctx: click.Context, _: click.Parameter, config: Path | None) -> Path | None:
        ctx.params["place"] = Place(ctx.params.pop("data"), config)
        return config

    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        envvar="NAGARA_DATA",
        show_envvar=True,
        default=default_data_folder,
        show_default="$XDG_DATA_HOME/nagara or ~/.local/share/nagara",
        is_eager=True,
        help="The folder of the database and the secret.",
    )
    config = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        envvar="NAGARA_CONFIG",
        show_envvar=True,
        expose_value=False,
        callback=keep_config,
        help="The configuration file.",
    )
    return data(config(command))
