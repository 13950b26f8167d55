"""Google's Gemini API: its own dialect, and embeddings through its OpenAI-compatible endpoint."""

from nagara.dialects.google_gemini.traits import Trait
from nagara.domain.catalog import Auth, Operation, Provider

# https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/openai
PROVIDER = Provider(
    name="google",
    display_name="Google Gemini",
    homepage="https://ai.google.dev",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    base_url_env="GEMINI_BASE_URL",
    credential_env=(
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
    ),
    auth=Auth.X_GOOG_API_KEY,
    paths={
        Operation.GENERATE_CONTENT: "/models/{model}:generateContent",
        Operation.EMBEDDINGS: "/openai/embeddings",
    },
    stream_paths={
        Operation.GENERATE_CONTENT: "/models/{model}:streamGenerateContent?alt=sse",
    },
    traits=frozenset({Trait.SERVER_TOOL_INVOCATIONS}),
)
