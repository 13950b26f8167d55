"""What the operator declared, checked on its own but not yet against the catalogue.

Reading files and the environment ends in a `Declared`; building routes begins with one. Secrets in
it cannot be printed. It holds no settings: those are numbers and switches, not who serves what.
"""

from collections.abc import Iterable, Mapping

import msgspec

from nagara.domain.catalog import ConfiguredProvider, Secret
from nagara.domain.rates import RateCard
from nagara.domain.text import escape_unprintable

PROBLEM_LENGTH_MAX = 500


class ConfigError(Exception):
    """A configuration that cannot be used. `problems` has them all, one line each, no secrets."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(shorten(problem) for problem in problems)
        super().__init__("\n".join(self.problems))


def shorten(problem: str) -> str:
    """The problem on one line of bounded length, whatever a file had in its keys and values."""
    shown = escape_unprintable(problem[:PROBLEM_LENGTH_MAX])
    return f"{shown}…" if len(problem) > PROBLEM_LENGTH_MAX else shown


class DeclaredDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment of a declared model. `credential` of None takes the provider's."""

    provider: str
    model: str
    credential: Secret | None = None
    priority: int = 0
    weight: int = 1


class DeclaredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the operator's own, or changes to one of the catalogue: None changes nothing.

    `where` is its place in the file, for messages.
    """

    id: str
    where: str
    display_name: str | None = None
    context_window: int | None = None
    output_tokens_max: int | None = None
    aliases: tuple[str, ...] = ()
    prices: tuple[RateCard, ...] | None = None
    markup_ppm: int | None = None
    deployments: tuple[DeclaredDeployment, ...] = ()


class DeclaredAlias(msgspec.Struct, frozen=True):
    """Another name for a model id, with its place in the file."""

    name: str
    target: str
    where: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """The providers in use, the operator's models, and the aliases, in the order of the file."""

    providers: Mapping[str, ConfiguredProvider] = {}
    models: tuple[DeclaredModel, ...] = ()
    aliases: tuple[DeclaredAlias, ...] = ()
