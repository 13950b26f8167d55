"""Groq: chat, responses, speech and transcripts."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.openai_responses.traits import Trait as ResponsesTrait
from nagara.dialects.transcripts.traits import Form as TranscriptForm
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="groq",
    display_name="Groq",
    homepage="https://groq.com",
    base_url="https://api.groq.com/openai/v1",
    base_url_env="GROQ_BASE_URL",
    credential_env=("GROQ_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
        Operation.TRANSLATIONS: "/audio/translations",
    },
    # https://console.groq.com/docs/speech-to-text
    models_without={Operation.TRANSLATIONS: r"turbo"},
    forms={
        Operation.TRANSCRIPTIONS: {"": TranscriptForm.VERBOSE},
        Operation.TRANSLATIONS: {"": TranscriptForm.VERBOSE},
    },
    # https://console.groq.com/docs/openai#currently-unsupported-openai-features; penalties are
    # taken and "not yet supported by any of our models":
    # https://console.groq.com/docs/api-reference#chat-create
    lacks=Abilities(
        OPENAI_ONLY | {Ability.CHOICES, Ability.LOGPROBS, Ability.MESSAGE_NAMES, Ability.PENALTIES}
    ),
    # Responses refuses fields that it does not know, and `include` is none of those it knows:
    # https://console.groq.com/docs/api-reference#responses-create
    traits=frozenset(
        {
            Trait.MAX_COMPLETION_TOKENS,
            Trait.EARLIER_REASONING,
            Trait.STREAMS_USAGE_UNASKED,
            ResponsesTrait.NO_ENCRYPTED_REASONING,
        }
    ),
    evidence=Evidence(
        pages=(
            "https://console.groq.com/docs/responses-api",
            "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/completion_create_params.py",
            "https://github.com/api-evangelist/groq/tree/main/openapi",
        ),
        checked_on="2026-11-23",
        later={
            "2026-11-30": (
                "https://console.groq.com/docs/speech-to-text",
                "https://github.com/groq/groq-typescript/blob/main/src/resources/audio/transcriptions.ts",
            )
        },
        unverified="that names of participants are refused",
    ),
)
