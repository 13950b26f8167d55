"""The supervisor of workers, with workers that do nothing but die or wait."""

import re
import signal
import subprocess
import sys
import time

PROGRAM = """
import signal, sys
from nagara.cli.workers import Supervisor

def work(part):
    if part.is_first:
        # From before it was forked, the supervisor has heeded signals.
        tell("starts")
        part.ready()
    elif {dies}:
        return 3
    signal.pause()
    return 0

def tell(line):
    print(line, flush=True)

sys.exit(Supervisor(2, work, tell, stop_within_s=0).run(lambda: tell("stops")))
"""


def begin(*, dies: bool) -> "subprocess.Popen[str]":
    program = PROGRAM.format(dies=dies)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)
    return process.returncode, rest


def test_worker_that_keeps_dying_young_is_given_more_and_more_time() -> None:
    process = begin(dies=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "starts\n"
    since_s = time.monotonic()
    lines = [process.stdout.readline() for _ in range(3)]
    took_s = time.monotonic() - since_s
    delays = [re.findall(r"worker 1 .* ended with 3; .* in ([\d.]+) s", line) for line in lines]
    assert delays == [["0.5"], ["1"], ["2"]]
    # The third is told of after the first two delays.
    assert 1.4 < took_s < 6
    assert end(process) == (0, "stops\n")


def test_workers_that_serve_are_left_alone_and_stop_with_their_supervisor() -> None:
    process = begin(dies=False)
    assert process.stdout is not None
    assert process.stdout.readline() == "starts\n"
    assert end(process) == (0, "stops\n")
