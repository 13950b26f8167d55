"""Google's Gemini API: its own dialect, embeddings in its own format, and images in answers."""

from nagara.dialects.embeddings.traits import Form
from nagara.dialects.google_gemini.traits import Trait
from nagara.dialects.images.traits import DRAWS_NOT, GEMINI_FORMS
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
        Operation.IMAGES: "/models/{model}:generateContent",
        Operation.IMAGE_EDITS: "/models/{model}:generateContent",
    },
    # Its compatible endpoint says little of what it takes, and its own counts the tokens. Imagen,
    # which had a method of its own, is gone: https://ai.google.dev/gemini-api/docs/deprecations
    forms={
        Operation.EMBEDDINGS: {"": Form.GOOGLE},
        Operation.IMAGES: GEMINI_FORMS,
        Operation.IMAGE_EDITS: GEMINI_FORMS,
    },
    models_without={Operation.IMAGES: DRAWS_NOT, Operation.IMAGE_EDITS: DRAWS_NOT},
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
            "https://github.com/googleapis/python-genai/blob/main/google/genai/types.py",
            "https://ai.google.dev/gemini-api/docs/deprecations",
        ),
        checked_on="2026-11-30",
        unverified="the most texts of a call for embeddings, beyond what others say (100); that it "
        "fetches sound by its address, which is therefore done here; the classes of resolution of "
        "each model that draws",
    ),
)
