"""`python -m tests.simulation.real --store sqlite --seconds 180 --seed 7`: a run of any length."""

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.postgres import started
from tests.simulation.real.run import Terms, describe, play

GATEWAYS = {"sqlite": 2, "postgres": 3}


def main() -> None:
    """Run once; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.real", description=__doc__)
    parser.add_argument("--store", choices=list(GATEWAYS), default="sqlite")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nagara-real-")))
        url = None
        if options.store == "postgres":
            url = stack.enter_context(started()).make_schema()
        terms = Terms(
            seed=options.seed, seconds=options.seconds, gateways=GATEWAYS[options.store], url=url
        )
        report = asyncio.run(play(terms, folder))
    print(describe(report))
    print(f"seed {options.seed}: {'all is as it should be' if not report.faults else 'BROKEN'}")
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
