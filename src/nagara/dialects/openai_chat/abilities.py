"""What OpenAI can be asked for over Chat Completions, and what others of the dialect cannot.

Web search is not among it: only a few of OpenAI's models have it here, and the others refuse the
field. Nor are caching marks, which only its newest models take.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from nagara.domain.abilities import Abilities, Ability

ABILITIES = Abilities(
    frozenset(
        {
            Ability.ALLOWED_TOOLS,
            Ability.CACHE_KEY,
            Ability.CHOICES,
            Ability.CUSTOM_TOOLS,
            Ability.IMAGE_URLS,
            Ability.JSON_OBJECT,
            Ability.JSON_SCHEMA,
            Ability.LOGPROBS,
            Ability.MESSAGE_NAMES,
            Ability.METADATA,
            Ability.PARALLEL_SWITCH,
            Ability.PENALTIES,
            Ability.REASONING,
            Ability.SEED,
            Ability.SERVICE_TIER,
            Ability.STOP,
            Ability.STRICT_TOOLS,
            Ability.SYSTEM_MIDWAY,
            Ability.USER,
            Ability.VERBOSITY,
        }
    )
)

OPENAI_ONLY = frozenset(
    {
        Ability.ALLOWED_TOOLS,
        Ability.CACHE_KEY,
        Ability.CUSTOM_TOOLS,
        Ability.METADATA,
        Ability.SERVICE_TIER,
        Ability.VERBOSITY,
    }
)
"""What hardly any other provider of this dialect has taken over."""
