"""OpenAI: chat, responses, embeddings and moderations."""

from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.catalog import Operation, Provider

# https://platform.openai.com/docs/api-reference
PROVIDER = Provider(
    name="openai",
    display_name="OpenAI",
    homepage="https://openai.com",
    base_url="https://api.openai.com/v1",
    base_url_env="OPENAI_BASE_URL",
    credential_env=("OPENAI_API_KEY",),
    paths={
        # First, since Chat Completions neither shows reasoning nor takes it back.
        Operation.RESPONSES: "/responses",
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MODERATIONS: "/moderations",
    },
    # The endpoints of each: https://platform.openai.com/docs/models
    models_without={
        Operation.RESPONSES: r"-audio|-search-preview|-search-api",
        Operation.CHAT: r"^o\d.*-pro|^gpt-[\d.]+-pro|codex|deep-research|computer-use",
    },
    traits=frozenset(
        {Trait.DEVELOPER_ROLE, Trait.MAX_COMPLETION_TOKENS, Trait.REFUSALS, Trait.ALL_EFFORTS}
    ),
)
