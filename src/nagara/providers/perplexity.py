"""Perplexity: chat and responses. Its base URL has no version in it.

Its streams carry usage without being asked.
"""

from nagara.domain.catalog import Operation, Provider

# https://docs.perplexity.ai/docs/grounded-llm/openai-compatibility
PROVIDER = Provider(
    name="perplexity",
    display_name="Perplexity",
    homepage="https://www.perplexity.ai",
    base_url="https://api.perplexity.ai",
    base_url_env="PERPLEXITY_BASE_URL",
    credential_env=("PERPLEXITY_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/v1/responses",
    },
    has_stream_usage_option=False,
)
