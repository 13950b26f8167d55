"""The sandbox ranks by shared words, the same each time."""

import json
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Script


def ask(**fields: Any) -> Script:
    body = {"model": "rerank-v3.5", "query": "a red fox", **fields}
    return write_script(
        Operation.RERANK, "rerank-v3.5", json.dumps(body).encode(), now_s=0, request_id="r"
    )


def said(script: Script) -> Any:
    return json.loads(b"".join(step for step in script.steps if isinstance(step, bytes)))


DOCUMENTS = ["nothing of it", "a red fox", {"title": "fox", "text": "a fox"}, "a fox runs"]


def test_document_with_more_of_the_query_comes_first() -> None:
    answer = said(ask(documents=DOCUMENTS))
    assert [result["index"] for result in answer["results"]] == [1, 2, 3, 0]
    assert answer["results"][0]["relevance_score"] == 1.0
    assert answer["results"][-1]["relevance_score"] == 0.0
    assert answer == said(ask(documents=DOCUMENTS))


def test_no_more_are_given_than_asked_for() -> None:
    assert len(said(ask(documents=DOCUMENTS, top_n=2))["results"]) == 2


@pytest.mark.parametrize("fields", [{"documents": []}, {"documents": [1]}, {}])
def test_wrong_documents_are_refused(fields: dict[str, Any]) -> None:
    assert ask(**fields).status == 400
