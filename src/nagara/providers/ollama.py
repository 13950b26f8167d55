"""Ollama, a local server: chat, responses, embeddings and messages."""

from nagara.dialects.embeddings.traits import Trait as EmbeddingTrait
from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="ollama",
    display_name="Ollama",
    homepage="https://ollama.com",
    base_url="http://localhost:11434/v1",
    base_url_env="OLLAMA_BASE_URL",
    credential_env=("OLLAMA_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MESSAGES: "/messages",
    },
    is_credential_optional=True,
    has_open_models=True,
    lacks=Abilities(
        OPENAI_ONLY
        | {Ability.CHOICES, Ability.PARALLEL_SWITCH, Ability.USER}
        # Images are `data:` URLs or base64 in every dialect; it fetches nothing.
        # https://github.com/ollama/ollama/blob/main/openai/openai.go
        | {Ability.IMAGE_URLS, Ability.FILE_URLS}
    ),
    # https://docs.ollama.com/api/openai-compatibility: no arrays of tokens, no `user`.
    traits=frozenset({Trait.EARLIER_REASONING, EmbeddingTrait.TEXT_ONLY, EmbeddingTrait.NO_USER}),
    evidence=Evidence(
        pages=(
            "https://docs.ollama.com/api/openai-compatibility",
            "https://docs.ollama.com/api/anthropic-compatibility",
            "https://github.com/ollama/ollama/blob/main/openai/openai.go",
        ),
        checked_on="2026-11-23",
        unverified="that it ignores `n` and `user`",
    ),
)
