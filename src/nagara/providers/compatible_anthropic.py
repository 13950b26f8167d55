"""Any address that speaks Anthropic's dialect. The base URL ends where `/v1/messages` begins."""

from nagara.domain.catalog import Auth, Operation, Provider

PROVIDER = Provider(
    name="compatible_anthropic",
    display_name="Anthropic-compatible",
    homepage="https://docs.anthropic.com/en/api/messages",
    base_url=None,
    auth=Auth.X_API_KEY,
    paths={
        Operation.MESSAGES: "/v1/messages",
        Operation.COUNT_TOKENS: "/v1/messages/count_tokens",
    },
    headers=(("anthropic-version", "2023-06-01"),),
    is_credential_optional=True,
    has_open_models=True,
)
