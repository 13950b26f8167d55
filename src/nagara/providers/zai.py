"""Z.AI (GLM): chat, images, and messages under its Anthropic-compatible path."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

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
        Operation.IMAGES: "/images/generations",
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
    evidence=Evidence(
        pages=(
            "https://docs.z.ai/guides/overview/concept-param",
            "https://github.com/zai-org/z-ai-sdk-python",
            "https://docs.rs/rig-core/latest/rig/providers/zai/constant.ANTHROPIC_API_BASE_URL.html",
        ),
        checked_on="2026-11-23",
        later={"2026-11-30": ("https://docs.z.ai/api-reference/image/generate-image.md",)},
        unverified="what is listed as lacking, beyond its absence from these pages; that the "
        "Messages path takes a bearer token",
    ),
)
