"""vLLM, a server of one's own: chat, responses, embeddings, messages and token counts."""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="vllm",
    display_name="vLLM",
    homepage="https://vllm.ai",
    base_url="http://localhost:8000/v1",
    base_url_env="VLLM_BASE_URL",
    credential_env=("VLLM_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/responses",
        Operation.EMBEDDINGS: "/embeddings",
        Operation.RERANK: "/rerank",
        Operation.MESSAGES: "/messages",
        Operation.COUNT_TOKENS: "/messages/count_tokens",
    },
    is_credential_optional=True,
    is_self_hosted=True,
    has_open_models=True,
    adds=Abilities(frozenset({Ability.TOP_K})),
    # It would fetch them, from inside the operator's network and by no rules unless it is told
    # some: https://docs.vllm.ai/en/stable/usage/security
    lacks=Abilities(OPENAI_ONLY | {Ability.IMAGE_URLS, Ability.FILE_URLS}),
    traits=frozenset({Trait.EARLIER_REASONING, Trait.VIDEO_URL}),
    evidence=Evidence(
        pages=("https://docs.vllm.ai/en/stable/serving/online_serving.html",),
        checked_on="2026-11-23",
    ),
)
