"""Cohere: chat through its compatibility endpoint, embeddings and rankings in its own formats."""

from nagara.dialects.embeddings.traits import Form
from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.rerank.wires import Form as RerankForm
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="cohere",
    display_name="Cohere",
    homepage="https://cohere.com",
    base_url="https://api.cohere.ai/compatibility/v1",
    base_url_env="COHERE_BASE_URL",
    credential_env=(
        "COHERE_API_KEY",
        "CO_API_KEY",
    ),
    paths={
        Operation.CHAT: "/chat/completions",
        # The compatible one has no `dimensions` and does not say what inputs are meant for.
        Operation.EMBEDDINGS: "/../../v2/embed",
        Operation.RERANK: "/../../v2/rerank",
    },
    forms={
        Operation.EMBEDDINGS: {"": Form.COHERE},
        Operation.RERANK: {"": RerankForm.COHERE},
    },
    # https://docs.cohere.com/docs/compatibility-api#unsupported-parameters
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.PARALLEL_SWITCH, Ability.USER}),
    evidence=Evidence(
        pages=(
            "https://docs.cohere.com/docs/compatibility-api",
            "https://docs.cohere.com/changelog/compatibility-api",
            "https://docs.cohere.com/reference/embed",
            "https://docs.cohere.com/reference/rerank",
        ),
        checked_on="2026-11-30",
        unverified="the list of fields it refuses",
    ),
)
