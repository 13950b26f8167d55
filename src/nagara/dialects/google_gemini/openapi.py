"""Gemini's own schema type, a subset of OpenAPI 3.0, as JSON Schema.

Callers may declare `parameters` and `responseSchema` in it: types in capitals, `nullable`, counts
as strings, names in either case. Everything behind the hub speaks JSON Schema.

https://ai.google.dev/api/caching#Schema
"""

from typing import Any

import msgspec

from nagara.dialects.json_fields import decode_untyped, encode_raw

DEPTH_MAX = 100

_NAMES = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS = frozenset(
    {"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"}
)


def read_openapi(schema: msgspec.Raw) -> msgspec.Raw:
    """The JSON schema that says the same. Raises `msgspec.DecodeError` for what is no schema."""
    try:
        value = decode_untyped(schema)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error
    if not isinstance(value, dict):
        raise msgspec.ValidationError("Expected `object`")
    return encode_raw(_read(value, 0))


def _read(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > DEPTH_MAX:
        raise msgspec.ValidationError("Schema is nested too deeply")
    made: dict[str, Any] = {}
    for key, value in schema.items():
        name: Any = _NAMES.get(key, key)
        made[name] = _read_keyword(name, value, depth)
    if made.get("type") == "type_unspecified":
        del made["type"]
    if made.pop("nullable", False) is True:
        _allow_null(made)
    if "format" in made and made["format"] == "enum":
        del made["format"]
    _order_properties(made)
    return made


def _read_keyword(name: str, value: Any, depth: int) -> Any:
    if name == "type" and isinstance(value, str):
        return value.lower()
    if name in ("properties", "$defs") and isinstance(value, dict):
        return {key: _read(item, depth + 1) for key, item in value.items()}
    if name == "anyOf" and isinstance(value, list):
        return [_read(item, depth + 1) for item in value]
    if name in ("items", "additionalProperties"):
        return _read(value, depth + 1)
    if name == "$ref" and isinstance(value, str):
        return value.replace("#/defs/", "#/$defs/")
    # 64-bit counts are strings in the JSON of protocol buffers.
    if name in _COUNTS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _order_properties(made: dict[str, Any]) -> None:
    """Properties in the order that they are to be written in: for others, that of the schema."""
    order, properties = made.get("propertyOrdering"), made.get("properties")
    if isinstance(order, list) and isinstance(properties, dict):
        named = [name for name in order if isinstance(name, str) and name in properties]
        made["properties"] = {name: properties[name] for name in named} | properties


def _allow_null(made: dict[str, Any]) -> None:
    if isinstance(kind := made.get("type"), str):
        made["type"] = [kind, "null"]
    if isinstance(options := made.get("enum"), list) and None not in options:
        made["enum"] = [*options, None]
    if isinstance(branches := made.get("anyOf"), list):
        made["anyOf"] = [*branches, {"type": "null"}]
