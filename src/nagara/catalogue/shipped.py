"""The catalogue that comes with the package, as one JSON file with a model a line.

A line for each model keeps a rebuild's differences readable. Reading it takes a few milliseconds
and no dependency beyond msgspec; a broken file is a broken installation and raises.
"""

from pathlib import Path

import msgspec

from nagara.domain.catalog import Catalogue

SHIPPED_PATH = Path(__file__).with_name("models.json")

_decoder = msgspec.json.Decoder(Catalogue)
_encoder = msgspec.json.Encoder(order="sorted")


def load_shipped() -> Catalogue:
    """The catalogue that this version of the package came with."""
    return decode_catalogue(SHIPPED_PATH.read_bytes())


def pick_newer(stored: Catalogue | None) -> Catalogue:
    """The stored catalogue, or the shipped one where that is newer, as after an upgrade."""
    shipped = load_shipped()
    if stored is not None and stored.built_at_s >= shipped.built_at_s:
        return stored
    return shipped


def decode_catalogue(body: bytes) -> Catalogue:
    """A catalogue from its JSON; raises `msgspec.DecodeError` when it is none."""
    return _decoder.decode(body)


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """The catalogue as JSON with one model or startup a line; the same bytes for the same value."""
    return b"".join(
        (
            b'{"built_at_s":%d,"source":%s,\n' % (catalogue.built_at_s, _line(catalogue.source)),
            b'"startups":[\n%s\n],\n' % b",\n".join(map(_line, catalogue.startups)),
            b'"models":[\n%s\n]}\n' % b",\n".join(map(_line, catalogue.models)),
        )
    )


def _line(value: object) -> bytes:
    return _encoder.encode(value)
