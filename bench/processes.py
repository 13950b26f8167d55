"""Processes of the bench: started on one core, asked for their CPU time, ended by their pid.

The CPU time is the scheduler's own account of a process and its children (user and system), so what
the load generator or the upstream takes is never counted. Whatever is started here is ended when
its `with` block is left, however it is left. Nothing here knows what it is that runs.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

END_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.002


class Cores(NamedTuple):
    """One core for what is measured, another for everything else."""

    measured: int
    load: int


class BenchError(Exception):
    """A run that gives no figures; the message says why."""


def pick_cores() -> Cores:
    """The last two cores that this process may use. Raises `BenchError` where there is one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("the bench needs two cores: one is measured, the other makes the load")
    return Cores(measured=usable[-1], load=usable[-2])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Everything started inside inherits this one core from its first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str],
    *,
    core: int,
    output: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[psutil.Process]:
    """Run `command` on `core` until the block is left; its output goes to a file or nowhere."""
    with open(output or os.devnull, "wb") as sink:
        with pinned(core):
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env
            )
        try:
            yield psutil.Process(process.pid)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU, user and system, that `process` and its children have used so far.

    Thread by thread, in nanoseconds: a process's sums come in ticks of 10 ms, and nginx takes some
    twenty of them in a round.
    """
    family = [process, *process.children(recursive=True)]
    return sum(_ran_ns(each.pid) for each in family) / 1e9


def _ran_ns(pid: int) -> int:
    # https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    accounts = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(account.read_text().split()[0]) for account in accounts)


def resident_bytes(process: psutil.Process) -> int:
    """Resident memory of `process` and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in family)


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for_ok(process: psutil.Process, port: int, path: str, timeout_s: float = 20.0) -> None:
    """Return at the first 200 for `GET path`. Raises `BenchError` if the process ends before."""
    deadline = time.monotonic() + timeout_s
    while not _answers_ok(port, path):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise BenchError(f"{process.pid} ended before it answered {path!r}")
        if time.monotonic() > deadline:
            raise BenchError(f"port {port} did not answer {path!r} within {timeout_s:g} s")
        time.sleep(POLL_INTERVAL_S)


def _answers_ok(port: int, path: str) -> bool:
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(head)
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
