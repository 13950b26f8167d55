"""Moonshot AI (Kimi): chat, responses, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="moonshot",
    display_name="Moonshot AI",
    homepage="https://www.moonshot.ai",
    base_url="https://api.moonshot.ai/v1",
    base_url_env="MOONSHOT_BASE_URL",
    credential_env=("MOONSHOT_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/../anthropic/v1/messages",
    },
    # https://platform.moonshot.ai/docs/api/chat
    lacks=Abilities(
        OPENAI_ONLY
        | {Ability.LOGPROBS, Ability.PARALLEL_SWITCH, Ability.SEED, Ability.USER}
        # Pictures and videos are base64, or files that it keeps (`ms://…`).
        # https://platform.moonshot.ai/docs/guide/use-kimi-vision-model
        | {Ability.IMAGE_URLS, Ability.FILE_URLS}
    ),
    traits=frozenset({Trait.THINKING_SWITCH, Trait.EARLIER_REASONING_CONTENT, Trait.VIDEO_URL}),
    evidence=Evidence(
        pages=(
            "https://www.developersdigest.tech/reference/api-compatibility/moonshot",
            "https://platform.moonshot.ai/docs/guide/use-kimi-vision-model",
        ),
        checked_on="2026-11-23",
        unverified="that it lacks `seed`, `user` and log probabilities",
    ),
)
