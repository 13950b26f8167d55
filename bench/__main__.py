"""`python -m bench`: the gateway and nginx in turn, before the same upstream, on the same core.

Rounds alternate, so that whatever else the machine does falls on both alike, and the medians are
compared. Calls of 1 KB are measured twice, because the two say different things. At full load each
is driven as fast as it goes, many times as fast for nginx: its messages come in batches, and it
never has to wake a sleeping client or upstream, which the kernel charges to the sender. At a fixed
rate both do the same work in the same time. Translation between dialects is measured without
sockets, in this process; so are holds and posts, with `--ledger` alone. With `--speech` alone it is
told how long the first byte of speech is on its way. It ends by itself in under
120 seconds, leaves nothing running and no file behind.
Exit codes: 0 with figures, met or not; 1 when a run failed; 2 when a program is missing.
"""

import argparse
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import ledger, load, paced, processes, report, speech, subjects, translation
from bench.paced import Latencies, Pace
from bench.processes import BenchError, Cores
from bench.report import Line, Round
from bench.subjects import FREE_MODEL, Subject
from bench.translation import Pair
from bench.upstreams import MODEL, READY_PATH, nginx_upstream_config

PAID_TARGET = 6.0
FREE_TARGET = 4.5
STREAM_TARGET = 1.8
READY_TARGET_S = 1.0
IDLE_TARGET_MB = 100.0

Measure = Callable[[Subject], float]
"""One round: puts load on a subject and gives the CPU µs it took for each unit of work."""


def main() -> int:
    """Run everything and print it; the exit code."""
    options = _read_options()
    if options.ledger:
        return run_ledger(options)
    if options.speech:
        return run_speech(options)
    return run_translation(options) if options.translation else run_all(options)


def run_ledger(options: argparse.Namespace) -> int:
    """Only the ledger, which needs no other program; the exit code."""
    pairs, flush_us = ledger.measure_sqlite(options.seconds)
    pairs += ledger.measure_postgres(options.seconds)
    if options.json:
        print(json.dumps({"flush_us": flush_us, "pairs": [each._asdict() for each in pairs]}))
    else:
        print(ledger.render(pairs, flush_us))
    return 0


def run_speech(options: argparse.Namespace) -> int:
    """Only the first byte of speech, which needs no other program; the exit code."""
    try:
        passages = speech.measure()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        records = [
            {"way": x.name, "p50_ms": x.percentile(50), "p99_ms": x.percentile(99)}
            for x in passages
        ]
        print(json.dumps({"first_byte_of_speech": records}))
    else:
        print(speech.render(passages))
    return 0


def run_translation(options: argparse.Namespace) -> int:
    """Only what needs no other program; the exit code."""
    try:
        pairs = translation.measure(options.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    _print(report.slowest_lines(pairs), pairs, options)
    return 0


def run_all(options: argparse.Namespace) -> int:
    """All figures; the exit code."""
    programs = {name: _find(name) for name in ("nginx", "wrk")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        names = " ".join(missing)
        print(f"The bench needs {names}; on Debian and Ubuntu: apt-get install {names}",
              file=sys.stderr)  # fmt: skip
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="nagara-bench-") as folder:
            lines = run(Path(folder), str(programs["nginx"]), str(programs["wrk"]), options)
        pairs = translation.measure(options.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    _print([*lines, *report.slowest_lines(pairs)], pairs, options)
    return 0


def _print(lines: Sequence[Line], pairs: Sequence[Pair], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(report.as_records(lines, pairs)))
    else:
        print(f"{report.render(lines)}\n\n{report.render_pairs(pairs)}")
        # How it was built is an eighth of a call.
        print(f"\nWith Python {platform.python_version()}, in {sys.base_prefix}.")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each subject")
    parser.add_argument("--seconds", type=int, default=2, help="length of a plain round")
    parser.add_argument("--turns", type=int, default=2, help="streams a connection in a round")
    parser.add_argument("--translation", action="store_true", help="only between dialects")
    parser.add_argument("--ledger", action="store_true", help="only holds and posts")
    parser.add_argument("--speech", action="store_true", help="only the first byte of speech")
    parser.add_argument("--json", action="store_true", help="print records, not a table")
    return parser.parse_args()


def _find(program: str) -> str | None:
    """Its path; Debian keeps nginx where a user's PATH does not look."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def run(folder: Path, nginx: str, wrk: str, options: argparse.Namespace) -> list[Line]:
    """All figures of one run. Raises `BenchError` when anything could not be measured."""
    cores = processes.pick_cores()
    with plain_upstream(nginx, cores.load, folder / "plain-upstream") as upstream_port:
        start = subjects.measure_starts(upstream_port, cores.measured, folder)
        key = subjects.make_key(folder / "data")
        plain = _rounds(
            folder / "plain", folder / "data", nginx, upstream_port, cores, options.rounds,
            _plain_measure(folder, wrk, key, cores, options.seconds),
        )  # fmt: skip
        at_rate = {
            model: _rounds(
                folder / model, folder / "data", nginx, upstream_port, cores, options.rounds,
                _paced_measure(_pace(key, model, paced.PACED_PER_S), cores, options.seconds),
            )
            for model in (MODEL, FREE_MODEL)
        }  # fmt: skip
        latencies = _latencies(folder, nginx, upstream_port, key, cores, options)
    with stream_upstream(cores.load) as upstream_port:
        reads: dict[str, list[float]] = {"nagara": [], "nginx": []}
        streamed = _rounds(
            folder / "streamed", folder / "data", nginx, upstream_port, cores, options.rounds,
            _stream_measure(key, cores, options.turns, reads),
        )  # fmt: skip
    alone = {name: sum(each) / len(each) for name, each in reads.items()}
    return [
        report.ratio_line(f"paid call, {paced.PACED_PER_S} a second", at_rate[MODEL], PAID_TARGET),
        report.ratio_line(
            f"free call, {paced.PACED_PER_S} a second", at_rate[FREE_MODEL], FREE_TARGET
        ),
        report.ratio_line("paid call, at full load", plain, PAID_TARGET),
        *paced.latency_lines(latencies),
        report.ratio_line(
            "streamed chunk", streamed, STREAM_TARGET,
            f"; reads a chunk {alone['nagara']:.2f} and {alone['nginx']:.2f}",
        ),
        Line("time to ready", start.later_s, READY_TARGET_S, "s",
             f"first start {start.first_s:.2f} s"),
        Line("idle memory", start.idle_bytes / 1e6, IDLE_TARGET_MB, "MB", "resident"),
    ]  # fmt: skip


@contextmanager
def plain_upstream(nginx: str, core: int, folder: Path) -> Iterator[int]:
    """The upstream of plain calls; its port."""
    port = processes.free_port()
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(nginx_upstream_config(port, folder))
    with processes.running([nginx, "-c", str(config), "-p", str(folder)], core=core) as process:
        processes.wait_for_ok(process, port, READY_PATH)
        yield port


@contextmanager
def stream_upstream(core: int) -> Iterator[int]:
    """The upstream of streams; its port."""
    port = processes.free_port()
    command = [sys.executable, "-m", "bench.upstreams", str(port)]
    with processes.running(command, core=core) as process:
        processes.wait_for_ok(process, port, READY_PATH)
        yield port


def _rounds(
    folder: Path,
    data: Path,
    nginx: str,
    upstream_port: int,
    cores: Cores,
    count: int,
    measure: Measure,
) -> list[Round]:
    """Gateway and nginx in turn, `count` times each, started anew and warmed up each time.

    How a process happens to lie in memory makes it a tenth dearer or cheaper, for as long as it
    runs.
    """
    folder.mkdir()
    rounds = []
    for number in range(count):
        with ExitStack() as stack:
            pair = [
                stack.enter_context(subjects.gateway(upstream_port, cores.measured, data)),
                stack.enter_context(
                    subjects.nginx_proxy(nginx, upstream_port, cores.measured, folder / f"{number}")
                ),
            ]
            for subject in pair:
                measure(subject)
            rounds += [Round(each.name, measure(each)) for each in pair]
    return rounds


def _plain_measure(folder: Path, wrk: str, key: str, cores: Cores, seconds: int) -> Measure:
    script = folder / "chat.lua"
    load.write_wrk_script(script, key)

    def measure(subject: Subject) -> float:
        load.check_plain(subject.port, key)
        before_s = processes.cpu_s(subject.process)
        seen = load.plain(wrk, subject.port, script, cores.load, seconds)
        return (processes.cpu_s(subject.process) - before_s) / seen.requests * 1e6

    return measure


def _pace(key: str, model: str, per_s: int) -> Pace:
    return Pace(key, load.chat_body(is_streamed=False, model=model), per_s)


def _paced_measure(pace: Pace, cores: Cores, seconds: int) -> Measure:
    def measure(subject: Subject) -> float:
        before_s = processes.cpu_s(subject.process)
        calls = len(paced.post(subject.port, pace, cores.load, seconds))
        return (processes.cpu_s(subject.process) - before_s) / calls * 1e6

    return measure


def _latencies(
    folder: Path,
    nginx: str,
    upstream_port: int,
    key: str,
    cores: Cores,
    options: argparse.Namespace,
) -> Latencies:
    """What calls took that were paid for, that were free, and through nginx, in turn."""
    took_ms: dict[str, list[list[float]]] = {"paid": [], "free": [], "nginx": []}
    with (
        subjects.gateway(upstream_port, cores.measured, folder / "data") as ours,
        subjects.nginx_proxy(nginx, upstream_port, cores.measured, folder / "latency") as floor,
    ):
        paid, free = (_pace(key, name, paced.LATENCY_PER_S) for name in (MODEL, FREE_MODEL))
        asked = (("paid", ours, paid), ("free", ours, free), ("nginx", floor, paid))
        for turn in range(1 + options.rounds):
            for name, subject, pace in asked:
                took = paced.post(subject.port, pace, cores.load, options.seconds)
                # The first turn only warms them up.
                took_ms[name] += [took] if turn else []
    return took_ms


def _stream_measure(key: str, cores: Cores, turns: int, reads: dict[str, list[float]]) -> Measure:
    def measure(subject: Subject) -> float:
        before_s = processes.cpu_s(subject.process)
        seen = load.streams(subject.port, key, cores.load, turns)
        reads[subject.name].append(seen.reads / seen.chunks)
        return (processes.cpu_s(subject.process) - before_s) / seen.chunks * 1e6

    return measure


if __name__ == "__main__":
    sys.exit(main())
