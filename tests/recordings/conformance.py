"""Every recorded answer through every dialect: `make conformance` writes the page.

The run is one gateway process before one replay process, asked by the official SDKs from a few
threads. `docs/conformance.md` is its outcome: counts of passed and failed by dialect, provider and
feature, and what fails, with its reason from `known.toml`.
"""

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from tests.recordings.askers import ASKERS, Asker, ask
from tests.recordings.carrying import carry_all
from tests.recordings.comparison import Ask, compare
from tests.recordings.exchanges import Exchange, Recordings, read_exchanges
from tests.recordings.gateway import start
from tests.recordings.oracle import expect
from tests.recordings.replay import replaying
from tests.recordings.report import Result, list_failures, render, render_requests

PAGE: Final = Path(__file__).parents[2] / "docs" / "conformance.md"
THREADS: Final = 4


def run(
    recordings: Recordings,
    folder: Path,
    dialects: Sequence[str],
    cases: Iterable[str] | None = None,
) -> list[Result]:
    """Ask for these cases (all, if None) in these dialects, both ways."""
    wanted = set(recordings.exchanges if cases is None else cases)
    exchanges = [e for e in recordings.exchanges.values() if e.id in wanted]
    models = {exchange.id: exchange.provider for exchange in exchanges}
    with (
        replaying() as replay_url,
        start(folder, models, replay_url) as gateway,
        ExitStack() as clients,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        askers = {
            name: clients.enter_context(closing(ASKERS[name](gateway.url, gateway.key)))
            for name in dialects
        }
        found = pool.map(lambda exchange: list(ask_all(exchange, askers)), exchanges)
        return [result for results in found for result in results]


def ask_all(exchange: Exchange, askers: Mapping[str, Asker]) -> Iterable[Result]:
    """One recording in every dialect, whole and streamed."""
    try:
        expected = expect(exchange)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # A recording of a new kind is to be seen as such, and not to hide the others.
        unread = {"answer": f"the oracle cannot read it: {error!r}"}
        yield Result(Ask(exchange.id, exchange.wire, "", False, False), exchange.provider, unread)
        return
    for dialect, asker in askers.items():
        for is_streamed in (False, True):
            one = Ask(exchange.id, exchange.wire, dialect, is_streamed, exchange.is_stream)
            got = ask(asker, dialect, exchange.id, is_streamed=is_streamed)
            found = compare(expected, got, one)
            yield Result(one, exchange.provider, found)


def main() -> None:
    """Run all, print what fails, and write the page unless only some cases were asked for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dialect", action="append", choices=list(ASKERS))
    parser.add_argument("--case", action="append", help="such as groq-0012, or an API's name")
    options = parser.parse_args()
    recordings = read_exchanges()
    chosen = tuple(options.case or ())
    cases = [case for case in recordings.exchanges if case.startswith(chosen)] if chosen else None
    with tempfile.TemporaryDirectory() as folder:
        results = run(recordings, Path(folder), options.dialect or list(ASKERS), cases)
    for failure, wrong in (found for result in results for found in result.failures()):
        recording = recordings.exchanges[failure.case].recording
        print(f"{failure.case} {failure.dialect} {failure.mode} {failure.feature}: {wrong}")
        print(f"    {recording}")
    if not options.dialect and not chosen:
        with tempfile.TemporaryDirectory() as folder:
            carried = carry_all(recordings, Path(folder))
        for failure, text in list_failures(carried).items():
            print(f"{failure.case} to {failure.dialect} {failure.feature}: {text}")
        PAGE.write_text(render(recordings, results) + render_requests(carried))


if __name__ == "__main__":
    main()
