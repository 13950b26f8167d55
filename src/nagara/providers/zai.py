"""Z.AI (GLM): chat, and messages under its Anthropic-compatible path."""

from nagara.domain.catalog import Operation, Provider

# https://docs.z.ai/api-reference
PROVIDER = Provider(
    name="zai",
    display_name="Z.AI",
    homepage="https://z.ai",
    base_url="https://api.z.ai/api/paas/v4",
    base_url_env="ZAI_BASE_URL",
    credential_env=("ZAI_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.MESSAGES: "/../../anthropic/v1/messages",
    },
)
