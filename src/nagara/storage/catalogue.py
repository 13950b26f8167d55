"""The catalogue of models in the store: one document, replaced whole.

The newest build wins, whoever writes last. A document that this version cannot read counts as
absent, with a warning: the catalogue can always be built again.
"""

import logging

import msgspec

from nagara.domain.catalog import Catalogue
from nagara.storage.driver import Driver, Statement

logger = logging.getLogger("nagara.storage")

_SAVE = (
    "INSERT INTO catalogues (name, built_at_s, document) VALUES ('models.2', $1, $2) "
    "ON CONFLICT (name) DO UPDATE SET built_at_s = excluded.built_at_s, "
    "document = excluded.document WHERE excluded.built_at_s >= catalogues.built_at_s"
)
_CHANGED = Statement("UPDATE revisions SET number = number + 1 WHERE name = 'catalogue'")
_decoder = msgspec.json.Decoder(Catalogue)


async def save_catalogue(driver: Driver, catalogue: Catalogue) -> bool:
    """Keep `catalogue` unless a newer one is there; whether it was kept. May be repeated."""
    document = msgspec.json.encode(catalogue)
    save = Statement(_SAVE, (catalogue.built_at_s, document), is_long=True)
    results = await driver.commit([save, _CHANGED])
    return results[0].rows_touched == 1


async def load_catalogue(driver: Driver) -> Catalogue | None:
    """The catalogue that was kept; None when there is none that this version can read."""
    rows = await driver.query("SELECT document FROM catalogues WHERE name = 'models.2'")
    if not rows:
        return None
    try:
        return _decoder.decode(rows[0][0])
    except msgspec.DecodeError as error:
        logger.warning("the stored catalogue cannot be read and will be rebuilt: %s", error)
        return None
