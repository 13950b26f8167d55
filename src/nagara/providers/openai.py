"""OpenAI: chat, responses, embeddings, moderations, images, speech and transcripts."""

from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="openai",
    display_name="OpenAI",
    homepage="https://openai.com",
    base_url="https://api.openai.com/v1",
    base_url_env="OPENAI_BASE_URL",
    credential_env=("OPENAI_API_KEY",),
    paths={
        # First, since Chat Completions neither shows reasoning nor takes it back.
        Operation.RESPONSES: "/responses",
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MODERATIONS: "/moderations",
        Operation.IMAGES: "/images/generations",
        Operation.IMAGE_EDITS: "/images/edits",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
        Operation.TRANSLATIONS: "/audio/translations",
    },
    # https://platform.openai.com/docs/api-reference/embeddings/create
    inputs_max={Operation.EMBEDDINGS: 2048},
    tokens_max={Operation.EMBEDDINGS: {"": 300_000}},
    # The endpoints of each: https://platform.openai.com/docs/models. What only Responses has is a
    # list in the SDK: https://github.com/openai/openai-python/blob/main/src/openai/types/shared/responses_model.py
    models_without={
        Operation.RESPONSES: r"-audio|-search-preview|-search-api",
        Operation.TRANSLATIONS: r"transcribe",
        Operation.CHAT: r"^o\d.*-pro|^gpt-[\d.]+-pro|codex|deep-research|computer-use"
        r"|-daybreak-|-cyber|-rosalind|-law$",
    },
    traits=frozenset(
        {Trait.DEVELOPER_ROLE, Trait.MAX_COMPLETION_TOKENS, Trait.REFUSALS, Trait.ALL_EFFORTS}
    ),
    evidence=Evidence(
        pages=(
            "https://developers.openai.com/api/docs/models/gpt-audio-1.5",
            "https://github.com/openai/openai-python/blob/main/src/openai/types/shared/responses_model.py",
        ),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://github.com/openai/openai-python/tree/main/src/openai/types/audio",
                "https://github.com/openai/openai-python/blob/main/src/openai/types/image_edit_params.py",
            )
        },
        unverified="that the models of special access (cyber, Daybreak, Rosalind, law) lack "
        "Chat Completions, beyond the SDK's list",
    ),
)
