"""Perplexity: chat and responses. Its base URL has no version in it.

Its streams carry usage without being asked.
"""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider
from nagara.domain.messages import HostedKind

# https://docs.perplexity.ai/docs/grounded-llm/openai-compatibility
PROVIDER = Provider(
    name="perplexity",
    display_name="Perplexity",
    homepage="https://www.perplexity.ai",
    base_url="https://api.perplexity.ai",
    base_url_env="PERPLEXITY_BASE_URL",
    credential_env=("PERPLEXITY_API_KEY",),
    paths={
        Operation.CHAT: "/chat/completions",
        Operation.RESPONSES: "/v1/responses",
    },
    has_stream_usage_option=False,
    adds=Abilities(frozenset({Ability.TOP_K}), frozenset({HostedKind.WEB_SEARCH})),
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.LOGPROBS, Ability.SEED, Ability.USER}),
    traits=frozenset({Trait.STREAMS_USAGE_UNASKED}),
)
