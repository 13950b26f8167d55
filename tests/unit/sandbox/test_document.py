"""Every example of the sandbox's document does what the document says."""

import json
import re
from pathlib import Path

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Cut

DOCUMENT = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
EXAMPLES = re.findall(r"^ask (\S+) '(.*?)'$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_example_is_answered(path: str, body: str) -> None:
    asked = json.loads(body)
    operation = Operation(path.replace("/", "."))
    script = write_script(operation, asked["model"], body.encode(), now_s=0, request_id="r")
    is_cut = Cut() in script.steps
    expected = 429 if "fail-429" in body else 400 if '"messages": []' in body else 200
    assert (script.status, is_cut) == (expected, "cut-stream" in body)


def test_there_is_an_example_for_every_operation() -> None:
    google = {Operation.GENERATE_CONTENT, Operation.COUNT_CONTENT_TOKENS}
    only_upstream = {Operation.CONVERSE, *google}
    # Their examples are forms, and no JSON.
    forms = {
        Operation.IMAGE_EDITS,
        Operation.IMAGE_VARIATIONS,
        Operation.TRANSCRIPTIONS,
        Operation.TRANSLATIONS,
    }
    shown = {path.replace("/", ".") for path, _ in EXAMPLES}
    assert shown == set(Operation) - only_upstream - forms
