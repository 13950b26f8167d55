"""xAI: responses, chat and images. Its Anthropic-compatible endpoint is deprecated and left out."""

from nagara.dialects.images.traits import Form
from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="xai",
    display_name="xAI",
    homepage="https://x.ai",
    base_url="https://api.x.ai/v1",
    base_url_env="XAI_BASE_URL",
    credential_env=("XAI_API_KEY",),
    paths={
        # Chat is deprecated and returns no reasoning:
        # https://docs.x.ai/developers/model-capabilities/text/comparison
        Operation.RESPONSES: "/responses",
        Operation.CHAT: "/chat/completions",
        Operation.IMAGES: "/images/generations",
        Operation.IMAGE_EDITS: "/images/edits",
    },
    # "uses multipart/form-data, while the xAI API requires application/json":
    # https://docs.x.ai/developers/model-capabilities/images/generation
    forms={Operation.IMAGES: {"": Form.XAI}, Operation.IMAGE_EDITS: {"": Form.XAI}},
    # /v1/messages is "fully deprecated":
    # https://docs.x.ai/developers/rest-api-reference/inference/legacy
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.MAX_COMPLETION_TOKENS}),
    evidence=Evidence(
        pages=(
            "https://docs.x.ai/developers/model-capabilities/text/comparison",
            "https://docs.x.ai/developers/rest-api-reference/inference/legacy",
        ),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://docs.x.ai/developers/model-capabilities/images/generation",
                "https://github.com/vercel/ai/blob/main/packages/xai/src/xai-image-model.ts",
            )
        },
        unverified="which fields its chat refuses; the field for several images of an edit",
    ),
)
