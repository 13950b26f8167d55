"""`nagara serve`: start the gateway, say where it is, and serve until told to stop."""

import asyncio
import gc
import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from nagara import __version__
from nagara.app import Gateway, read_server_limits
from nagara.cli.first_call import near, suggest_model, write_call
from nagara.config.load import Config, find_data_folder, find_path, load_config
from nagara.domain.configuration import ConfigError
from nagara.settings import SettingValue
from nagara.storage.driver import StorageError
from nagara.storage.first_start import FirstKeys
from nagara.web.server import Server, open_socket

GC_THRESHOLD = 20_000


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one [8080].")
@click.option("--data", metavar="DIR", help="The folder of the database.  [env: NAGARA_DATA]")
@click.option("--config", metavar="FILE", help="The configuration file.  [env: NAGARA_CONFIG]")
def serve(host: str | None, port: int | None, data: str | None, config: str | None) -> None:
    """Start the gateway.

    The first start makes the account 'default' with $100 of credit, a standard key and a
    provisioning key, and prints both keys once. Providers are found by their usual environment
    variables; with none, the built-in sandbox answers for every model.
    """
    options: dict[str, SettingValue | None] = {"host": host, "port": port, "data": data}
    path = find_path(config, os.environ, Path.cwd())

    def load() -> Config:
        return load_config(path, os.environ, options)

    try:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(run(load))
    except ConfigError as error:
        problems = "; ".join(error.problems)
        raise click.ClickException(f"the configuration is broken: {problems}") from error
    except (StorageError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def make_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, or where there is none (Windows) asyncio's own: the same, slower."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    return importlib.import_module("uvloop").new_event_loop()  # type: ignore[no-any-return]


async def run(load: Callable[[], Config]) -> None:
    """Open, serve, close."""
    config = load()
    settings = config.settings
    try:
        listener = open_socket(settings.host, settings.port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another with --host and --port, or NAGARA_HOST and NAGARA_PORT."
        ) from error
    gateway = await Gateway.open(config, os.environ, load)
    try:
        host, port = listener.getsockname()[:2]
        settle_memory()
        server = Server(
            gateway.routes.serve,
            read_server_limits(settings),
            lambda: greet(gateway, host, port),
            gateway.stop_accepting,
        )
        gateway.join_tasks(server.server_state.tasks)
        await server.serve(sockets=[listener])
    finally:
        await gateway.close()


def settle_memory() -> None:
    """Keep the collector from walking the catalogue again and again.

    What was built at the start stays until the end. A request leaves no cycles behind, so they may
    be looked for seldom: this takes 4% off the cost of a call.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def greet(gateway: Gateway, host: str, port: int) -> None:
    """Say on standard output where the gateway is and how to call it."""
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    click.secho(f"Nagara {__version__} serves on {address}\n", bold=True)
    keys = gateway.first_keys
    lines = first_words(keys, gateway, near(host, port)) if keys else later_words(gateway.folder)
    where = f"  Data       {gateway.folder.absolute()}"
    click.echo("\n".join([*lines, "", *describe_providers(gateway), where, ""]))


def first_words(keys: FirstKeys, gateway: Gateway, address: str) -> Iterator[str]:
    """The first start: both keys, shown this once, and a line to paste. 80 columns hold it."""
    key = keys.standard.reveal()
    yield "  First start: the account 'default' was made. Keep its keys, shown once:"
    yield ""
    yield f"  Standard key      {key}"
    yield f"  Provisioning key  {keys.provisioning.reveal()}"
    yield ""
    yield "  Try it:"
    yield ""
    model = suggest_model(gateway.config.declared, gateway.snapshot.routes)
    yield from (f"  {line}" for line in write_call(address, key, model))


def later_words(folder: Path) -> Iterator[str]:
    """Any later start: how to come by a key, with a command that finds this program and data."""
    found = shutil.which("nagara")
    is_on_path = found is not None and Path(found).resolve() == Path(sys.argv[0]).resolve()
    program = "nagara" if is_on_path else shlex.quote(sys.argv[0])
    is_usual = find_data_folder("", os.environ).absolute() == folder.absolute()
    where = "" if is_usual else f" --data {shlex.quote(str(folder.absolute()))}"
    yield f"  Make a key with: {program} keys create NAME{where}"


def describe_providers(gateway: Gateway) -> Iterator[str]:
    """Which providers were found, and what answers for which models."""
    providers = gateway.config.declared.providers
    count = len({route.model.id for route in gateway.snapshot.routes.values()})
    if not providers:
        yield f"  Providers  none found, so the sandbox answers for all {count} models."
        yield "             For others set OPENAI_API_KEY, ANTHROPIC_API_KEY or the like,"
        yield "             or write nagara.toml, and start again."
        return
    for index, provider in enumerate(providers.values()):
        title = "Providers" if index == 0 else ""
        source = provider.credential_source if provider.credential else "no credential"
        yield f"  {title:<9}  {provider.name} ({source})"
    yield f"             {count} models; GET /v1/models lists them."
