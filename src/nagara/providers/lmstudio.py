"""LM Studio, a local server: chat, responses, embeddings and messages."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="lmstudio",
    display_name="LM Studio",
    homepage="https://lmstudio.ai",
    base_url="http://localhost:1234/v1",
    base_url_env="LMSTUDIO_BASE_URL",
    credential_env=("LM_API_TOKEN",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.MESSAGES: "/messages",
    },
    is_credential_optional=True,
    is_self_hosted=True,
    has_open_models=True,
    adds=Abilities(frozenset({Ability.TOP_K})),
    # "'url' field must be a base64 encoded image":
    # https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1120
    lacks=Abilities(OPENAI_ONLY | {Ability.IMAGE_URLS, Ability.FILE_URLS}),
    traits=frozenset({Trait.EARLIER_REASONING}),
    evidence=Evidence(
        pages=(
            "https://lmstudio.ai/docs/api/openai-api",
            "https://lmstudio.ai/docs/developer/anthropic-compat",
            "https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1120",
        ),
        checked_on="2026-11-23",
        unverified="`top_k`",
    ),
)
