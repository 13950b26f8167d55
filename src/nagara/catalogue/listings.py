"""What each provider lists, in our words: one `Listing` a provider and model.

The price data groups names that cost the same, which is not the same as names that are the same
model (`gpt-5` and `gpt-5-codex` share an entry). So an entry is taken apart by name, and only
spellings of one name, `-latest`, and a single dated snapshot at the maker itself stay together.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from nagara.catalogue.facts import Facts, ProviderFacts, matches
from nagara.catalogue.names import drop_latest, make_id, read_date, split_date
from nagara.catalogue.rates import drop_past, read_cards
from nagara.domain.rates import FREE_CARD, RateCard


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A model as one provider lists it. `model` is the name to send; `id` the public one.

    `startup` is None when neither the name nor the provider says who made it. `is_own` when the
    provider is the maker: its word on aliases and prices counts most. `names` are all the names
    of this one model in the entry.
    """

    provider: str
    id: str
    model: str
    startup: str | None
    is_own: bool
    prices: tuple[RateCard, ...]
    names: tuple[str, ...] = ()
    has_good_names: bool = False
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    released: datetime.date | None = None
    is_deprecated: bool = False


class _Group(msgspec.Struct, frozen=True):
    """Names of one entry that are one model. The first is the one to send."""

    id: str
    names: tuple[str, ...]
    released: datetime.date | None = None


def read_listings(price_data: Iterable[Any], facts: Facts, now_s: int) -> list[Listing]:
    """Every priced listing of the providers that the facts name, in the facts' order.

    `price_data` is the sequence of `genai_prices.types.Provider`.
    """
    by_id = {provider.id: provider for provider in price_data}
    return [
        listing
        for name, provider in facts.providers.items()
        for source in provider.listings
        if source in by_id
        for model in by_id[source].models
        for listing in _read_model(model, _Source(name, source, provider, facts), now_s)
    ]


class _Source(msgspec.Struct, frozen=True):
    """Where an entry was found."""

    provider: str
    listing: str
    provider_facts: ProviderFacts
    facts: Facts

    @property
    def is_maker(self) -> bool:
        return self.provider_facts.startup is not None


def _read_model(model: Any, source: _Source, now_s: int) -> Iterator[Listing]:
    names = [name for name in read_names(model) if source.provider_facts.has(name)]
    is_free = bool(names) and matches(names[0].lower(), source.provider_facts.free)
    prices = (FREE_CARD,) if is_free else drop_past(read_cards(model), now_s)
    if not prices:
        return
    main_id = make_id(model.id, source.facts)
    for group in _group(names, main_id, source):
        yield _describe(_list(group, prices, source), model, main_id)


def _list(group: _Group, prices: tuple[RateCard, ...], source: _Source) -> Listing:
    provider = source.provider_facts
    maker = source.facts.startup_of(group.names[0], group.id)
    startup = maker if maker is not None else provider.startup
    return Listing(
        provider=source.provider,
        id=group.id,
        model=provider.request_name(group.names[0], source.listing),
        startup=startup,
        is_own=startup is not None and startup == provider.startup,
        prices=prices,
        names=group.names,
        has_good_names=provider.has_good_names,
        released=group.released,
    )


def _describe(listing: Listing, model: Any, main_id: str) -> Listing:
    """Its entry's text holds for the name that the entry is called by, not for its neighbours."""
    replaced = msgspec.structs.replace(listing, is_deprecated=bool(model.deprecated))
    if main_id not in (listing.id, f"{listing.id}-latest") and listing.model != model.id:
        return replaced
    return msgspec.structs.replace(
        replaced,
        name=model.name,
        description=" ".join(model.description.split()) if model.description else None,
        context_window=model.context_window,
    )


def read_names(model: Any) -> list[str]:
    """The exact names of an entry, its id first when that is one; patterns name nothing."""
    clauses = getattr(model.match, "or_", [model.match])
    exact = [clause.equals for clause in clauses if hasattr(clause, "equals")]
    is_name = model.is_match(model.id) or not exact
    return list(dict.fromkeys([model.id, *exact] if is_name else exact))


def _group(names: Sequence[str], main_id: str, source: _Source) -> Iterator[_Group]:
    """Names by what they say apart from a date and `-latest`, then by snapshot."""
    facts = source.facts
    by_stem: dict[str, list[tuple[str, str | None]]] = {}
    for name in names:
        undated, date = split_date(name, has_short_dates=source.is_maker)
        by_stem.setdefault(drop_latest(make_id(undated, facts)), []).append((name, date))
    for stem, dated_names in by_stem.items():
        undated_ids = {make_id(name, facts) for name, date in dated_names if date is None}
        yield from _split_snapshots(stem, dated_names, stem in undated_ids | {main_id}, source)


def _split_snapshots(
    stem: str, dated_names: Sequence[tuple[str, str | None]], has_stem: bool, source: _Source
) -> Iterator[_Group]:
    """One snapshot at its maker is the model; several are each their own; others' are not names."""
    moving = tuple(name for name, date in dated_names if date is None)
    dates = {date: name for name, date in dated_names if date is not None}
    is_one = has_stem and len(dates) == 1
    released = read_date(next(iter(dates.values()))) if is_one else None
    if is_one and source.is_maker:
        yield _Group(stem, tuple(name for name, _ in dated_names), released)
        return
    if moving:
        yield _Group(stem if has_stem else make_id(moving[0], source.facts), moving, released)
    if source.is_maker or not moving:
        for name in dates.values():
            yield _Group(make_id(name, source.facts), (name,), read_date(name))
