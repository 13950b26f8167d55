"""The fields of a form for a provider, as the JSON that an upload makes a form of."""

from collections.abc import Mapping, Sequence

import msgspec


def write_form_fields(fields: Mapping[str, str | Sequence[str] | None]) -> bytes:
    """Those that say something; each of several texts is a field of its own."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value})
