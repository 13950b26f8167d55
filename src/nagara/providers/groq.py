"""Groq: chat and responses."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.openai_responses.traits import Trait as ResponsesTrait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider

# https://console.groq.com/docs/openai and /docs/responses-api
PROVIDER = Provider(
    name="groq",
    display_name="Groq",
    homepage="https://groq.com",
    base_url="https://api.groq.com/openai/v1",
    base_url_env="GROQ_BASE_URL",
    credential_env=("GROQ_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
    },
    # https://console.groq.com/docs/openai#currently-unsupported-openai-features
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.LOGPROBS, Ability.MESSAGE_NAMES}),
    # `include` is not among the fields of its Responses: https://console.groq.com/docs/responses-api
    traits=frozenset(
        {
            Trait.MAX_COMPLETION_TOKENS,
            Trait.EARLIER_REASONING,
            Trait.EXECUTED_TOOLS,
            ResponsesTrait.NO_ENCRYPTED_REASONING,
        }
    ),
)
