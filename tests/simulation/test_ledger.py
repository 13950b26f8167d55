"""The ledger through 100,000 requests of a simulated gateway in which everything goes wrong."""

import pytest

from tests.simulation.world import World

REQUESTS = 100_000
SEEDS = (1,)
SHORT_REQUESTS = 3_000
SHORT_SEEDS = range(100, 110)

CAME_UP = {
    "clocks that jumped",
    "crashes",
    "failed",
    "grant",
    "holds of unknown end",
    "left",
    "ok",
    "overrun",
    "refund",
    "refused by the balance",
    "refused by the key's limit",
    "settlements sent again",
    "stalls",
    "turns that ended grants",
    "turns that reaped",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_ledger_is_whole_after_100_000_requests(seed: int) -> None:
    world = play(seed, REQUESTS)
    assert set(world.truth.counts) >= CAME_UP, "the simulation does not reach what it is for"


@pytest.mark.parametrize("seed", SHORT_SEEDS)
def test_ledger_is_whole_after_many_beginnings(seed: int) -> None:
    play(seed, SHORT_REQUESTS)


def test_the_same_seed_is_the_same_run() -> None:
    assert play(7, 500).truth.counts == play(7, 500).truth.counts


def play(seed: int, requests: int) -> World:
    """One run; what is wrong comes with the command that runs it again."""
    again = f"python -m tests.simulation --seed {seed} --requests {requests}"
    world = World(seed)
    try:
        world.run(requests)
        world.check_end()
    except Exception as error:
        raise AssertionError(f"{error!r}; again by: {again}") from error
    finally:
        for node in world.nodes:
            node.end()
    return world
