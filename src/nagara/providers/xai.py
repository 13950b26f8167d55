"""xAI: chat and responses. Its Anthropic-compatible endpoint is deprecated and left out."""

from nagara.domain.catalog import Operation, Provider

# https://docs.x.ai/docs/api-reference
PROVIDER = Provider(
    name="xai",
    display_name="xAI",
    homepage="https://x.ai",
    base_url="https://api.x.ai/v1",
    base_url_env="XAI_BASE_URL",
    credential_env=("XAI_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
    },
)
