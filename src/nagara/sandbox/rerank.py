"""Ranking without a model: a document is the better, the more of the query's words it has.

The API is https://docs.cohere.com/reference/rerank.
"""

from typing import Any, Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.embeddings import WORD
from nagara.sandbox.request import Field
from nagara.sandbox.script import Answered, make_json_script
from nagara.sandbox.text import count_tokens

DOCUMENTS_MAX: Final = 1_000
DOCUMENTS_PER_SEARCH: Final = 100


def answer_rerank(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for a ranking. Raises `BadRequest`."""
    query = body["query"].read_text()
    items = body["documents"].read_items(least=1, most=DOCUMENTS_MAX)
    texts = [read_document(item) for item in items]
    scores = sorted(((rate(query, text), -i) for i, text in enumerate(texts)), reverse=True)
    top_n = body["top_n"].find_integer(1) or len(texts)
    results = [{"index": -place, "relevance_score": score} for score, place in scores[:top_n]]
    tokens = sum(count_tokens(query) + count_tokens(text) for text in texts)
    answer: dict[str, Any] = {
        "id": ids.make("rerank-"),
        "object": "list",
        "model": model,
        "results": results,
        "meta": {"billed_units": {"search_units": -(-len(texts) // DOCUMENTS_PER_SEARCH)}},
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    script = make_json_script(answer, headers=[("x-request-id", ids.make("req_"))])
    return Answered(script, query)


def read_document(field: Field) -> str:
    """The text of a document, which may be an object's fields."""
    if isinstance(field.value, dict):
        return " ".join(text for text in field.value.values() if isinstance(text, str))
    return field.read_text()


def rate(query: str, document: str) -> float:
    """The share of the query's words that the document has, less a little for words beside them."""
    wanted, found = (set(WORD.findall(text.lower())) for text in (query, document))
    shared = len(wanted & found)
    return round(shared / (len(wanted) + len(found - wanted) / 100), 6) if wanted else 0.0
