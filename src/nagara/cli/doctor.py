"""`nagara doctor`: whether a gateway can start and work here, looked at from every side.

It changes nothing, and reaches no provider unless it is told to. Exit code 1 when something is
wrong, for scripts; a warning is none.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from nagara.catalogue.shipped import load_shipped
from nagara.cli.findings import (
    Finding,
    Verdict,
    is_doubtful,
    is_fine,
    is_wrong,
    print_findings,
)
from nagara.cli.installation import (
    check_address,
    check_clock,
    check_database,
    check_folder,
    check_open_files,
    check_program,
    check_secret,
)
from nagara.cli.options import as_json
from nagara.cli.reach import Surroundings
from nagara.config.load import Config, find_database, find_path, load_config, read_settings
from nagara.domain.catalog import ConfiguredProvider
from nagara.domain.configuration import ConfigError
from nagara.routing.table import build_routes
from nagara.settings import Settings


@click.command()
@click.option("--reach", is_flag=True, help="Ask each provider too: a request that costs nothing.")
@as_json
@click.option("--data", metavar="DIR", help="The folder of the database.  [env: NAGARA_DATA]")
@click.option("--config", metavar="FILE", help="The configuration file.  [env: NAGARA_CONFIG]")
def doctor(reach: bool, is_json: bool, data: str | None, config: str | None) -> None:
    """Look whether a gateway can start and work here.

    Looks at the configuration, the data folder, the database, the secret, the clock, the address
    and each provider's credential, changes nothing, and says what to do. The exit code is 1 when
    something is wrong. With --reach each provider is asked for its models, which shows whether it
    answers and takes the credential.
    """
    path = find_path(config, os.environ, Path.cwd())
    findings = asyncio.run(examine(path, data, is_reaching=reach))
    print_findings(findings, is_json=is_json)
    sys.exit(1 if any(found.verdict is Verdict.WRONG for found in findings) else 0)


async def examine(path: Path | None, data: str | None, *, is_reaching: bool) -> list[Finding]:
    """All findings, in the order in which they are shown."""
    configured, findings = check_config(path, data)
    findings = [check_program(), *findings]
    try:
        settings = configured.settings if configured else read_settings(path, os.environ, data)
    except ConfigError:
        # It is no TOML at all, which was said: the rest cannot be known.
        return findings
    database = find_database(settings, os.environ)
    findings += check_folder(database.folder)
    findings += [found async for found in check_database(database)]
    findings += [await check_secret(database, os.environ), check_clock()]
    providers = list(configured.declared.providers.values()) if configured else []
    findings += await look_around(settings, providers if configured else None, is_reaching)
    return [*findings, check_open_files(settings.requests_in_flight_max)]


def check_config(path: Path | None, data: str | None) -> tuple[Config | None, list[Finding]]:
    """The configuration, if it can be used, and what is to be said of it."""
    shown = str(path) if path else "no file; the environment and the defaults"
    try:
        config = load_config(path, os.environ, {"data": data})
        table = build_routes(config.declared, load_shipped())
    except ConfigError as error:
        return None, [is_wrong("configuration", problem) for problem in error.problems]
    warnings = [*config.warnings, *table.warnings]
    return config, [
        is_fine("configuration", shown),
        *(is_doubtful("configuration", warning) for warning in warnings),
    ]


async def look_around(
    settings: Settings, providers: list[ConfiguredProvider] | None, is_reaching: bool
) -> Iterator[Finding]:
    """The address and the providers; None of those where the configuration is broken."""
    try:
        surroundings = Surroundings(settings, os.environ)
    except ValueError as error:
        return iter([is_wrong("network", str(error))])
    try:
        address = check_address(settings, is_ours=await surroundings.is_gateway_there())
        if providers is None:
            return iter([address])
        found = await surroundings.check_providers(providers, is_asked=is_reaching)
        return iter([address, *found])
    finally:
        await surroundings.close()
