"""What Gemini can be asked for. Providers that serve it otherwise vary it in their files.

https://ai.google.dev/api/generate-content#generationconfig
"""

from nagara.domain.abilities import Abilities, Ability
from nagara.domain.messages import HostedKind

ABILITIES = Abilities(
    features=frozenset(
        {
            Ability.CHOICES,
            Ability.LOGPROBS,
            Ability.TOP_K,
            Ability.SEED,
            Ability.PENALTIES,
            Ability.STOP,
            Ability.JSON_OBJECT,
            Ability.JSON_SCHEMA,
            Ability.IMAGE_OUTPUT,
            Ability.SERVICE_TIER,
            Ability.ALLOWED_TOOLS,
            Ability.REASONING,
            Ability.REASONING_BUDGET,
            Ability.IMAGE_URLS,
            Ability.FILE_URLS,
        }
    ),
    # Searches of files, computers and the like are the caller's own if they come in this dialect;
    # those of another dialect have no equal here, and the encoder names them as dropped.
    hosted=frozenset(
        {
            HostedKind.WEB_SEARCH,
            HostedKind.WEB_FETCH,
            HostedKind.CODE_EXECUTION,
            HostedKind.FILE_SEARCH,
            HostedKind.COMPUTER,
            HostedKind.MCP,
            HostedKind.OTHER,
        }
    ),
)
