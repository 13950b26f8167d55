"""`nagara serve`: start the gateway, say where it is, and serve until told to stop."""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from nagara import __version__
from nagara.app import SETTLE_S, Gateway
from nagara.cli.first_call import near, suggest_model, write_call
from nagara.cli.workers import Part, Supervisor
from nagara.config.load import Config, find_data_folder, find_path, load_config
from nagara.config.values import mask_address
from nagara.config.watch import keep_fixed
from nagara.domain.configuration import ConfigError
from nagara.observe.observations import Notice
from nagara.parts import make_log, read_server_limits
from nagara.settings import Settings, SettingValue
from nagara.storage.driver import StorageError
from nagara.storage.first_start import FirstKeys
from nagara.web.server import Server, open_socket

GC_THRESHOLD = 20_000


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one [8080].")
@click.option("--workers", type=click.IntRange(1, 256), help="How many processes serve [1].")
@click.option("--data", metavar="DIR", help="The folder of the database.  [env: NAGARA_DATA]")
@click.option("--config", metavar="FILE", help="The configuration file.  [env: NAGARA_CONFIG]")
def serve(
    host: str | None, port: int | None, workers: int | None, data: str | None, config: str | None
) -> None:
    """Start the gateway.

    The first start makes the account 'default' with $100 of credit, a standard key and a
    provisioning key, and prints both keys once. Providers are found by their usual environment
    variables; with none, the built-in sandbox answers for every model.
    """
    given = {"host": host, "port": port, "workers": workers, "data": data}
    options: dict[str, SettingValue | None] = {**given}
    path = find_path(config, os.environ, Path.cwd())

    def load() -> Config:
        return load_config(path, os.environ, options)

    with told_in_words():
        start = Start(load(), load)
        if start.config.settings.workers > 1:
            sys.exit(start_workers(start))
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(run(start))


class Start:
    """What every process that serves begins with: a configuration, and the open address."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """Open the address. `load` reads the configuration anew."""
        self.config = config
        self.load = load
        self.listener = listen(config.settings)

    @property
    def address(self) -> str:
        """Where it is served, as a URL."""
        host, port = self.listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def told_in_words() -> Iterator[None]:
    """What is wrong at a start ends the command with a message instead of a traceback."""
    try:
        yield
    except ConfigError as error:
        if len(error.problems) == 1:
            raise click.ClickException(f"the configuration is broken: {error}") from error
        for problem in error.problems:
            click.echo(problem, err=True)
        raise click.ClickException(
            f"the configuration is broken: the {len(error.problems)} things above are wrong with it"
        ) from error
    except (StorageError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def start_workers(start: Start) -> int:
    """Serve with several processes until told to stop; the exit code."""
    if not hasattr(os, "fork"):
        raise click.ClickException("this system cannot run --workers: start it several times")
    settings = start.config.settings

    def work(part: Part) -> int:
        return work_in_words(start, part)

    def tell(line: str) -> None:
        # Made for the one line, since a log has a thread.
        log = make_log(settings, os.environ)
        log(Notice(message=line, level=logging.ERROR))
        log.close()

    grace_s = settings.shutdown_grace_s + SETTLE_S
    return Supervisor(settings.workers, work, tell, grace_s).run(start.listener.close)


def work_in_words(start: Start, part: Part) -> int:
    """The whole life of a worker, to its exit code; what is wrong is said on standard error."""
    try:
        with told_in_words(), asyncio.Runner(loop_factory=make_loop) as runner:
            if part.is_replacement:
                start.config = reload_for(start)
            runner.run(run(start, part))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def reload_for(start: Start) -> Config:
    """What a worker that replaces another has to begin with, to be like those beside it."""
    try:
        return keep_fixed(start.config.settings, start.load())[0]
    except ConfigError:
        # The others have said so, and go on with what they had; so does this one.
        return start.config


def make_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, or where there is none (Windows) asyncio's own: the same, slower."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    return importlib.import_module("uvloop").new_event_loop()  # type: ignore[no-any-return]


def listen(settings: Settings) -> socket.socket:
    """The open address of the settings."""
    try:
        return open_socket(settings.host, settings.port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another with --host and --port, or NAGARA_HOST and NAGARA_PORT."
        ) from error


async def run(start: Start, part: Part | None = None) -> None:
    """Open, serve, close: alone, or as one of several."""
    gateway = await Gateway.open(start.config, os.environ, start.load)
    try:
        settle_memory()

        def on_started() -> None:
            if part is None or part.is_first:
                greet(gateway, *start.listener.getsockname()[:2])
                sys.stdout.flush()
            if part is not None and part.is_first:
                part.ready()

        server = Server(
            gateway.routes.serve,
            read_server_limits(start.config.settings),
            on_started,
            gateway.stop_accepting,
        )
        gateway.join_tasks(server.server_state.tasks)
        if part is not None:
            stop_without_supervisor(server, part.supervisor_fd)
        await server.serve(sockets=[start.listener])
    finally:
        await gateway.close()


def stop_without_supervisor(server: Server, supervisor_fd: int) -> None:
    """Let a worker stop in order when nobody is left to look after it."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(supervisor_fd)
        server.handle_exit(signal.SIGTERM, None)

    loop.add_reader(supervisor_fd, stop)


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
    url = gateway.config.settings.database_url
    where = f"  Data       {mask_address(url) if url else gateway.folder.absolute()}"
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
