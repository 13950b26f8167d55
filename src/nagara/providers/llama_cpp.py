"""llama.cpp's own server: chat, responses, embeddings, messages and token counts.

Its usual port, 8080, is also Nagara's: one of the two has to move.
"""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider

PROVIDER = Provider(
    name="llama_cpp",
    display_name="llama.cpp",
    homepage="https://github.com/ggml-org/llama.cpp",
    base_url="http://localhost:8080/v1",
    base_url_env="LLAMA_CPP_BASE_URL",
    credential_env=("LLAMA_API_KEY",),
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
    # It would fetch images, from inside the operator's network and by no rules.
    lacks=Abilities(OPENAI_ONLY | {Ability.IMAGE_URLS, Ability.FILE_URLS}),
    traits=frozenset({Trait.EARLIER_REASONING_CONTENT}),
    evidence=Evidence(
        pages=(
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server.cpp",
        ),
        checked_on="2026-11-23",
    ),
)
