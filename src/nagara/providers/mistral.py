"""Mistral AI: chat, embeddings, moderations and transcripts.

Its streams end with usage without being asked.
"""

from nagara.dialects.embeddings.traits import Trait as EmbeddingTrait
from nagara.dialects.moderations.traits import Form
from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.transcripts.traits import Form as TranscriptForm
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

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
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
    },
    # https://github.com/raphaelmansuy/edgequake-llm/pull/74 and
    # https://github.com/aurelio-labs/semantic-router/issues/297
    inputs_max={Operation.EMBEDDINGS: 512},
    tokens_max={Operation.EMBEDDINGS: {"": 16_384}},
    forms={
        Operation.MODERATIONS: {"": Form.MISTRAL},
        Operation.TRANSCRIPTIONS: {"": TranscriptForm.MISTRAL},
    },
    # https://github.com/mistralai/client-python/blob/main/docs/models/chatcompletionrequest.md
    lacks=Abilities(
        (OPENAI_ONLY - {Ability.CACHE_KEY, Ability.METADATA}) | {Ability.LOGPROBS, Ability.USER}
    ),
    # https://docs.mistral.ai/capabilities/reasoning and /capabilities/document_ai; for a stream:
    # https://github.com/mistralai/client-python/blob/main/docs/models/chatcompletionstreamrequest.md
    traits=frozenset(
        {
            Trait.THINKING_PARTS,
            Trait.DOCUMENT_URL,
            Trait.SHORT_CALL_IDS,
            Trait.RANDOM_SEED,
            Trait.STREAMS_USAGE_UNASKED,
            # https://docs.mistral.ai/api/endpoint/embeddings
            EmbeddingTrait.OUTPUT_DIMENSION,
            EmbeddingTrait.TEXT_ONLY,
            EmbeddingTrait.NO_USER,
        }
    ),
    evidence=Evidence(
        pages=(
            "https://github.com/mistralai/client-python/tree/main/docs/models",
            "https://docs.mistral.ai/api/endpoint/embeddings",
            "https://docs.mistral.ai/studio/safety-moderation",
        ),
        checked_on="2026-11-30",
        unverified="that it lacks log probabilities and `user`, beyond their absence from the "
        "SDK's types",
    ),
)
