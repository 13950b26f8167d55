"""Fireworks AI: chat, responses, messages and embeddings."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="fireworks",
    display_name="Fireworks AI",
    homepage="https://fireworks.ai",
    base_url="https://api.fireworks.ai/inference/v1",
    base_url_env="FIREWORKS_BASE_URL",
    credential_env=("FIREWORKS_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/messages",
        Operation.EMBEDDINGS: "/embeddings",
    },
    adds=Abilities(frozenset({Ability.TOP_K})),
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.EARLIER_REASONING_CONTENT}),
    evidence=Evidence(
        pages=(
            "https://docs.fireworks.ai/nexus/apis-and-sdks",
            "https://docs.fireworks.ai/tools-sdks/anthropic-compatibility",
            "https://docs.litellm.ai/docs/providers/fireworks_ai",
            "https://docs.pipeshub.com/ai-models/embedding/fireworks",
        ),
        checked_on="2026-11-30",
    ),
)
