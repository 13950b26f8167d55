"""Figures of a run, as ratios to the floor with the targets beside them.

Pure: it computes and words what was measured, and never judges a run as failed, because a figure
that depends on the machine is not a test.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from bench.translation import CHUNK_TARGET_US, REQUEST_TARGET_US, Pair


class Round(NamedTuple):
    """One measurement of one subject: CPU µs for each unit of work."""

    subject: str
    unit_us: float


class Line(NamedTuple):
    """One figure beside what it should be; `detail` is what it was computed from."""

    name: str
    value: float
    target: float
    unit: str
    detail: str

    @property
    def is_met(self) -> bool:
        return self.value <= self.target


def ratio_line(name: str, rounds: Sequence[Round], target: float, detail: str = "") -> Line:
    """The gateway's median beside nginx's, from alternating rounds of both."""
    ours, floor = unit_us(rounds, "nagara"), unit_us(rounds, "nginx")
    measured = f"{ours:.1f} µs beside {floor:.1f} µs, median of {len(rounds) // 2} rounds"
    return Line(name, ours / floor, target, "times nginx", f"{measured}{detail}")


def unit_us(rounds: Sequence[Round], subject: str) -> float:
    """The median CPU µs a unit of `subject`."""
    return statistics.median(each.unit_us for each in rounds if each.subject == subject)


def render(lines: Sequence[Line]) -> str:
    """A table for people, one figure a line."""
    return "\n".join(_row(line) for line in lines)


def _row(line: Line) -> str:
    verdict = "met" if line.is_met else "MISSED"
    figure = f"{line.value:7.2f} {line.unit}"
    target = f"target {line.target:g}"
    return f"{line.name:<28} {figure:<21} {target:<12} {verdict:<7} {line.detail}"


def slowest_lines(pairs: Sequence[Pair]) -> list[Line]:
    """The slowest translations beside their targets."""
    translated = [pair for pair in pairs if not pair.is_pass_through]
    asked = max(translated, key=lambda pair: pair.request_us)
    told = max(translated, key=lambda pair: pair.chunk_us)
    return [
        Line("translated request of 4 KB", asked.request_us, REQUEST_TARGET_US, "µs",
             f"the slowest pair: {asked.caller} to {asked.upstream}"),
        Line("translated chunk", told.chunk_us, CHUNK_TARGET_US, "µs",
             f"the slowest pair: {told.upstream} to {told.caller}"),
    ]  # fmt: skip


def render_pairs(pairs: Sequence[Pair]) -> str:
    """Two tables, callers down and providers across; brackets mark the pass-through lane."""
    requests = _grid("µs a request", {(p.caller, p.upstream): p.request_us for p in pairs})
    chunks = _grid("µs a chunk", {(p.caller, p.upstream): p.chunk_us for p in pairs})
    return f"{requests}\n\n{chunks}"


def _grid(title: str, figures: Mapping[tuple[str, str], float]) -> str:
    callers = list(dict.fromkeys(caller for caller, _ in figures))
    upstreams = list(dict.fromkeys(upstream for _, upstream in figures))
    rows = [f"{title:<20}" + "".join(f"{name:>20}" for name in upstreams)]
    for caller in callers:
        cells = (_cell(figures[caller, name], caller == name) for name in upstreams)
        rows.append(f"{caller:<20}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(rows)


def _cell(figure: float, is_pass_through: bool) -> str:
    return f"[{figure:.1f}]" if is_pass_through else f"{figure:.1f} "


def as_records(lines: Sequence[Line], pairs: Sequence[Pair] = ()) -> list[dict[str, object]]:
    """The same as JSON-able records, for a machine that keeps a history."""
    records: list[dict[str, object]] = [{**line._asdict(), "is_met": line.is_met} for line in lines]
    return records + [msgspec.structs.asdict(pair) for pair in pairs]
