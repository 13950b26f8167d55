"""Every case becomes exactly what its files say."""

import pytest

from tests.golden.cases import CASES, FOLDER, OPERATIONS, AnswerCase, RequestCase, is_input
from tests.golden.clients import FIRST_REQUESTS

REQUESTS = {"image_input", "inline_media", "structured_output", "tool_results"}
ANSWERS = {"parallel_calls", "reasoning_with_tools", "refusal", "citation", "error_midstream"}


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.folder.parent.name}-{case.folder.name}"
)
def test_case_becomes_what_its_files_say(case: RequestCase | AnswerCase) -> None:
    for name, text in case.expect().items():
        path = case.folder / name
        assert path.is_file(), f"run `make golden`, and read {path}"
        assert text == path.read_bytes().decode(), f"{path} says otherwise"


def test_no_file_is_left_of_a_case_that_is_gone() -> None:
    expected = {case.folder / name for case in CASES for name in case.expect()}
    assert {path for path in FOLDER.glob("*/*/*") if not is_input(path)} == expected


def test_every_dialect_has_every_case() -> None:
    asked = {(c.folder.parent.name, c.folder.name) for c in CASES if isinstance(c, RequestCase)}
    told = {(c.folder.parent.name, c.folder.name) for c in CASES if isinstance(c, AnswerCase)}
    assert asked == {(caller, name) for caller in FIRST_REQUESTS for name in REQUESTS}
    assert told == {(upstream, name) for upstream in OPERATIONS for name in ANSWERS}
