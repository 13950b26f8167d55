"""Z.AI (GLM): chat, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider

# https://docs.z.ai/api-reference
PROVIDER = Provider(
    name="zai",
    display_name="Z.AI",
    homepage="https://z.ai",
    base_url="https://api.z.ai/api/paas/v4",
    base_url_env="ZAI_BASE_URL",
    credential_env=("ZAI_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.MESSAGES: "/../../anthropic/v1/messages",
    },
    # https://docs.z.ai/api-reference/llm/chat-completion
    lacks=Abilities(
        OPENAI_ONLY
        | {
            Ability.CHOICES,
            Ability.JSON_SCHEMA,
            Ability.LOGPROBS,
            Ability.PARALLEL_SWITCH,
            Ability.PENALTIES,
            Ability.SEED,
            Ability.USER,
        }
    ),
    traits=frozenset(
        {Trait.THINKING_SWITCH, Trait.ALL_EFFORTS, Trait.EARLIER_REASONING_CONTENT, Trait.VIDEO_URL}
    ),
)
