"""JSON of this dialect, read field by field and written whole.

A request is read through `Reader`: each field is taken with its type checked, an error names the
field by its path (`input[2].content[0].image_url`), and what nobody took is left as extras. Half a
surrogate pair, which JavaScript sends when it cuts a string inside an emoji, is read and written
as the escape that it came in; msgspec alone would refuse it.

Invariant: reading raises nothing but `GatewayError`, writing raises nothing.
"""

import json
import re
from typing import Any, TypeVar

import msgspec

from nagara.dialects.json_fields import Fields, write_fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.errors import GatewayError
from nagara.domain.messages import NO_EXTRAS, Extras

NAME = "openai_responses"

Value = TypeVar("Value")

_text = msgspec.json.Decoder(str | None)
_texts = msgspec.json.Decoder(list[str] | None)
_number = msgspec.json.Decoder(float | None)
_whole = msgspec.json.Decoder(int | None)
_flag = msgspec.json.Decoder(bool | None)
_object = msgspec.json.Decoder(Fields | None)
_objects = msgspec.json.Decoder(list[Fields] | None)
_strings = msgspec.json.Decoder(dict[str, str] | None)
_encoder = msgspec.json.Encoder()

_PLACE = re.compile(r" - at `\$(.*)`$")
NULL = msgspec.Raw(b"null")


class Reader:
    """The fields of one object; `path` is where it stands in the request."""

    __slots__ = ("fields", "path")

    def __init__(self, fields: Fields, path: str = "") -> None:
        self.fields = fields
        self.path = path

    def name(self, field: str) -> str:
        """The path of a field of this object."""
        return field if not self.path else f"{self.path}.{field}"

    def text(self, field: str) -> str | None:
        """A string; None when absent or null, as with all that follow."""
        return self._take(field, _text, "a string")

    def needed_text(self, field: str) -> str:
        """A string that must be there."""
        value = self.text(field)
        if value is None:
            raise wrong_field(self.name(field), "is missing; it must be a string.")
        return value

    def texts(self, field: str) -> list[str] | None:
        """A list of strings."""
        return self._take(field, _texts, "an array of strings")

    def number(self, field: str) -> float | None:
        """Any number."""
        return self._take(field, _number, "a number")

    def whole(self, field: str) -> int | None:
        """A whole number."""
        return self._take(field, _whole, "a whole number")

    def flag(self, field: str) -> bool | None:
        """True or false."""
        return self._take(field, _flag, "true or false")

    def strings(self, field: str) -> dict[str, str] | None:
        """An object whose values are strings."""
        return self._take(field, _strings, "an object of strings")

    def object(self, field: str) -> "Reader | None":
        """An object, to be read in its turn."""
        fields = self._take(field, _object, "an object")
        return None if fields is None else Reader(fields, self.name(field))

    def objects(self, field: str) -> "list[Reader]":
        """An array of objects; empty when absent or null."""
        found = self._take(field, _objects, "an array of objects") or []
        name = self.name(field)
        return [Reader(fields, f"{name}[{index}]") for index, fields in enumerate(found)]

    def raw(self, field: str) -> msgspec.Raw | None:
        """Any value as the bytes it came in."""
        raw = self.fields.pop(field, None)
        return None if raw is None or raw == NULL else raw

    def shape(self, field: str) -> str:
        """The first character of a field's JSON: what kind of value it is; empty if absent."""
        raw = self.fields.get(field)
        return "" if raw is None else chr(memoryview(raw)[0])

    def rest(self) -> Extras:
        """The fields that nobody took."""
        kept = {name: raw for name, raw in self.fields.items() if raw != NULL}
        return kept or NO_EXTRAS

    def whole_raw(self) -> msgspec.Raw:
        """The object again, as far as nothing was taken from it."""
        return msgspec.Raw(write_fields(self.fields))

    def _take(self, field: str, decoder: msgspec.json.Decoder[Value], what: str) -> Value | None:
        raw = self.fields.pop(field, None)
        if raw is None:
            return None
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            name = self.name(field) + (place[1] if place else "")
            raise wrong_field(name, f"is wrong: {_PLACE.sub('', str(error))}.") from error
        except (msgspec.DecodeError, RecursionError):
            return _read_leniently(raw, decoder, wrong_field(self.name(field), f"must be {what}."))


def _read_leniently(
    raw: msgspec.Raw, decoder: msgspec.json.Decoder[Value], wrong: GatewayError
) -> Value | None:
    """A value with half a surrogate pair in it, its fields again as raw JSON with the escape."""
    try:
        value = json.loads(bytes(raw))
        if decoder is _object or decoder is _objects:
            value = _keep_raw(value) if isinstance(value, dict) else [_keep_raw(v) for v in value]
        return msgspec.convert(value, decoder.type)
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise wrong from error


def _keep_raw(value: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(item).encode()) for name, item in value.items()}


def encode_json(value: Any) -> bytes:
    """The value as JSON: dictionaries, lists and raw JSON in any mixture."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_escape(value))


def _escape(value: Any) -> Any:
    """The value with every string that holds half a surrogate pair as raw JSON with an escape."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgspec.Raw(json.dumps(value).encode())
        return value
    if isinstance(value, dict):
        # A name cannot be raw JSON; one that has no UTF-8 is told as far as it can be.
        return {
            name.encode(errors="replace").decode(): _escape(item) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value
