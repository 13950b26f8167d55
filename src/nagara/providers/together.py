"""Together AI: chat and embeddings."""

from nagara.domain.catalog import Operation, Provider

# https://docs.together.ai/docs/openai-api-compatibility
PROVIDER = Provider(
    name="together",
    display_name="Together AI",
    homepage="https://www.together.ai",
    base_url="https://api.together.xyz/v1",
    base_url_env="TOGETHER_BASE_URL",
    credential_env=("TOGETHER_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
    },
)
