"""Fireworks AI: chat, responses and embeddings."""

from nagara.domain.catalog import Operation, Provider

# https://docs.fireworks.ai/api-reference
PROVIDER = Provider(
    name="fireworks",
    display_name="Fireworks AI",
    homepage="https://fireworks.ai",
    base_url="https://api.fireworks.ai/inference/v1",
    base_url_env="FIREWORKS_BASE_URL",
    credential_env=("FIREWORKS_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
    },
)
