"""What the price data does not know: providers' quirks of naming, makers, modalities, dates.

`facts.toml` holds it as data; this module gives it types and answers questions about a name. A
fact that the file does not have is None or empty here. Nothing is guessed.
"""

import datetime
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from nagara.domain.usage import Meter

FACTS_PATH = Path(__file__).with_name("facts.toml")
CONVERSATION = "conversation"


class _Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: a misspelt field is an error, not a fact that is lost."""


class ProviderFacts(_Fact, frozen=True):
    """How a provider that we can call stands in the price data, and which of its names count."""

    listings: tuple[str, ...]
    startup: str | None = None
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    prefix: str = ""
    suffix_after: str = ""
    has_good_names: bool = False

    def has(self, name: str) -> bool:
        """Whether this name of the price data is one that callers can use there."""
        lowered = name.lower()
        return (not self.only or matches(lowered, self.only)) and not matches(lowered, self.exclude)

    def request_name(self, name: str, listing: str) -> str:
        """The name as the provider wants it in a request."""
        wanted = self.names.get(name, name)
        if self.prefix and "/" not in wanted:
            wanted = self.prefix + wanted
        suffix = listing.removeprefix(self.suffix_after) if self.suffix_after else ""
        return f"{wanted}:{suffix}" if suffix else wanted


class Spelling(_Fact, frozen=True, rename={"replacement": "with"}):
    """One rewriting of a name, a regular expression and what replaces it."""

    pattern: str
    replacement: str


class StartupFacts(_Fact, frozen=True):
    """A maker of models, how others write its name, and how its models are called."""

    name: str
    homepage: str | None = None
    makers: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


class ModelFacts(_Fact, frozen=True):
    """What is known of one model."""

    id: str | None = None
    name: str | None = None
    snapshots: tuple[str, ...] = ()
    created: datetime.date | None = None


class UnlistedModel(_Fact, frozen=True):
    """A model that is in no price list: free, unless its rates are here, from its maker's page."""

    id: str
    model: str
    aliases: tuple[str, ...]
    startup: str
    providers: tuple[str, ...]
    name: str
    created: datetime.date | None = None
    deprecated: datetime.date | None = None
    input: tuple[str, ...] = ("text",)
    rates_pico: Mapping[Meter, int] = {}


class Kind(_Fact, frozen=True):
    """The kind of model that some names are."""

    kind: str
    match: tuple[str, ...]


class Rule(_Fact, frozen=True):
    """Facts that hold for every model whose id matches."""

    match: tuple[str, ...]
    input: tuple[str, ...] | None = None
    output: tuple[str, ...] | None = None
    parameters: tuple[str, ...] | None = None
    context_window: int | None = None
    output_tokens_max: int | None = None
    output_images_max: int | None = None
    image_tokens_max: int | None = None
    drawn_tokens_max: int | None = None
    has_own_tools: bool | None = None

    def over(self, earlier: "Rule") -> "Rule":
        """This rule's values, and the earlier rule's where this one says nothing."""
        names = (n for n in self.__struct_fields__ if n != "match" and getattr(self, n) is not None)
        return msgspec.structs.replace(earlier, **{name: getattr(self, name) for name in names})


class Facts(_Fact, frozen=True):
    """The whole file."""

    deprecated_by: datetime.date
    providers: Mapping[str, ProviderFacts]
    spellings: tuple[Spelling, ...]
    startups: Mapping[str, StartupFacts]
    models: Mapping[str, ModelFacts]
    unlisted_models: tuple[UnlistedModel, ...]
    kinds: tuple[Kind, ...]
    rules: tuple[Rule, ...]

    def model(self, model_id: str) -> ModelFacts:
        """What is known of this model alone."""
        known = (facts for name, facts in self.models.items() if (facts.id or name) == model_id)
        return next(known, ModelFacts())

    def kind_of(self, model_id: str) -> str:
        """`conversation` unless a kind claims the name."""
        return next((k.kind for k in self.kinds if matches(model_id, k.match)), CONVERSATION)

    def rule_for(self, model_id: str) -> Rule:
        """All rules that match, folded into one."""
        folded = Rule(match=(model_id,))
        for rule in self.rules:
            if matches(model_id, rule.match):
                folded = rule.over(folded)
        return folded

    def startup_of(self, name: str, model_id: str) -> str | None:
        """Who made it: by the maker before the slash, else by the family; None when unknown."""
        maker, slash, rest = name.lower().partition("/")
        if slash and "/" not in rest:
            known = (i for i, startup in self.startups.items() if maker in startup.makers)
            return next(known, maker.lstrip("~"))
        families = [
            (len(glob), startup_id)
            for startup_id, startup in self.startups.items()
            for glob in startup.families
            if fnmatchcase(model_id, glob)
        ]
        return max(families)[1] if families else None


def matches(name: str, globs: Iterable[str]) -> bool:
    """Whether any of the globs matches the whole name; case counts."""
    return any(fnmatchcase(name, glob) for glob in globs)


def read_facts() -> Facts:
    """The facts that come with the package."""
    return msgspec.toml.decode(FACTS_PATH.read_bytes(), type=Facts)
