"""Recorded requests in every other dialect: see `carrying.py`."""

import importlib.util
import os

import pytest
from tests.recordings.carrying import carry_all
from tests.recordings.conformance import PAGE
from tests.recordings.contents import Contents, find_lost, read_contents
from tests.recordings.exchanges import read_exchanges
from tests.recordings.recorded import needs_recordings
from tests.recordings.report import Carried, list_failures, outcome_of, read_known, render_requests


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> list[Carried]:
    """What became of every request."""
    for name in ("botocore", "google"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name}'s published types are not installed: make install-clients")
    return carry_all(read_exchanges(), tmp_path_factory.mktemp("gateway"))


@needs_recordings
@pytest.mark.timeout(600)
def test_every_recorded_request_arrives_whole_and_well_formed(carried: list[Carried]) -> None:
    known = read_known(table="request")
    failing = list_failures(carried)
    wrong = [f"{failure}: {text}" for failure, text in failing.items() if failure not in known]
    assert not wrong, f"{len(wrong)} of them:\n" + "\n".join(wrong[:40])
    assert any(outcome_of(each) == "arrived" for each in carried)


@needs_recordings
@pytest.mark.timeout(600)
def test_no_request_that_is_known_to_fail_arrives_by_now(carried: list[Carried]) -> None:
    assert sorted(read_known(table="request").keys() - list_failures(carried).keys()) == []


@needs_recordings
@pytest.mark.timeout(600)
def test_page_tells_of_requests_what_the_run_gives(carried: list[Carried]) -> None:
    if "NAGARA_RECORDINGS" in os.environ:
        pytest.skip("the page is of the recordings beside the repository")
    assert PAGE.read_text().endswith(render_requests(carried)), "make conformance"


def test_contents_are_found_missed_and_told_apart() -> None:
    body = {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Look:"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "function_call_output", "call_id": "1", "output": "It rains."},
        ],
        "tools": [{"type": "function", "name": "look"}, {"type": "web_search"}],
    }
    contents = read_contents("responses", body)
    assert contents == Contents(
        texts=frozenset({"Be brief.", "Look:", "It rains."}),
        tools=frozenset({"look"}),
        media=frozenset({"https://a/b.png"}),
    )
    arrived = {"contents": ["Look:", "Be brief.", '{"output": "It rains."}'], "name": "look"}
    assert find_lost(contents, arrived) == {"media": ["https://a/b.png"]}
