"""Gateways that are killed in the middle of everything: what clients got is what was charged.

`python -m tests.simulation.real` runs the same for as long as one likes.
"""

from pathlib import Path

from tests.simulation.real.run import Terms, describe, play

SECONDS = 15.0
SEED = 36
"""Kills a gateway early, so that a slow machine gets to it."""

CAME_UP = {
    "client: broke off",
    "client: failed in the stream, 200 upstream_cut",
    "client: left",
    "client: lowered",
    "client: refused, 402 insufficient_quota",
    "client: whole",
    "deaths: gateway",
    "journal: beyond its hold",
    "journal: cut, charged, estimated",
    "journal: error, not charged",
    "journal: ok, charged",
    "journal: ok, charged, estimated",
}


async def test_two_gateways_on_one_file_lose_and_overdraw_nothing(tmp_path: Path) -> None:
    await check(Terms(seed=SEED, seconds=SECONDS, gateways=2), tmp_path)


async def test_three_gateways_on_one_postgres_lose_and_overdraw_nothing(
    tmp_path: Path, postgres_url: str
) -> None:
    await check(Terms(seed=SEED, seconds=SECONDS, gateways=3, url=postgres_url), tmp_path)


async def check(terms: Terms, folder: Path) -> None:
    """One run; what is wrong comes with its seed."""
    report = await play(terms, folder)
    said = f"seed {terms.seed}:\n{describe(report)}"
    assert not report.faults, said
    assert set(report.counts) >= CAME_UP, f"not all came up that it is for; {said}"
