"""Voyage AI: embeddings and rankings."""

from nagara.dialects.embeddings.traits import Trait
from nagara.dialects.rerank.wires import Form
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="voyage",
    display_name="Voyage AI",
    homepage="https://www.voyageai.com",
    base_url="https://api.voyageai.com/v1",
    base_url_env="VOYAGE_BASE_URL",
    credential_env=("VOYAGE_API_KEY",),
    paths={
        Operation.EMBEDDINGS: "/embeddings",
        Operation.RERANK: "/rerank",
    },
    forms={Operation.RERANK: {"": Form.VOYAGE}},
    # https://docs.voyageai.com/reference/embeddings-api
    inputs_max={Operation.EMBEDDINGS: 1000},
    tokens_max={
        Operation.EMBEDDINGS: {
            r"-lite": 1_000_000,
            r"^voyage-(4|3\.5|3|2)$": 320_000,
            "": 120_000,
        }
    },
    traits=frozenset({Trait.OUTPUT_DIMENSION, Trait.FLOAT_UNSAID, Trait.TEXT_ONLY, Trait.NO_USER}),
    evidence=Evidence(
        # OpenAI's `dimensions` is a 400 there (its own is `output_dimension`), and so is
        # `encoding_format: float`; base64, which OpenAI's SDK asks for by itself, is taken.
        pages=(
            "https://docs.voyageai.com/reference/embeddings-api",
            "https://github.com/voyage-ai/voyageai-python",
            "https://github.com/garrytan/gbrain/pull/735",
            "https://github.com/vectorize-io/hindsight/pull/928",
        ),
        checked_on="2026-11-30",
        unverified="that `user` is refused, beyond its absence from the SDK",
    ),
)
