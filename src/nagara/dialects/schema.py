"""JSON schemas, rewritten to what a provider takes: the rules of each, and how to apply them.

A provider that is handed a keyword it does not know refuses the whole request, so a schema is told
again in the words that it knows. The one invariant: what fits the rewritten schema fits the
original, unless `Rewritten.lost` names a keyword for which there were no words. Such a keyword is
told to the model in the description of its place, as the providers' own SDKs do, and whoever
encodes the request names it to the caller. An optional property that had to become required may
be null instead, which `Rewritten.is_widened` says.

https://json-schema.org/draft/2020-12
"""

from functools import lru_cache

import msgspec

from nagara.dialects.json_fields import decode_untyped, encode_raw
from nagara.dialects.schema_rewriting import Rewriting, grown_schema
from nagara.dialects.schema_rules import SchemaRules
from nagara.domain.errors import ErrorKind, GatewayError

_SHAPE = frozenset(
    {"$defs", "$ref", "type", "enum", "anyOf", "properties", "required", "items", "description"}
)
_BOUNDS = frozenset({"minimum", "maximum", "minItems", "maxItems", "pattern"})
_NET_FORMATS = frozenset(
    {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)

# https://ai.google.dev/api/generate-content#FIELDS.response_json_schema and, for what the other
# schema type takes beyond that, https://ai.google.dev/api/caching#Schema
GEMINI = SchemaRules(
    keywords=_SHAPE
    | _BOUNDS
    | {"prefixItems", "additionalProperties", "propertyOrdering", "title", "format"}
    | {"minLength", "maxLength", "minProperties", "maxProperties", "default"},
    formats=frozenset({"date-time", "date", "time", "int32", "int64", "float", "double"}),
)

# https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
OPENAI_STRICT = SchemaRules(
    keywords=_SHAPE
    | _BOUNDS
    | {"const", "additionalProperties", "title", "format"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    formats=_NET_FORMATS,
    closes_objects=True,
    requires_all=True,
    has_object_root=True,
)

# https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations
ANTHROPIC_STRICT = SchemaRules(
    keywords=_SHAPE
    | {"const", "additionalProperties", "title", "format", "default", "minItems", "pattern"},
    formats=_NET_FORMATS | {"uri"},
    min_items_max=1,
    closes_objects=True,
    has_recursion=False,
)

# Structured outputs of Converse compile the same subset:
# https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
BEDROCK_STRICT = ANTHROPIC_STRICT

# A tool that need not be followed strictly may have any keyword, but its input is an object and its
# root has no alternatives: https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview
TOOL_INPUT = SchemaRules(keywords=None, formats=None, has_object_root=True)

SCHEMA_BYTES_CACHED = 16_384
"""Agents send the same tools with every turn; a larger schema is not worth its place."""


class Rewritten(msgspec.Struct, frozen=True):
    """A schema for the wire. `lost` has the paths of keywords that no rewriting could keep.

    With `is_widened`, null may stand where the original has a property left out.
    """

    schema: msgspec.Raw
    lost: tuple[str, ...] = ()
    is_widened: bool = False


def rewrite(schema: msgspec.Raw, rules: SchemaRules) -> Rewritten:
    """The schema by these rules; the very same bytes if they already hold.

    Raises `GatewayError` (INVALID_REQUEST) for one that is no object, has a reference that leads
    nowhere, or grows beyond all bounds when its references are resolved.
    """
    data = bytes(schema)
    if len(data) <= SCHEMA_BYTES_CACHED:
        return _rewrite_cached(data, rules)
    return _rewrite(data, rules)


def tighten(schema: msgspec.Raw) -> msgspec.Raw | None:
    """The schema as OpenAI's strict mode wants it; None where that would not mean the same.

    Strict mode knows no optional properties: one that became nullable could come as a null that
    the caller's own schema does not allow.
    """
    rewritten = rewrite(schema, OPENAI_STRICT)
    return None if rewritten.lost or rewritten.is_widened else rewritten.schema


def describe(schema: msgspec.Raw, description: str | None) -> msgspec.Raw:
    """The schema with what it is for at its top, where a dialect has no other place to say it."""
    if description is None:
        return schema
    try:
        root = decode_untyped(schema)
    except ValueError:
        root = None
    if not isinstance(root, dict):
        # Whoever rewrites it refuses it.
        return schema
    own = root.get("description")
    told = f"{description}\n\n{own}" if own and own != description else description
    return encode_raw(root | {"description": told})


def _rewrite(data: bytes, rules: SchemaRules) -> Rewritten:
    try:
        root = decode_untyped(data)
    except ValueError:
        root = None
    if not isinstance(root, dict):
        raise GatewayError(ErrorKind.INVALID_REQUEST, "A schema must be a JSON object.")
    rewriting = Rewriting(root, rules)
    try:
        made = rewriting.whole()
        raw = msgspec.Raw(data) if made == root else encode_raw(made)
    except RecursionError as error:
        # Merging can nest deeper than anything that was sent.
        raise grown_schema() from error
    return Rewritten(raw, tuple(rewriting.lost), rewriting.is_widened)


_rewrite_cached = lru_cache(maxsize=1024)(_rewrite)
