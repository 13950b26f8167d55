"""Perplexity's Agent API, which is Responses. Its base URL has no version in it.

Its chat endpoint, the Sonar API, was supported until the 27th of September 2026.
"""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_responses.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation, Provider
from nagara.domain.messages import HostedKind

# https://docs.perplexity.ai/docs/agent-api/openai-compatibility and /migrate-from-sonar
PROVIDER = Provider(
    name="perplexity",
    display_name="Perplexity",
    homepage="https://www.perplexity.ai",
    base_url="https://api.perplexity.ai",
    base_url_env="PERPLEXITY_BASE_URL",
    credential_env=("PERPLEXITY_API_KEY",),
    paths={
        Operation.RESPONSES: "/v1/responses",
    },
    adds=Abilities(frozenset({Ability.TOP_K}), frozenset({HostedKind.WEB_SEARCH})),
    lacks=Abilities(OPENAI_ONLY | {Ability.CHOICES, Ability.LOGPROBS, Ability.SEED, Ability.USER}),
    traits=frozenset({Trait.NO_ENCRYPTED_REASONING}),
)
