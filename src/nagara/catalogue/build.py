"""Price data and facts in, catalogue out: pure, and used only where a catalogue is made.

One public model is all the listings whose names agree and whose makers do not differ. Every id
and alias in the result names exactly one model. Nothing here imports genai-prices: its data is
handed in, as is the day whose prices count.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nagara.catalogue.facts import CONVERSATION, Facts, Rule, UnlistedModel
from nagara.catalogue.listings import Listing, read_listings
from nagara.catalogue.names import read_date, spell_both_ways
from nagara.domain.catalog import Catalogue, Model, Offer, Operation, Startup
from nagara.domain.rates import FREE_CARD, RateCard, find_rates
from nagara.domain.usage import Meter

DESCRIPTION_CHARACTERS_MAX = 280

# What a kind of model is for. A route shows those of them that its providers really serve.
OPERATIONS: Mapping[str, tuple[Operation, ...]] = {
    CONVERSATION: (
        Operation.CHAT,
        Operation.RESPONSES,
        Operation.MESSAGES,
        Operation.COUNT_TOKENS,
    ),
    "drawing": (
        Operation.CHAT,
        Operation.RESPONSES,
        Operation.MESSAGES,
        Operation.COUNT_TOKENS,
        Operation.IMAGES,
        Operation.IMAGE_EDITS,
    ),
    "embeddings": (Operation.EMBEDDINGS,),
    "rerank": (Operation.RERANK,),
    "moderations": (Operation.MODERATIONS,),
    "image": (Operation.IMAGES, Operation.IMAGE_EDITS, Operation.IMAGE_VARIATIONS),
    "speech": (Operation.SPEECH,),
    "transcription": (Operation.TRANSCRIPTIONS, Operation.TRANSLATIONS),
}


def build_catalogue(
    price_data: Iterable[Any], facts: Facts, *, day: datetime.date, source: str
) -> Catalogue:
    """The catalogue as of a day.

    `price_data` is the sequence of `genai_prices.types.Provider`; `source` says where it is from.
    """
    now_s = _to_unix(day)
    merged = merge(read_listings(price_data, facts, now_s), facts, now_s)
    models = [_make_model(model_id, found, facts, now_s) for model_id, found in merged.items()]
    models += [_make_unlisted(model, facts) for model in facts.unlisted_models]
    models.sort(key=lambda model: model.id)
    return Catalogue(
        built_at_s=now_s,
        source=source,
        models=tuple(_keep_aliases_apart(models)),
        startups=tuple(_make_startups(models, facts)),
    )


def merge(listings: Sequence[Listing], facts: Facts, now_s: int) -> dict[str, list[Listing]]:
    """Listings by public id, makers' own first, one a provider: the cheapest where it has several.

    Other providers' names are looked up among the makers' aliases. Where two makers use one name,
    the later's model is called `maker/name`.
    """
    listings = sorted(listings, key=lambda listing: not listing.is_own)
    ids = {alias: x.id for x in listings if x.is_own for alias in _aliases_of(x, facts)}
    merged: dict[str, list[Listing]] = {}
    for listing in listings:
        model_id = listing.id if listing.id in merged else ids.get(listing.id, listing.id)
        found = merged.setdefault(model_id, [])
        if _is_other_makers(listing, found):
            found = merged.setdefault(f"{listing.startup}/{model_id}", [])
        _add(listing, found, now_s)
    return merged


def _is_other_makers(listing: Listing, found: Sequence[Listing]) -> bool:
    maker = next((x.startup for x in found if x.startup is not None), None)
    return None not in (maker, listing.startup) and maker != listing.startup


def _add(listing: Listing, found: list[Listing], now_s: int) -> None:
    for index, other in enumerate(found):
        if other.provider == listing.provider:
            # A maker's first entry is the model's; the router of many servers takes the cheapest.
            is_cheaper = _rate_sum(listing, now_s) < _rate_sum(other, now_s)
            if not other.is_own and is_cheaper:
                found[index] = listing
            return
    found.append(listing)


def _rate_sum(listing: Listing, now_s: int) -> int:
    rates = find_rates(listing.prices, now_s)
    return sum(rates.get(meter, 0) for meter in (Meter.INPUT, Meter.OUTPUT, Meter.AUDIO_MS))


def _aliases_of(listing: Listing, facts: Facts) -> Iterator[str]:
    """Names that callers may know: the maker's own as it writes them, and well-kept ones."""
    if listing.is_own:
        for name in (*listing.names, *facts.model(listing.id).snapshots):
            yield from (name, *spell_both_ways(name.lower(), facts))
    elif listing.has_good_names:
        yield from (name.lower().rsplit("/", 1)[-1] for name in listing.names)


def _make_model(model_id: str, found: Sequence[Listing], facts: Facts, now_s: int) -> Model:
    known = facts.model(model_id)
    created = known.created or _first_release(known.snapshots, found)
    startup = next((x.startup for x in found if x.startup is not None), found[0].provider)
    aliases = {alias for x in found for alias in _aliases_of(x, facts)} - {model_id}
    return _apply_rule(
        Model(
            id=model_id,
            startup=startup,
            display_name=known.name or _display_name(model_id, found),
            description=_description(found),
            created_s=_to_unix(created) if created else 0,
            context_window=next((x.context_window for x in found if x.context_window), None),
            operations=OPERATIONS.get(facts.kind_of(model_id), ()),
            aliases=tuple(sorted(aliases)),
            deprecates_at_s=_to_unix(facts.deprecated_by) if _is_deprecated(found) else None,
            prices=_list_prices(found, now_s),
            offers=tuple(Offer(x.provider, x.model, x.prices) for x in found),
        ),
        facts.rule_for(model_id),
    )


def _apply_rule(model: Model, rule: Rule) -> Model:
    return msgspec.structs.replace(
        model,
        context_window=rule.context_window or model.context_window,
        output_tokens_max=rule.output_tokens_max,
        output_images_max=rule.output_images_max,
        image_tokens_max=rule.image_tokens_max,
        drawn_tokens_max=rule.drawn_tokens_max,
        has_own_tools=bool(rule.has_own_tools),
        input_modalities=rule.input or model.input_modalities,
        output_modalities=rule.output or model.output_modalities,
        parameters=rule.parameters or (),
    )


def _make_unlisted(unlisted: UnlistedModel, facts: Facts) -> Model:
    cards = (RateCard(rates_pico=unlisted.rates_pico) if unlisted.rates_pico else FREE_CARD,)
    rule = facts.rule_for(unlisted.id)
    model = Model(
        id=unlisted.id,
        startup=unlisted.startup,
        display_name=unlisted.name,
        created_s=_to_unix(unlisted.created) if unlisted.created else 0,
        operations=OPERATIONS.get(facts.kind_of(unlisted.id), ()),
        aliases=unlisted.aliases,
        deprecates_at_s=_to_unix(unlisted.deprecated) if unlisted.deprecated else None,
        prices=cards,
        offers=tuple(Offer(provider, unlisted.model, cards) for provider in unlisted.providers),
    )
    return msgspec.structs.replace(_apply_rule(model, rule), input_modalities=unlisted.input)


def _list_prices(found: Sequence[Listing], now_s: int) -> tuple[RateCard, ...]:
    """The maker's own prices where it sells the model, else the cheapest's: decision 8."""
    own = next((x.prices for x in found if x.is_own), None)
    return own if own is not None else min(found, key=lambda x: _rate_sum(x, now_s)).prices


def _is_deprecated(found: Sequence[Listing]) -> bool:
    """The maker's word counts; without it, everyone's."""
    return all(x.is_deprecated for x in [x for x in found if x.is_own] or found)


def _first_release(snapshots: Sequence[str], found: Sequence[Listing]) -> datetime.date | None:
    """The day in the maker's dated names, else the earliest day in anyone's."""
    own = [x.released for x in found if x.is_own and x.released]
    stated = [day for name in snapshots if (day := read_date(name))]
    return min(own or stated or [x.released for x in found if x.released], default=None)


def _display_name(model_id: str, found: Sequence[Listing]) -> str:
    by_care = sorted(found, key=lambda x: (not x.has_good_names, not x.is_own))
    return next((x.name for x in by_care if x.name), model_id)


def _description(found: Sequence[Listing]) -> str | None:
    text = next((x.description for x in found if x.description), None)
    if text is None or len(text) <= DESCRIPTION_CHARACTERS_MAX:
        return text
    cut = text[:DESCRIPTION_CHARACTERS_MAX]
    sentence, stop, _ = cut.rpartition(". ")
    return sentence + "." if stop else cut.rpartition(" ")[0] + " …"


def _keep_aliases_apart(models: Sequence[Model]) -> Iterator[Model]:
    """Ids win over aliases, and the first model to claim an alias keeps it."""
    taken = {model.id for model in models}
    for model in models:
        aliases = tuple(alias for alias in model.aliases if alias not in taken)
        taken.update(aliases)
        yield msgspec.structs.replace(model, aliases=aliases)


def _make_startups(models: Iterable[Model], facts: Facts) -> Iterator[Startup]:
    for startup_id in sorted({model.startup for model in models}):
        known = facts.startups.get(startup_id)
        if known is None:
            yield Startup(startup_id, startup_id)
        else:
            yield Startup(startup_id, known.name, known.homepage)


def _to_unix(day: datetime.date) -> int:
    return int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp())
