"""`python -m tests.simulation --seed 7 --requests 100000`: one run again, with what came up."""

import argparse
import time

from tests.simulation.world import World


def main() -> None:
    """Run one seed; a broken promise ends it with a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    began_s = time.monotonic()
    world = World(options.seed)
    world.run(options.requests)
    world.check_end()
    for what, count in sorted(world.truth.counts.items()):
        print(f"{count:8} {what}")
    print(f"seed {options.seed}: all is as it should be, after {time.monotonic() - began_s:.1f} s")


if __name__ == "__main__":
    main()
