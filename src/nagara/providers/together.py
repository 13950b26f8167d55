"""Together AI: chat, embeddings, images, speech and transcripts."""

from nagara.dialects.images.traits import Form
from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.transcripts.traits import Form as TranscriptForm
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="together",
    display_name="Together AI",
    homepage="https://www.together.ai",
    base_url="https://api.together.ai/v1",
    base_url_env="TOGETHER_BASE_URL",
    credential_env=("TOGETHER_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.IMAGES: "/images/generations",
        # It knows no edits: the picture that is worked on goes with the prompt.
        Operation.IMAGE_EDITS: "/images/generations",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
        Operation.TRANSLATIONS: "/audio/translations",
    },
    forms={
        Operation.IMAGES: {"": Form.TOGETHER},
        Operation.IMAGE_EDITS: {"": Form.TOGETHER},
        # It writes no subtitles: https://docs.together.ai/docs/speech-to-text
        Operation.TRANSCRIPTIONS: {"": TranscriptForm.VERBOSE},
        Operation.TRANSLATIONS: {"": TranscriptForm.VERBOSE},
    },
    adds=Abilities(frozenset({Ability.TOP_K})),
    lacks=Abilities(OPENAI_ONLY),
    traits=frozenset({Trait.EARLIER_REASONING, Trait.VIDEO_URL}),
    evidence=Evidence(
        pages=("https://docs.together.ai/docs/inference/openai-compatibility",),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://github.com/vercel/ai/blob/main/packages/togetherai/src/togetherai-image-model.ts",
                "https://docs.together.ai/docs/inference/text-to-speech/overview",
                "https://docs.together.ai/docs/speech-to-text",
            )
        },
        unverified="`top_k`",
    ),
)
