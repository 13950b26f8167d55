"""Figures of a run, as ratios to the floor with the targets beside them.

Pure: it computes and words what was measured, and never judges a run as failed, because a figure
that depends on the machine is not a test.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


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


def as_records(lines: Sequence[Line]) -> list[dict[str, object]]:
    """The same as JSON-able records, for a machine that keeps a history."""
    return [{**line._asdict(), "is_met": line.is_met} for line in lines]
