"""Google's Gemini API: its own dialect, and formats of its own for embeddings, images and sound."""

from nagara.dialects.embeddings.traits import Form
from nagara.dialects.google_gemini.traits import Trait
from nagara.dialects.images.traits import DRAWS_NOT, GEMINI_FORMS
from nagara.dialects.speech.traits import GEMINI_FORMS as SPEECH_FORMS
from nagara.dialects.speech.traits import SPEAKS_NOT
from nagara.dialects.transcripts.traits import GEMINI_FORMS as TRANSCRIPT_FORMS
from nagara.dialects.transcripts.traits import HEARS_NOT, TRANSLATES_NOT
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
        Operation.SPEECH: "/models/{model}:{verb}?alt={alt}",
        Operation.TRANSCRIPTIONS: "/models/{model}:generateContent",
        Operation.TRANSLATIONS: "/models/{model}:generateContent",
    },
    # Its compatible endpoint says little of what it takes, and its own counts the tokens. Imagen,
    # which had a method of its own, is gone: https://ai.google.dev/gemini-api/docs/deprecations
    forms={
        Operation.EMBEDDINGS: {"": Form.GOOGLE},
        Operation.IMAGES: GEMINI_FORMS,
        Operation.IMAGE_EDITS: GEMINI_FORMS,
        Operation.SPEECH: SPEECH_FORMS,
        Operation.TRANSCRIPTIONS: TRANSCRIPT_FORMS,
        Operation.TRANSLATIONS: TRANSCRIPT_FORMS,
    },
    stream_paths={
        Operation.GENERATE_CONTENT: "/models/{model}:streamGenerateContent?alt=sse",
        Operation.TRANSCRIPTIONS: "/models/{model}:streamGenerateContent?alt=sse",
        Operation.TRANSLATIONS: "/models/{model}:streamGenerateContent?alt=sse",
    },
    models_without={
        Operation.IMAGES: DRAWS_NOT,
        Operation.IMAGE_EDITS: DRAWS_NOT,
        Operation.SPEECH: SPEAKS_NOT,
        Operation.TRANSCRIPTIONS: HEARS_NOT,
        Operation.TRANSLATIONS: TRANSLATES_NOT,
    },
    # In base64, with all else of the request, within 100 MB:
    # https://blog.google/innovation-and-ai/technology/developers-tools/gemini-api-new-file-limits
    file_bytes_max={
        Operation.TRANSCRIPTIONS: 74_000_000,
        Operation.TRANSLATIONS: 74_000_000,
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
            "https://ai.google.dev/gemini-api/docs/generate-content/transcribe",
            "https://ai.google.dev/gemini-api/docs/audio",
        ),
        checked_on="2026-11-30",
        unverified="the most texts of a call for embeddings, beyond what others say (100); that it "
        "fetches sound by its address, which is therefore done here; the classes of resolution of "
        "each model that draws; that 100 MB hold for audio within a request, and which models "
        "refuse to stream speech, beyond what others' clients do",
    ),
)
