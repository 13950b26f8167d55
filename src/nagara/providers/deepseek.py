"""DeepSeek: chat, responses, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.openai_responses.traits import Trait as ResponsesTrait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="deepseek",
    display_name="DeepSeek",
    homepage="https://www.deepseek.com",
    base_url="https://api.deepseek.com",
    base_url_env="DEEPSEEK_BASE_URL",
    credential_env=("DEEPSEEK_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/anthropic/v1/messages",
    },
    # https://api-docs.deepseek.com/guides/thinking_mode and /guides/json_mode
    lacks=Abilities(
        OPENAI_ONLY
        | {
            Ability.CHOICES,
            Ability.JSON_SCHEMA,
            Ability.PARALLEL_SWITCH,
            Ability.SEED,
            Ability.USER,
        }
    ),
    traits=frozenset(
        {
            Trait.THINKING_SWITCH,
            Trait.ALL_EFFORTS,
            Trait.EARLIER_REASONING_CONTENT,
            Trait.STRING_CONTENT,
            # It takes its reasoning back unsealed, and says so by sealing nothing.
            ResponsesTrait.PLAIN_REASONING,
            ResponsesTrait.NO_ENCRYPTED_REASONING,
        }
    ),
    evidence=Evidence(
        pages=(
            "https://api-docs.deepseek.com/guides/responses_api",
            "https://api-docs.deepseek.com/guides/anthropic_api",
            "https://api-docs.deepseek.com/quick_start/agent_integrations/claude_code",
        ),
        checked_on="2026-11-23",
        unverified="that chat still lacks `n`, `seed`, `user` and JSON schemas",
    ),
)
