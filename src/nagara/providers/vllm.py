"""vLLM, a server of one's own: chat, responses, embeddings, messages and token counts."""

from nagara.domain.catalog import Operation, Provider

# https://docs.vllm.ai/en/stable/serving/online_serving.html
PROVIDER = Provider(
    name="vllm",
    display_name="vLLM",
    homepage="https://vllm.ai",
    base_url="http://localhost:8000/v1",
    base_url_env="VLLM_BASE_URL",
    credential_env=("VLLM_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MESSAGES: "/messages",
        Operation.COUNT_TOKENS: "/messages/count_tokens",
    },
    is_credential_optional=True,
    has_open_models=True,
)
