"""Cohere: chat through its compatibility endpoint, embeddings in its own format."""

from nagara.dialects.embeddings.traits import Form
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
        # The compatible one has no `dimensions` and does not say what inputs are meant for.
        Operation.EMBEDDINGS: "/../../v2/embed",
    },
    forms={Operation.EMBEDDINGS: {"": Form.COHERE}},
    # https://docs.cohere.com/docs/compatibility-api#unsupported-parameters
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.PARALLEL_SWITCH, Ability.USER}),
    evidence=Evidence(
        pages=(
            "https://docs.cohere.com/docs/compatibility-api",
            "https://docs.cohere.com/changelog/compatibility-api",
            "https://docs.cohere.com/reference/embed",
        ),
        checked_on="2026-11-30",
        unverified="the list of fields it refuses",
    ),
)
