"""Ollama, a local server: chat, responses, embeddings and messages."""

from nagara.domain.catalog import Operation, Provider

# https://docs.ollama.com/api/openai-compatibility and /api/anthropic-compatibility
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
)
