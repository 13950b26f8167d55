"""Together AI: chat and embeddings."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="together",
    display_name="Together AI",
    homepage="https://www.together.ai",
    base_url="https://api.together.ai/v1",
    base_url_env="TOGETHER_BASE_URL",
    credential_env=("TOGETHER_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.IMAGES: "/images/generations",
    },
    adds=Abilities(frozenset({Ability.TOP_K})),
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.EARLIER_REASONING, Trait.VIDEO_URL}),
    evidence=Evidence(
        pages=("https://docs.together.ai/docs/inference/openai-compatibility",),
        checked_on="2026-11-23",
        unverified="`top_k`",
    ),
)
