"""What providers call the fields of a ranking, as data. Nothing else in it differs."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec


class Form(enum.StrEnum):
    """What a provider speaks, where it does not take Jina's request as it is."""

    COHERE = "rerank.cohere"
    COHERE_ON_BEDROCK = "rerank.cohere_on_bedrock"
    VOYAGE = "rerank.voyage"


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """One wire format. `extras` are fields of the caller that it has too, `fixed` its own.

    `has_model` is false where the path names the model.
    """

    top: str = "top_n"
    extras: frozenset[str] = frozenset()
    fixed: Mapping[str, object] = {}
    has_model: bool = True


WIRES: Final[Mapping[str, Wire]] = {
    # https://docs.cohere.com/reference/rerank
    Form.COHERE: Wire(extras=frozenset({"max_tokens_per_doc", "priority"})),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-card-cohere-rerank-3-5.html
    Form.COHERE_ON_BEDROCK: Wire(
        extras=frozenset({"max_tokens_per_doc"}), fixed={"api_version": 2}, has_model=False
    ),
    # https://docs.voyageai.com/reference/reranker-api
    Form.VOYAGE: Wire(top="top_k", extras=frozenset({"truncation"})),
}
"""The wire format of each form."""
