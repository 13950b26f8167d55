"""Recorded requests in every other dialect: see `carrying.py`."""

import importlib.util

import pytest
from tests.recordings.carrying import carry_all, failures
from tests.recordings.contents import Contents, find_lost, read_contents
from tests.recordings.exchanges import read_exchanges
from tests.recordings.recorded import needs_recordings
from tests.recordings.report import Failure, read_known


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> dict[Failure, str]:
    """What is wrong with what arrives."""
    for name in ("botocore", "google"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name}'s published types are not installed: make install-clients")
    found = carry_all(read_exchanges(), tmp_path_factory.mktemp("gateway"))
    assert any(carried.wrong == {} and not carried.refusal for carried in found)
    return failures(found)


@needs_recordings
@pytest.mark.timeout(600)
def test_every_recorded_request_arrives_whole_and_well_formed(failing: dict[Failure, str]) -> None:
    known = read_known(table="request")
    wrong = [f"{failure}: {text}" for failure, text in failing.items() if failure not in known]
    assert not wrong, f"{len(wrong)} of them:\n" + "\n".join(wrong[:40])


@needs_recordings
@pytest.mark.timeout(600)
def test_no_request_that_is_known_to_fail_arrives_by_now(failing: dict[Failure, str]) -> None:
    assert sorted(read_known(table="request").keys() - failing.keys()) == []


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
