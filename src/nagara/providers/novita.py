"""Novita AI: chat, embeddings, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="novita",
    display_name="Novita AI",
    homepage="https://novita.ai",
    base_url="https://api.novita.ai/openai/v1",
    base_url_env="NOVITA_BASE_URL",
    credential_env=("NOVITA_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MESSAGES: "/../../anthropic/v1/messages",
    },
    adds=Abilities(frozenset({Ability.TOP_K})),
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.EARLIER_REASONING_CONTENT}),
    evidence=Evidence(
        pages=(
            "https://novita.ai/docs/guides/llm-anthropic-compatibility",
            "https://novita.ai/docs/api-reference/model-apis-llm-create-embeddings",
            "https://www.promptfoo.dev/docs/providers/novita/",
        ),
        checked_on="2026-11-30",
    ),
)
