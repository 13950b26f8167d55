"""Cerebras: chat."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="cerebras",
    display_name="Cerebras",
    homepage="https://www.cerebras.ai",
    base_url="https://api.cerebras.ai/v1",
    base_url_env="CEREBRAS_BASE_URL",
    credential_env=("CEREBRAS_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
    },
    # https://inference-docs.cerebras.ai/resources/openai: these were a 400 there
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.PENALTIES}),
    traits=frozenset({Trait.MAX_COMPLETION_TOKENS, Trait.EARLIER_REASONING, Trait.STRING_CONTENT}),
    evidence=Evidence(
        pages=(
            "https://inference-docs.cerebras.ai/resources/openai",
            "https://github.com/Cerebras/cerebras-cloud-sdk-python/blob/main/src/cerebras/cloud/sdk/types/chat/completion_create_params.py",
        ),
        checked_on="2026-11-23",
        unverified="which models take penalties, `n`, or content in parts, all of which only "
        "the SDK's types have",
    ),
)
