"""MiniMax: chat, responses, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="minimax",
    display_name="MiniMax",
    homepage="https://www.minimax.io",
    base_url="https://api.minimax.io/v1",
    base_url_env="MINIMAX_BASE_URL",
    credential_env=("MINIMAX_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/../anthropic/v1/messages",
    },
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.LOGPROBS, Ability.SEED}),
    evidence=Evidence(
        pages=(
            "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
            "https://www.developersdigest.tech/reference/api-compatibility/minimax",
        ),
        checked_on="2026-11-23",
        unverified="that it lacks `seed` and log probabilities",
    ),
)
