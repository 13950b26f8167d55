"""What OpenAI itself can be asked for over Responses.

Sources: https://platform.openai.com/docs/api-reference/responses/create and /docs/guides/tools
"""

from nagara.domain.abilities import Abilities, Ability
from nagara.domain.messages import HostedKind

# Not among them: several answers, seeds, stop sequences and penalties, which this API never had,
# and marks of the prompt cache, which only its newest models take and the others refuse.
ABILITIES = Abilities(
    frozenset(
        {
            Ability.LOGPROBS,
            Ability.JSON_OBJECT,
            Ability.JSON_SCHEMA,
            Ability.VERBOSITY,
            Ability.SERVICE_TIER,
            Ability.METADATA,
            Ability.USER,
            Ability.CACHE_KEY,
            Ability.PARALLEL_SWITCH,
            Ability.ALLOWED_TOOLS,
            Ability.STRICT_TOOLS,
            Ability.CUSTOM_TOOLS,
            Ability.NAMESPACES,
            Ability.REASONING,
            Ability.SYSTEM_MIDWAY,
            Ability.IMAGE_URLS,
            Ability.FILE_URLS,
        }
    ),
    frozenset(
        {
            HostedKind.WEB_SEARCH,
            HostedKind.CODE_EXECUTION,
            HostedKind.FILE_SEARCH,
            HostedKind.IMAGE_GENERATION,
            HostedKind.COMPUTER,
            HostedKind.MCP,
            HostedKind.TOOL_SEARCH,
            HostedKind.OTHER,
        }
    ),
)
