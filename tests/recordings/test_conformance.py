"""Recorded answers through every dialect: see `conformance.py`, and `docs/conformance.md`.

The oracle is held first: what each SDK makes of a recording without the gateway is what the oracle
reads from its bytes, so a difference behind the gateway is the gateway's.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from tests.recordings.askers import ASKERS, ask
from tests.recordings.comparison import Ask, compare
from tests.recordings.conformance import PAGE, run
from tests.recordings.exchanges import Recordings, read_exchanges
from tests.recordings.oracle import expect
from tests.recordings.recorded import needs_recordings
from tests.recordings.replay import replaying
from tests.recordings.report import Result, read_known, render

pytestmark = [
    needs_recordings,
    pytest.mark.timeout(600),
    # The SDKs read leniently, and pydantic warns of what a provider sent beside the documentation.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]

HAS_BOTOCORE = importlib.util.find_spec("botocore") is not None
HAS_GOOGLE = (
    importlib.util.find_spec("google.genai") is not None
    if (importlib.util.find_spec("google"))
    else False
)
DIALECTS = [name for name in ASKERS if name != "gemini" or HAS_GOOGLE]


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    """Every recorded generation."""
    return read_exchanges()


@pytest.fixture(scope="module")
def replay_url(recordings: Recordings) -> Iterator[str]:
    """The address of a replay of them."""
    with replaying() as url:
        yield url


@pytest.fixture(scope="module")
def results(recordings: Recordings, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """The outcome of asking for every one in every dialect whose SDK is installed."""
    if not HAS_BOTOCORE:
        pytest.skip("botocore reads Bedrock's recordings: make install-clients")
    return run(recordings, tmp_path_factory.mktemp("gateway"), DIALECTS)


@pytest.mark.parametrize("dialect", list(ASKERS))
def test_oracle_reads_a_recording_as_its_sdk_does(
    dialect: str, recordings: Recordings, replay_url: str
) -> None:
    if dialect not in DIALECTS:
        pytest.skip("google-genai is not installed: make install-clients")
    wrong, seen = [], 0
    with closing(ASKERS[dialect](replay_url, "ng-test-key")) as asker:
        for exchange in recordings.exchanges.values():
            if exchange.wire != dialect:
                continue
            one = Ask(exchange.id, exchange.wire, dialect, exchange.is_stream, exchange.is_stream)
            got = ask(asker, dialect, exchange.id, is_streamed=exchange.is_stream)
            found = compare(expect(exchange), got, one)
            wrong += [(exchange.id, name, text) for name, text in found.items() if text]
            seen += 1
    assert not wrong
    assert seen


def test_every_recorded_answer_comes_through_every_dialect_whole(
    results: Sequence[Result],
) -> None:
    known = read_known()
    wrong = [
        f"{failure.case} {failure.dialect} {failure.mode} {failure.feature}: {text}"
        for result in results
        for failure, text in result.failures()
        if failure not in known
    ]
    assert not wrong, f"{len(wrong)} of them:\n" + "\n".join(wrong[:40])


def test_no_known_failure_passes_by_now(results: Sequence[Result]) -> None:
    failing = {failure for result in results for failure, _ in result.failures()}
    asked = {(r.ask.case, r.ask.dialect, r.ask.mode) for r in results}
    known = {f for f in read_known() if (f.case, f.dialect, f.mode) in asked}
    assert sorted(known - failing) == []


def test_page_is_what_the_run_gives(recordings: Recordings, results: Sequence[Result]) -> None:
    if "NAGARA_RECORDINGS" in os.environ or not HAS_GOOGLE:
        pytest.skip("the page is of the recordings beside the repository, and of all dialects")
    assert PAGE.read_text().startswith(render(recordings, results)), "make conformance"
