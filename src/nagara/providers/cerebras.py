"""Cerebras: chat."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider

# https://inference-docs.cerebras.ai/resources/openai
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
    # https://inference-docs.cerebras.ai/resources/openai
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.PENALTIES}),
    traits=frozenset({Trait.MAX_COMPLETION_TOKENS, Trait.EARLIER_REASONING, Trait.STRING_CONTENT}),
)
