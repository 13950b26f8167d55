"""OpenRouter: chat, responses, messages and embeddings for the models of many makers."""

from nagara.domain.catalog import Operation, Provider

# https://openrouter.ai/docs/api-reference/overview
PROVIDER = Provider(
    name="openrouter",
    display_name="OpenRouter",
    homepage="https://openrouter.ai",
    base_url="https://openrouter.ai/api/v1",
    base_url_env="OPENROUTER_BASE_URL",
    credential_env=("OPENROUTER_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/messages",
        Operation.EMBEDDINGS: "/embeddings",
    },
)
