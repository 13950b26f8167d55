"""What a new catalogue changes for callers: models that come, go, or cost something else."""

from collections.abc import Mapping

import msgspec

from nagara.domain.catalog import Catalogue
from nagara.domain.rates import find_rates
from nagara.domain.usage import Meter


class Repriced(msgspec.Struct, frozen=True):
    """A model whose list price changed, with the rates before and after."""

    id: str
    before_pico: Mapping[Meter, int]
    after_pico: Mapping[Meter, int]


class Changes(msgspec.Struct, frozen=True):
    """Ids of models, each in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    repriced: tuple[Repriced, ...]


def compare(before: Catalogue, after: Catalogue) -> Changes:
    """What `after` changes; only list prices are compared, not those of single providers."""
    old = {model.id: model for model in before.models}
    new = {model.id: model for model in after.models}
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        repriced=tuple(
            Repriced(
                id_,
                find_rates(old[id_].prices, before.built_at_s),
                find_rates(new[id_].prices, after.built_at_s),
            )
            for id_ in sorted(new.keys() & old.keys())
            if old[id_].prices != new[id_].prices
        ),
    )
