"""Perplexity's Agent API, which is Responses. Its base URL has no version in it.

Its chat endpoint, the Sonar API, went out of support on the 27th of September 2026, and answers
"Sonar is now the Agent API": https://github.com/danielmiessler/Fabric/releases/tag/v1.4.528
"""

from nagara.dialects.openai_chat.abilities import OPENAI_ONLY
from nagara.dialects.openai_responses.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Evidence, Operation, Provider
from nagara.domain.messages import HostedKind

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
    # It refuses every field that it does not know, by name; metadata it knows:
    # https://github.com/perplexityai/api-platform-developers/blob/main/skills/migrate-sonar-to-agent-api/references/request-mapping.md
    lacks=Abilities(
        (OPENAI_ONLY - {Ability.METADATA})
        | {Ability.JSON_OBJECT, Ability.LOGPROBS, Ability.NAMESPACES, Ability.USER},
        frozenset(HostedKind) - {HostedKind.WEB_SEARCH, HostedKind.MCP, HostedKind.OTHER},
    ),
    # Its answers have no reasoning items: the same place, response-and-streaming.md
    traits=frozenset(
        {
            Trait.NO_ENCRYPTED_REASONING,
            Trait.NO_IMAGE_DETAIL,
            Trait.RESPONSE_FORMAT,
            Trait.SEARCH_FILTERS,
        }
    ),
    # https://docs.perplexity.ai/docs/agent-api/model-fallback says that it counts before `model`.
    picks_model_by=frozenset({"models", "preset"}),
    evidence=Evidence(
        pages=(
            "https://docs.perplexity.ai/docs/agent-api/openai-compatibility",
            "https://github.com/perplexityai/api-platform-developers/tree/main/skills/migrate-sonar-to-agent-api/references",
            "https://github.com/perplexityai/perplexity-py/blob/main/src/perplexity/types/response_create_params.py",
            "https://github.com/vercel/ai/releases/tag/%40ai-sdk%2Fperplexity%405.0.0",
        ),
        checked_on="2026-11-23",
        unverified="the named choice of a function; documents as input",
    ),
)
