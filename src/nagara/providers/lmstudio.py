"""LM Studio, a local server: chat, responses, embeddings and messages."""

from nagara.domain.catalog import Operation, Provider

# https://lmstudio.ai/docs/developer/openai-compat and /docs/developer/anthropic-compat
PROVIDER = Provider(
    name="lmstudio",
    display_name="LM Studio",
    homepage="https://lmstudio.ai",
    base_url="http://localhost:1234/v1",
    base_url_env="LMSTUDIO_BASE_URL",
    credential_env=("LM_API_TOKEN",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MESSAGES: "/messages",
    },
    is_credential_optional=True,
    has_open_models=True,
)
