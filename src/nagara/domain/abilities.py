"""What a dialect, and a provider within it, can be asked for.

A dialect has a set of these; a provider's file says what its own server adds or lacks. What a
request wants beyond them is refused or dropped by one table (`dialects/fit.py`), so no encoder
decides that for itself, and nothing is decided by a provider's name.
"""

import enum

import msgspec

from nagara.domain.messages import HostedKind


class Ability(enum.StrEnum):
    """Something that a request may ask for and not every provider has."""

    CHOICES = "several answers to one request"
    LOGPROBS = "log probabilities of tokens"
    TOP_K = "top-k sampling"
    SEED = "a seed"
    PENALTIES = "frequency and presence penalties"
    STOP = "stop sequences"
    JSON_OBJECT = "JSON output without a schema"
    JSON_SCHEMA = "JSON output by a schema"
    VERBOSITY = "a verbosity"
    SERVICE_TIER = "service tiers"
    METADATA = "metadata"
    USER = "the end user's id"
    CACHE_KEY = "a key of the prompt cache"
    CACHE_MARKS = "prompt caching marks"
    PARALLEL_SWITCH = "a switch for parallel tool calls"
    ALLOWED_TOOLS = "a list of allowed tools"
    STRICT_TOOLS = "tools whose arguments strictly follow the schema"
    CUSTOM_TOOLS = "tools that take free text"
    NAMESPACES = "tools in namespaces"
    IMAGE_OUTPUT = "a wish for pictures"
    REASONING = "reasoning options"
    REASONING_BUDGET = "a budget of reasoning tokens"
    MESSAGE_NAMES = "names of participants"
    SYSTEM_MIDWAY = "system messages in the middle of a conversation"
    IMAGE_URLS = "images and videos by their address, which it fetches itself"
    FILE_URLS = "documents by their address, which it fetches itself"


class Abilities(msgspec.Struct, frozen=True):
    """A set of abilities, and the tools that are run by the provider itself."""

    features: frozenset[Ability] = frozenset()
    hosted: frozenset[HostedKind] = frozenset()

    def varied(self, adds: "Abilities", lacks: "Abilities") -> "Abilities":
        """These with some more and without some others."""
        return Abilities(
            (self.features | adds.features) - lacks.features,
            (self.hosted | adds.hosted) - lacks.hosted,
        )
