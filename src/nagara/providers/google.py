"""Google's Gemini API, through its OpenAI-compatible endpoint."""

from nagara.domain.catalog import Operation, Provider

# https://ai.google.dev/gemini-api/docs/openai
PROVIDER = Provider(
    name="google",
    display_name="Google Gemini",
    homepage="https://ai.google.dev",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    base_url_env="GEMINI_BASE_URL",
    credential_env=(
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
    ),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
    },
)
