"""`nagara ledger`: whether the books agree with themselves.

Reads only; may run beside a gateway that serves. Exit code 1 when anything is off, for scripts.
"""

import asyncio
import sys

import click
import msgspec

from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_json
from nagara.cli.store import open_store
from nagara.storage.verify import Discrepancy, Verification
from nagara.storage.verify import verify as verify_ledger


@click.group(no_args_is_help=True)
def ledger() -> None:
    """Check the ledger."""


@ledger.command()
@as_json
@takes_place
def verify(is_json: bool, place: Place) -> None:
    """Compute every balance and charge again.

    Sums, too: each from the rows behind it. The exit code is 1 where one does not agree.
    """

    async def check() -> Verification:
        async with open_store(place) as driver:
            return await verify_ledger(driver)

    found = asyncio.run(check())
    if is_json:
        wrong = [msgspec.structs.asdict(each) for each in found.discrepancies]
        print_json({"ok": not wrong, "discrepancies": wrong, "counts": found.counts})
    else:
        _print(found)
    sys.exit(1 if found.discrepancies else 0)


def _print(found: Verification) -> None:
    for each in found.discrepancies:
        click.echo(_describe(each), err=True)
    counts = ", ".join(_count(count, name) for name, count in found.counts.items())
    if found.discrepancies:
        places = _count(len(found.discrepancies), "places")
        click.echo(f"The ledger is off in {places} ({counts}).", err=True)
        click.echo("Amounts are in billionths of a dollar, rates in trillionths.", err=True)
    else:
        click.echo(f"The ledger agrees with itself: {counts}.")


def _count(count: int, plural: str) -> str:
    return f"1 {plural.removesuffix('s')}" if count == 1 else f"{count} {plural}"


def _describe(wrong: Discrepancy) -> str:
    return f"{wrong.check}: {wrong.subject} has {wrong.kept}, and should have {wrong.computed}"
