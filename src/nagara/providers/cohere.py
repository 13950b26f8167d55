"""Cohere, through its compatibility endpoint: chat and embeddings."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
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
        Operation.EMBEDDINGS: "/embeddings",
    },
    # https://docs.cohere.com/docs/compatibility-api#unsupported-parameters
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.PARALLEL_SWITCH, Ability.USER}),
    evidence=Evidence(
        pages=(
            "https://docs.cohere.com/docs/compatibility-api",
            "https://docs.cohere.com/changelog/compatibility-api",
        ),
        checked_on="2026-11-23",
        unverified="the list of fields it refuses",
    ),
)
