"""The rate cards that something was charged by, whole, each under the digest of what it says.

A charge names its cards by version. So that it can be explained years later, whatever became of
prices since, a card is stored before the first charge that names it, and never changed. Storing it
again does nothing, in whichever process.
"""

import msgspec

from nagara.domain.rates import RateCard, decode_rate_card, encode_rate_card
from nagara.storage.driver import Driver, Statement

CARDS_MAX = 1000
"""How many cards are kept at hand, at most."""

_STORE = (
    "INSERT INTO rate_cards (version, model, first_used_at_s, card) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (version) DO NOTHING"
)
_FIND = "SELECT card FROM rate_cards WHERE version = $1"


class UsedCard(msgspec.Struct, frozen=True):
    """A card, and the model that was charged by it. Others may have a card that says the same."""

    model: str
    card: RateCard


def store_card(used: UsedCard, first_used_at_s: int) -> Statement:
    """Keep a card, unless it is kept already."""
    card = used.card
    return Statement(_STORE, (card.version, used.model, first_used_at_s, encode_rate_card(card)))


class StoredCards:
    """The cards in the store, by version, for whoever asks for the same ones again and again."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._known: dict[str, RateCard | None] = {}

    async def find(self, version: str) -> RateCard | None:
        """The card; None when there is none that still says what its version is the digest of."""
        if version not in self._known:
            if len(self._known) >= CARDS_MAX:
                self._known.clear()
            self._known[version] = await self._load(version)
        return self._known[version]

    async def _load(self, version: str) -> RateCard | None:
        rows = await self._driver.query(_FIND, (version,))
        try:
            card = decode_rate_card(rows[0][0]) if rows else None
        except msgspec.DecodeError:
            return None
        return card if card is not None and card.version == version else None
