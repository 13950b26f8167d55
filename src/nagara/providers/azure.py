"""Azure OpenAI, through its v1 API, which needs no api-version.

The address is one's own resource. A model name here is the name of a deployment in Azure.
"""

from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.catalog import Auth, Evidence, Operation, Provider

PROVIDER = Provider(
    name="azure",
    display_name="Azure OpenAI",
    homepage="https://azure.microsoft.com/products/ai-services/openai-service",
    base_url="{AZURE_OPENAI_ENDPOINT}/openai/v1",
    base_url_env="AZURE_OPENAI_BASE_URL",
    credential_env=("AZURE_OPENAI_API_KEY",),
    auth=Auth.API_KEY,
    paths={
        # First, since Chat Completions neither shows reasoning nor takes it back.
        Operation.RESPONSES: "/responses",
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.IMAGES: "/images/generations",
        Operation.IMAGE_EDITS: "/images/edits",
        # https://learn.microsoft.com/azure/ai-services/openai/reference-preview-latest: of the v1
        # API these are a preview still.
        Operation.SPEECH: "/audio/speech?api-version=preview",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions?api-version=preview",
        Operation.TRANSLATIONS: "/audio/translations?api-version=preview",
    },
    # https://platform.openai.com/docs/api-reference/embeddings/create
    inputs_max={Operation.EMBEDDINGS: 2048},
    tokens_max={Operation.EMBEDDINGS: {"": 300_000}},
    # Names of deployments are one's own, and most people keep the model's in them. What others
    # than OpenAI made has chat, and only some of it Responses:
    # https://learn.microsoft.com/azure/foundry/foundry-models/how-to/generate-responses
    # So have OpenAI's own from 4o on: https://learn.microsoft.com/azure/foundry/openai/how-to/responses
    models_without={
        Operation.RESPONSES: r"(?i)audio|mistral|codestral|llama-(?!3\.3-70b|4-maverick)|phi-"
        r"|cohere|command-|jamba|^fw-|mai-thinking|gpt-3|gpt-4(?![.\do])|o1-(mini|preview)",
        Operation.CHAT: r"(?i)^o\d.*-pro|^gpt-[\d.]+-pro|codex|deep-research|computer-use",
    },
    traits=frozenset(
        {Trait.DEVELOPER_ROLE, Trait.MAX_COMPLETION_TOKENS, Trait.REFUSALS, Trait.ALL_EFFORTS}
    ),
    evidence=Evidence(
        pages=(
            "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle",
            "https://learn.microsoft.com/azure/foundry/openai/how-to/responses",
            "https://learn.microsoft.com/azure/foundry/foundry-models/how-to/generate-responses",
            "https://learn.microsoft.com/azure/foundry/foundry-models/concepts/models-sold-directly-by-azure",
        ),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://learn.microsoft.com/azure/ai-services/openai/reference-preview-latest",
            )
        },
        unverified="which of the newest partner models have Responses; that edits of images take "
        "JSON too; the addresses of transcripts and translations, beyond that of speech",
    ),
)
