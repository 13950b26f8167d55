"""JSON schemas in the form that Anthropic takes for structured output and strict tools.

Every object must be closed, `oneOf` is not known, and bounds of numbers, strings and arrays are
not enforced: they go into the description, where the model reads them, as Anthropic's own SDK
does. What satisfies the result satisfies the schema that was given, but for those bounds. An open
map has no equivalent; it is left as it is, for Anthropic to name in its refusal.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from typing import Any

import msgspec

from nagara.dialects.json_fields import decode_untyped, encode_raw
from nagara.domain.errors import ErrorKind, GatewayError

_UNENFORCED = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)
_NESTED = ("items", "not", "contains", "propertyNames", "if", "then", "else")
_LISTED = ("anyOf", "allOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions", "patternProperties")


def close_schema(raw: msgspec.Raw) -> msgspec.Raw:
    """The schema as Anthropic takes it. Raises `GatewayError` if it cannot be read."""
    try:
        return encode_raw(_close(decode_untyped(bytes(raw))))
    except (ValueError, RecursionError) as error:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, "The JSON schema is nested too deeply.", param="schema"
        ) from error


def _close(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    closed = {name: _close_member(name, value) for name, value in schema.items()}
    if "oneOf" in closed and "anyOf" not in closed:
        closed["anyOf"] = closed.pop("oneOf")
    if _is_object(closed) and not _is_map(closed):
        closed["additionalProperties"] = False
    bounds = {name: closed.pop(name) for name in _UNENFORCED if name in closed}
    # One or none at least is enforced; more is not.
    if isinstance(closed.get("minItems"), int) and closed["minItems"] > 1:
        bounds["minItems"] = closed.pop("minItems")
    if bounds:
        said = ", ".join(f"{name}: {value}" for name, value in bounds.items())
        closed["description"] = f"{closed.get('description', '')} ({said})".strip()
    return closed


def _close_member(name: str, value: Any) -> Any:
    if name in _NESTED:
        return _close(value)
    if name in _LISTED and isinstance(value, list):
        return [_close(item) for item in value]
    if name in _NAMED and isinstance(value, dict):
        return {key: _close(item) for key, item in value.items()}
    return value


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        kind == "object" or "properties" in schema or (isinstance(kind, list) and "object" in kind)
    )


def _is_map(schema: dict[str, Any]) -> bool:
    """Whether any name may be in it: closing it would leave nothing that fits."""
    return "properties" not in schema and schema.get("additionalProperties", False) is not False
