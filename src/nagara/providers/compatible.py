"""Any address that speaks OpenAI's dialects. The base URL ends where `/chat/completions` begins."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider

PROVIDER = Provider(
    name="compatible",
    display_name="OpenAI-compatible",
    homepage="https://platform.openai.com/docs/api-reference",
    base_url=None,
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.RERANK: "/rerank",
        Operation.MODERATIONS: "/moderations",
        Operation.IMAGES: "/images/generations",
        Operation.IMAGE_EDITS: "/images/edits",
        Operation.IMAGE_VARIATIONS: "/images/variations",
        Operation.SPEECH: "/audio/speech",
        Operation.TRANSCRIPTIONS: "/audio/transcriptions",
        Operation.TRANSLATIONS: "/audio/translations",
    },
    is_credential_optional=True,
    has_open_models=True,
    # Whatever is there may be one of those that choose between models themselves.
    picks_model_by=frozenset({"models", "fallbacks"}),
    # And of those that draw.
    adds=Abilities(frozenset({Ability.IMAGE_OUTPUT})),
    lacks=Abilities(OPENAI_ONLY),
)
