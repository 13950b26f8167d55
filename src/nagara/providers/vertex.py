"""Gemini on Google Cloud (Vertex AI), in a project and a location of one's own, or in express mode.

The credential is a Google credentials file (a service account's, or gcloud's of a user), an access
token, or an API key; without GOOGLE_CLOUD_PROJECT the address is express mode's, which takes API
keys. Google's file is meant for all of its cloud, so GOOGLE_APPLICATION_CREDENTIALS alone does not
bring the provider into use: `[providers.vertex]` in the file does.
"""

from nagara.dialects.embeddings.traits import Form
from nagara.dialects.images.traits import DRAWS_NOT, GEMINI_FORMS
from nagara.dialects.speech.traits import GEMINI_FORMS as SPEECH_FORMS
from nagara.dialects.speech.traits import SPEAKS_NOT
from nagara.dialects.transcripts.traits import GEMINI_FORMS as TRANSCRIPT_FORMS
from nagara.dialects.transcripts.traits import HEARS_NOT, TRANSLATES_NOT
from nagara.domain.catalog import Auth, Evidence, Operation, Provider

# https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
# https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/overview
_IN_PROJECT = "/v1/projects/{GOOGLE_CLOUD_PROJECT}/locations/{GOOGLE_CLOUD_LOCATION}"

_STREAM = "/publishers/google/models/{model}:streamGenerateContent?alt=sse"

PROVIDER = Provider(
    name="vertex",
    display_name="Google Vertex AI",
    homepage="https://cloud.google.com/vertex-ai",
    base_url="https://{GOOGLE_CLOUD_LOCATION}-aiplatform.googleapis.com" + _IN_PROJECT,
    base_url_env="VERTEX_BASE_URL",
    base_url_defaults={"GOOGLE_CLOUD_LOCATION": "global"},
    base_url_variants={
        "GOOGLE_CLOUD_PROJECT=": "https://aiplatform.googleapis.com/v1",
        # The global location has no host of its own.
        "GOOGLE_CLOUD_LOCATION=global": "https://aiplatform.googleapis.com" + _IN_PROJECT,
        # Nor have those of many regions a host like one region's:
        # https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py
        "GOOGLE_CLOUD_LOCATION=us": "https://aiplatform.us.rep.googleapis.com" + _IN_PROJECT,
        "GOOGLE_CLOUD_LOCATION=eu": "https://aiplatform.eu.rep.googleapis.com" + _IN_PROJECT,
    },
    credential_env=("VERTEX_ACCESS_TOKEN", "VERTEX_API_KEY"),
    credential_file_env="GOOGLE_APPLICATION_CREDENTIALS",
    credential_forms={
        r"\{": Auth.GOOGLE_OAUTH,
        # https://docs.cloud.google.com/docs/authentication/api-keys
        r"AIza|AQ\.": Auth.X_GOOG_API_KEY,
    },
    paths={
        Operation.GENERATE_CONTENT: "/publishers/google/models/{model}:generateContent",
        Operation.COUNT_CONTENT_TOKENS: "/publishers/google/models/{model}:countTokens",
        Operation.EMBEDDINGS: "/publishers/google/models/{model}:{verb}",
        Operation.IMAGES: "/publishers/google/models/{model}:generateContent",
        Operation.IMAGE_EDITS: "/publishers/google/models/{model}:generateContent",
        Operation.SPEECH: "/publishers/google/models/{model}:{verb}?alt={alt}",
        Operation.TRANSCRIPTIONS: "/publishers/google/models/{model}:generateContent",
        Operation.TRANSLATIONS: "/publishers/google/models/{model}:generateContent",
    },
    stream_paths={
        Operation.GENERATE_CONTENT: _STREAM,
        Operation.TRANSCRIPTIONS: _STREAM,
        Operation.TRANSLATIONS: _STREAM,
    },
    # The same models as at the Gemini API.
    forms={
        Operation.EMBEDDINGS: {r"gemini": Form.GOOGLE_ONE, "": Form.GOOGLE_PREDICT},
        Operation.IMAGES: GEMINI_FORMS,
        Operation.IMAGE_EDITS: GEMINI_FORMS,
        Operation.SPEECH: SPEECH_FORMS,
        Operation.TRANSCRIPTIONS: TRANSCRIPT_FORMS,
        Operation.TRANSLATIONS: TRANSCRIPT_FORMS,
    },
    models_without={
        Operation.IMAGES: DRAWS_NOT,
        Operation.IMAGE_EDITS: DRAWS_NOT,
        Operation.SPEECH: SPEAKS_NOT,
        Operation.TRANSCRIPTIONS: HEARS_NOT,
        Operation.TRANSLATIONS: TRANSLATES_NOT,
    },
    # Of all texts of a call, for the older models.
    tokens_max={Operation.EMBEDDINGS: {"": 20_000}},
    # In base64, with all else of the request, within 20 MB.
    file_bytes_max={
        Operation.TRANSCRIPTIONS: 14_800_000,
        Operation.TRANSLATIONS: 14_800_000,
    },
    # The same models with the same signatures as at the Gemini API.
    signature_maker="google",
    evidence=Evidence(
        pages=("https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py",),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://github.com/googleapis/python-genai/blob/main/google/genai/types.py",
                "https://github.com/googleapis/python-genai/blob/main/google/genai/models.py",
                "https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings",
                "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/speech/text-to-speech",
                "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-5-transcribe",
            )
        },
        unverified="how large audio within a request may be",
    ),
)
