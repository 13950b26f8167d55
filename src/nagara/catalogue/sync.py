"""Making the catalogue anew from the installed genai-prices, which `nagara models sync` does.

This is the only module that imports genai-prices, and only inside the call: it takes most of a
second and 70 MB. It reaches the network only when asked for the newest prices.
"""

import datetime
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from nagara.catalogue.build import build_catalogue
from nagara.catalogue.facts import read_facts
from nagara.domain.catalog import Catalogue

INSTALL_HINT = "The price data is not installed: pip install 'nagara[catalogue]'"


class PricesUnavailableError(Exception):
    """The price data is not installed, or its newest version could not be fetched."""


def make_catalogue(day: datetime.date, *, has_newest: bool = False) -> Catalogue:
    """The catalogue of a day, from the installed prices, or the newest ones of the network.

    Raises `PricesUnavailableError` with a message that says what to do.
    """
    price_data = _fetch_newest() if has_newest else _read_installed()
    source = f"genai-prices {version('genai-prices')}"
    if has_newest:
        source += f", updated {day.isoformat()}"
    return build_catalogue(price_data, read_facts(), day=day, source=source)


def _read_installed() -> Iterable[Any]:
    try:
        from genai_prices.data import providers
    except ImportError:
        raise PricesUnavailableError(INSTALL_HINT) from None
    return providers


def _fetch_newest() -> Iterable[Any]:
    try:
        from genai_prices import UpdatePrices
    except ImportError:
        raise PricesUnavailableError(INSTALL_HINT) from None
    snapshot = UpdatePrices().fetch()
    if snapshot is None:
        raise PricesUnavailableError("genai-prices has no newer prices than those installed")
    return snapshot.providers
