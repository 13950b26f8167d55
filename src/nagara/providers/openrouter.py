"""OpenRouter: chat, responses, messages, embeddings, images and sound of many makers' models."""

from nagara.dialects.images.traits import Form
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.transcripts.traits import Form as TranscriptForm
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider
from nagara.domain.messages import HostedKind

PROVIDER = Provider(
    name="openrouter",
    display_name="OpenRouter",
    homepage="https://openrouter.ai",
    base_url="https://openrouter.ai/api/v1",
    base_url_env="OPENROUTER_BASE_URL",
    credential_env=("OPENROUTER_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.MESSAGES: "/messages",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
        # https://github.com/OpenRouterTeam/typescript-sdk/blob/main/src/funcs/imagesGenerate.ts
        Operation.IMAGES: "/images",
        Operation.IMAGE_EDITS: "/images",
    },
    forms={
        Operation.IMAGES: {"": Form.OPENROUTER},
        Operation.IMAGE_EDITS: {"": Form.OPENROUTER},
        # It writes no subtitles.
        Operation.TRANSCRIPTIONS: {"": TranscriptForm.VERBOSE},
    },
    file_bytes_max={Operation.TRANSCRIPTIONS: 25_000_000},
    # https://openrouter.ai/docs/use-cases/reasoning-tokens and /docs/features/prompt-caching
    adds=Abilities(
        frozenset(
            {
                Ability.TOP_K,
                Ability.REASONING_BUDGET,
                Ability.CACHE_MARKS,
                Ability.IMAGE_OUTPUT,
            }
        ),
        frozenset({HostedKind.WEB_SEARCH}),
    ),
    lacks=Abilities(
        frozenset({Ability.ALLOWED_TOOLS, Ability.CHOICES, Ability.CUSTOM_TOOLS, Ability.METADATA})
    ),
    traits=frozenset(
        {
            Trait.MAX_COMPLETION_TOKENS,
            Trait.REASONING_OBJECT,
            Trait.REASONING_DETAILS,
            Trait.CACHE_CONTROL,
            Trait.SERVER_TOOLS,
            Trait.FILE_URL,
            Trait.VIDEO_URL,
        }
    ),
    # https://openrouter.ai/docs/features/model-routing and /docs/features/presets
    picks_model_by=frozenset({"models", "preset"}),
    evidence=Evidence(
        pages=("https://github.com/OpenRouterTeam/python-sdk",),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://github.com/OpenRouterTeam/typescript-sdk/blob/main/src/funcs/imagesGenerate.ts",
                "https://openrouter.ai/docs/guides/overview/multimodal/image-generation",
                "https://openrouter.ai/docs/guides/overview/multimodal/tts",
                "https://openrouter.ai/docs/client-sdks/go/models/operations/createaudiotranscriptionsmultipartrequest",
            )
        },
        unverified="that its chat lacks `n` and metadata; the events of its streamed images",
    ),
)
