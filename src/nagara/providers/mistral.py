"""Mistral AI: chat, embeddings and moderations. Its streams end with usage without being asked."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider

# https://docs.mistral.ai/api
PROVIDER = Provider(
    name="mistral",
    display_name="Mistral AI",
    homepage="https://mistral.ai",
    base_url="https://api.mistral.ai/v1",
    base_url_env="MISTRAL_BASE_URL",
    credential_env=("MISTRAL_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MODERATIONS: "/moderations",
    },
    lacks=Abilities(OPENAI_ONLY | {Ability.LOGPROBS, Ability.USER}),
    # https://docs.mistral.ai/capabilities/reasoning and /capabilities/document_ai
    traits=frozenset(
        {
            Trait.THINKING_PARTS,
            Trait.DOCUMENT_URL,
            Trait.SHORT_CALL_IDS,
            Trait.RANDOM_SEED,
            Trait.STREAMS_USAGE_UNASKED,
        }
    ),
)
