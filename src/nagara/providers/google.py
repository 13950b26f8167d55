"""Google's Gemini API: its own dialect, and embeddings through its OpenAI-compatible endpoint."""

from nagara.dialects.google_gemini.traits import Trait
from nagara.domain.catalog import Auth, Evidence, Operation, Provider

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
        Operation.COUNT_CONTENT_TOKENS: "/models/{model}:countTokens",
        Operation.EMBEDDINGS: "/openai/embeddings",
    },
    # The compatible endpoint takes the key as a bearer token, and says of a request without one
    # "Missing or invalid Authorization header":
    # https://github.com/NVIDIA/NemoClaw/issues/2093
    operation_auth={Operation.EMBEDDINGS: Auth.BEARER},
    stream_paths={
        Operation.GENERATE_CONTENT: "/models/{model}:streamGenerateContent?alt=sse",
    },
    traits=frozenset({Trait.SERVER_TOOL_INVOCATIONS}),
    evidence=Evidence(
        pages=(
            "https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py",
            "https://ai.google.dev/gemini-api/docs/openai",
            "https://github.com/NVIDIA/NemoClaw/issues/2093",
        ),
        checked_on="2026-11-23",
    ),
)
