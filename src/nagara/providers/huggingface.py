"""Hugging Face's router: chat and responses at the provider that the model name asks for."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.domain.abilities import Abilities
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="huggingface",
    display_name="Hugging Face",
    homepage="https://huggingface.co",
    base_url="https://router.huggingface.co/v1",
    base_url_env="HF_BASE_URL",
    credential_env=("HF_TOKEN",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
    },
    lacks=Abilities(OPENAI_ONLY),
    evidence=Evidence(
        pages=("https://huggingface.co/docs/inference-providers/guides/responses-api",),
        checked_on="2026-11-23",
        unverified="what each of the providers behind it lacks",
    ),
)
