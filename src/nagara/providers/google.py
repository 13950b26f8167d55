"""Google's Gemini API: its own dialect, and embeddings in its own format."""

from nagara.dialects.embeddings.traits import Form
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
        Operation.EMBEDDINGS: "/models/{model}:batchEmbedContents",
    },
    # Its compatible endpoint says little of what it takes, and its own counts the tokens.
    forms={Operation.EMBEDDINGS: {"": Form.GOOGLE}},
    stream_paths={
        Operation.GENERATE_CONTENT: "/models/{model}:streamGenerateContent?alt=sse",
    },
    traits=frozenset({Trait.SERVER_TOOL_INVOCATIONS}),
    evidence=Evidence(
        pages=(
            "https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py",
            "https://ai.google.dev/api/embeddings",
            "https://ai.google.dev/gemini-api/docs/file-input-methods",
            "https://blog.google/innovation-and-ai/technology/developers-tools/gemini-api-new-file-limits",
        ),
        checked_on="2026-11-30",
        unverified="the most texts of a call for embeddings, beyond what others say (100); that it "
        "fetches sound by its address, which is therefore done here",
    ),
)
