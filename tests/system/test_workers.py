"""Several workers on one address: changes reach each of them, and they live and end as one."""

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.postgres import PostgresServer
from tests.system.commands import run, succeed
from tests.system.gateway import ANY_KEY, GatewayProcess

SEEN_S_MAX = 1.0
DIALS_MAX = 500
WORKERS = {"sqlite": 2, "postgres": 3}


class Cluster:
    """A gateway of several workers, and a connection to each of them."""

    def __init__(self, gateway: GatewayProcess, count: int, config: Path) -> None:
        self.gateway = gateway
        self.count = count
        self.config = config
        self.connections: dict[int, http.client.HTTPConnection] = {}

    def run(self, *words: str) -> str:
        """What `nagara` prints beside it."""
        where = ("--data", str(self.gateway.data), "--config", str(self.config))
        return succeed(*words, *where)

    def workers(self) -> set[int]:
        """The processes that serve, once there are as many as there should be."""
        deadline_s = time.monotonic() + 15
        while True:
            children = psutil.Process(self.gateway.pid).children()
            found = {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}
            if len(found) == self.count:
                return found
            assert time.monotonic() < deadline_s, found

    def connect(self, stack: ExitStack) -> None:
        """Dial until each worker has taken a connection."""
        wanted = self.workers()
        for _ in range(DIALS_MAX):
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=10)
            stack.callback(connection.close)
            # Whoever answers has accepted it: before that, nobody has.
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.connections.setdefault(self._taker(connection, wanted), connection)
            if self.connections.keys() == wanted:
                return
        pytest.fail(f"of the workers {wanted} only {list(self.connections)} took connections")

    def _taker(self, connection: http.client.HTTPConnection, workers: set[int]) -> int:
        ours = connection.sock.getsockname()[1]
        for pid in workers:
            for found in psutil.Process(pid).net_connections("tcp4"):
                if found.raddr and found.raddr.port == ours:
                    return pid
        raise AssertionError("nobody has taken the connection")

    def ask(self, pid: int, key: str, model: str = "gpt-4.1-mini") -> int:
        """The status of a call to one worker."""
        connection = self.connections[pid]
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi."}]})
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def wait_for_status(self, status: int, key: str, model: str, within_s: float) -> None:
        """Every worker must answer with the status in time."""
        deadline_s = time.monotonic() + within_s
        for pid in self.connections:
            while (found := self.ask(pid, key, model)) != status:
                assert time.monotonic() < deadline_s, f"worker {pid} still answers {found}"


@pytest.fixture(params=list(WORKERS))
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    config = tmp_path / "nagara.toml"
    settings = ""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        settings += f'[storage]\ndatabase_url = "{url}"\n'
    config.write_text(settings)
    count = WORKERS[request.param]
    arguments = ("--workers", str(count), "--config", str(config))
    with GatewayProcess(tmp_path / "data", None, *arguments) as gateway, ExitStack() as stack:
        cluster = Cluster(gateway, count, config)
        cluster.connect(stack)
        yield cluster


def test_changes_reach_every_worker_within_a_second(cluster: Cluster) -> None:
    printed = cluster.run("keys", "create", "theirs", "--json")
    found = ANY_KEY.search(printed)
    assert found
    key = found[0]
    for pid in cluster.connections:
        assert cluster.ask(pid, key) == 200
    cluster.run("keys", "disable", "theirs")
    cluster.wait_for_status(401, key, "gpt-4.1-mini", SEEN_S_MAX)
    cluster.run("keys", "enable", "theirs")
    cluster.wait_for_status(200, key, "gpt-4.1-mini", SEEN_S_MAX)
    for pid in cluster.connections:
        assert cluster.ask(pid, key, "house") == 404
    with cluster.config.open("a") as file:
        file.write('[aliases]\nhouse = "gpt-4.1-mini"\n')
    cluster.wait_for_status(200, key, "house", SEEN_S_MAX)


def test_first_start_is_told_once(cluster: Cluster) -> None:
    assert len(set(ANY_KEY.findall(cluster.gateway.output))) == 2
    assert cluster.gateway.output.count("serves on") == 1
    assert len(json.loads(cluster.run("keys", "list", "--json"))["keys"]) == 2


def test_worker_that_dies_is_replaced(cluster: Cluster) -> None:
    before = cluster.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    cluster.gateway.wait_for(re.compile(rf"process {victim}\) was killed by SIGKILL; another"))
    with ExitStack() as stack:
        cluster.connections.clear()
        cluster.connect(stack)
        assert len(cluster.connections.keys() - before) == 1
        for pid in cluster.connections:
            assert cluster.ask(pid, cluster.gateway.key) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_all_in_order(cluster: Cluster, number: signal.Signals) -> None:
    workers = [psutil.Process(pid) for pid in cluster.workers()]
    os.kill(cluster.gateway.pid, number)
    assert cluster.gateway.wait() == 0
    assert not [worker for worker in workers if worker.is_running()]


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, None, "--workers", "2")
    gateway.__enter__()
    try:
        workers = [psutil.Process(pid) for pid in Cluster(gateway, 2, tmp_path).workers()]
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait()
        # A dead one stays as a zombie where nobody takes leave of orphans.
        deadline_s = time.monotonic() + 10
        while any(is_alive(worker) for worker in workers):
            assert time.monotonic() < deadline_s
    finally:
        gateway.stop()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_mistake_of_the_operator_ends_the_start_with_one_line(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url("postgres", password="hunter2")
    done = run(
        *("serve", "--port", "0", "--workers", "3", "--data", str(tmp_path)),
        environment={"NAGARA_DATABASE_URL": url},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "refuses the user or the password" in done.stderr
    assert "hunter2" not in done.stderr


def test_two_machines_need_the_same_secret(postgres_url: str, tmp_path: Path) -> None:
    environment = {"NAGARA_DATABASE_URL": postgres_url}
    with GatewayProcess(tmp_path / "one", environment):
        done = run(
            *("serve", "--port", "0", "--data", str(tmp_path / "two")), environment=environment
        )
        assert done.returncode == 1
        assert "copy it from another machine that uses this database" in done.stderr
        secret = (tmp_path / "one" / "secret.key").read_bytes().hex()
        with GatewayProcess(tmp_path / "two", {**environment, "NAGARA_SECRET": secret}) as other:
            assert "First start" not in other.output
    # With the secret given, nothing has to be kept on the machine.
    assert not (tmp_path / "two").exists()
