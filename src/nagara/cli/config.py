"""`nagara config`: what is configured, from where, and what is wrong with it.

It reads the same files and variables as `nagara serve`, reaches no network, and shows no more of a
secret than its last four characters.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from nagara.catalogue.shipped import load_shipped
from nagara.cli.options import as_json
from nagara.cli.printing import print_json, print_table
from nagara.config.load import Config, find_data_folder, find_path, load_config
from nagara.config.render import render_example
from nagara.config.values import mask_address
from nagara.domain.catalog import ConfiguredProvider, Secret
from nagara.domain.configuration import ConfigError
from nagara.routing.table import build_routes
from nagara.settings import TABLE

MASK_LENGTH_MIN = 12


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
def example() -> None:
    """Print a configuration file with every setting and its default."""
    click.echo(render_example(), nl=False)


@config.command()
@click.option("--data", metavar="DIR", help="The folder of the database.  [env: NAGARA_DATA]")
@click.option(
    "--config", "path", metavar="FILE", help="The configuration file.  [env: NAGARA_CONFIG]"
)
@as_json
def check(path: str | None, data: str | None, is_json: bool) -> None:
    """Show every setting with its source, or everything that is wrong."""
    try:
        report = read_report(path, data)
    except ConfigError as error:
        report = {"ok": False, "problems": list(error.problems)}
    if is_json:
        print_json(report)
    elif report["ok"]:
        print_report(report)
    else:
        for problem in report["problems"]:
            click.echo(problem, err=True)
    sys.exit(0 if report["ok"] else 1)


def read_report(path: str | None, data: str | None) -> dict[str, Any]:
    """Everything that `check` shows, as plain values. Raises `ConfigError`."""
    loaded = load_config(find_path(path, os.environ, Path.cwd()), os.environ, {"data": data})
    table = build_routes(loaded.declared, load_shipped())
    return {
        "ok": True,
        "file": str(loaded.path) if loaded.path else None,
        "data_folder": str(find_data_folder(loaded.settings.data, os.environ).absolute()),
        "settings": {name: report_setting(loaded, name) for name in TABLE},
        "providers": [report_provider(p) for p in loaded.declared.providers.values()],
        "models": len({route.model.id for route in table.routes.values()}),
        "is_sandbox_only": not loaded.declared.providers,
        "warnings": [*loaded.warnings, *table.warnings],
    }


def report_setting(loaded: Config, name: str) -> dict[str, Any]:
    """A setting's value and source; of an address no password."""
    value = getattr(loaded.settings, name)
    if TABLE[name].row.schemes:
        value = mask_address(value)
    return {"value": value, "source": loaded.sources[name]}


def report_provider(configured: ConfiguredProvider) -> dict[str, Any]:
    """A provider in use, its credential masked."""
    return {
        "name": configured.name,
        "kind": configured.provider.name,
        "base_url": configured.base_url,
        "credential": mask(configured.credential),
        "credential_source": configured.credential_source,
        "models": configured.models,
    }


def mask(secret: Secret | None) -> str | None:
    """The last four characters of a secret, or none of a short one."""
    if secret is None:
        return None
    text = secret.reveal()
    return f"…{text[-4:]}" if len(text) >= MASK_LENGTH_MIN else "****"


def print_report(report: dict[str, Any]) -> None:
    """The report for people."""
    click.echo(f"configuration file: {report['file'] or 'none'}")
    click.echo(f"data folder: {report['data_folder']}\n")
    rows = [
        (name, msgspec.json.encode(found["value"]).decode(), found["source"])
        for name, found in report["settings"].items()
    ]
    print_table(("setting", "value", "source"), rows)
    click.echo("")
    for provider in report["providers"]:
        masked = provider["credential"]
        credential = f"{masked} from {provider['credential_source']}" if masked else "no credential"
        click.echo(
            f"provider {provider['name']}: {provider['base_url'] or 'in this process'}, "
            f"{credential}"
        )
    if report["is_sandbox_only"]:
        click.echo("no provider in use: the sandbox serves every model")
    click.echo(f"models: {report['models']}")
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}")
