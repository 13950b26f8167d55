"""Anthropic: messages and token counts. Its base URL has no version in it."""

from nagara.domain.catalog import Auth, Evidence, Operation, Provider

PROVIDER = Provider(
    name="anthropic",
    display_name="Anthropic",
    homepage="https://www.anthropic.com",
    base_url="https://api.anthropic.com",
    base_url_env="ANTHROPIC_BASE_URL",
    credential_env=("ANTHROPIC_API_KEY",),
    auth=Auth.X_API_KEY,
    paths={
        Operation.MESSAGES: "/v1/messages",
        Operation.COUNT_TOKENS: "/v1/messages/count_tokens",
    },
    headers=(("anthropic-version", "2023-06-01"),),
    evidence=Evidence(
        pages=("https://github.com/anthropics/anthropic-sdk-python",),
        checked_on="2026-11-23",
    ),
)
