"""Nebius Token Factory: chat, embeddings and images. The price data does not list it."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="nebius",
    display_name="Nebius Token Factory",
    homepage="https://nebius.com",
    base_url="https://api.tokenfactory.nebius.com/v1",
    base_url_env="NEBIUS_BASE_URL",
    credential_env=("NEBIUS_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.IMAGES: "/images/generations",
    },
    has_open_models=True,
    adds=Abilities(frozenset({Ability.TOP_K})),
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.EARLIER_REASONING_CONTENT}),
    evidence=Evidence(
        pages=(
            "https://docs.tokenfactory.nebius.com/api-reference/introduction",
            "https://docs.pixeltable.com/howto/providers/working-with-nebius",
            "https://docs.agno.com/tools/toolkits/models/nebius",
        ),
        checked_on="2026-11-30",
        unverified="`top_k`; embeddings and images, beyond what others say of them",
    ),
)
