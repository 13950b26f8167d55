"""Making the catalogue anew from the installed genai-prices, which `nagara models sync` does.

This is the only module that imports genai-prices, and only inside the call: it takes most of a
second and 70 MB. It reaches the network only when asked for the newest prices.
"""

import datetime
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, cast

from nagara.catalogue.build import build_catalogue
from nagara.catalogue.facts import read_facts
from nagara.domain.catalog import Catalogue

INSTALL_HINT = "the price data is not installed: pip install 'nagara[catalogue]'"


class PricesUnavailableError(Exception):
    """The price data is not installed, or its newest version could not be fetched."""


def make_catalogue(day: datetime.date, *, has_newest: bool = False) -> Catalogue:
    """The catalogue of a day, from the installed prices, or the newest ones of the network.

    Raises `PricesUnavailableError` with a message that says what to do.
    """
    price_data = fetch_prices() if has_newest else read_prices()
    source = f"genai-prices {version('genai-prices')}"
    if has_newest:
        source += f", updated {day.isoformat()}"
    return build_catalogue(price_data, read_facts(), day=day, source=source)


def read_prices() -> Sequence[Any]:
    """The installed price data: a sequence of `genai_prices.types.Provider`."""
    try:
        from genai_prices.data import providers
    except ImportError:
        raise PricesUnavailableError(INSTALL_HINT) from None
    return cast(Sequence[Any], providers)


def fetch_prices(url: str | None = None) -> Sequence[Any]:
    """The newest price data that genai-prices publishes, or what lies at `url`."""
    try:
        from genai_prices import UpdatePrices
        from httpx2 import HTTPError
    except ImportError:
        raise PricesUnavailableError(INSTALL_HINT) from None
    try:
        snapshot = (UpdatePrices(url=url) if url else UpdatePrices()).fetch()
    except (HTTPError, OSError, ValueError) as error:
        raise PricesUnavailableError(f"the newest prices could not be fetched: {error}") from error
    if snapshot is None or not snapshot.providers:
        raise PricesUnavailableError("genai-prices publishes no prices; leave --update out")
    return cast(Sequence[Any], snapshot.providers)
