"""The options that commands share: where an installation lies, and answering in JSON.

The command line wins over the environment, that over the configuration file, and that over the
default, as for `nagara serve`: both must find the same database. Nothing is made here.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from nagara.config.load import find_path, read_database
from nagara.domain.configuration import ConfigError
from nagara.storage.database import Database

as_json = click.option("--json", "is_json", is_flag=True, help="Answer in JSON.")


class Place(msgspec.Struct, frozen=True):
    """The database, and the configuration file where one was named."""

    database: Database
    config: Path | None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.database.folder


def takes_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data` and `--config` to a click command, which gets them as `place: Place`."""

    def keep_config(ctx: click.Context, _: click.Parameter, config: Path | None) -> Path | None:
        option = ctx.params.pop("data")
        path = find_path(str(config) if config else None, os.environ, Path.cwd())
        try:
            database = read_database(path, os.environ, option)
        except ConfigError as error:
            raise click.ClickException(str(error)) from error
        ctx.params["place"] = Place(database, path)
        return config

    data = click.option(
        "--data",
        type=click.Path(file_okay=False),
        metavar="DIR",
        envvar="NAGARA_DATA",
        show_envvar=True,
        show_default="the configuration's, else ./data if a gateway began there, "
        "else $XDG_DATA_HOME/nagara or ~/.local/share/nagara",
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
