"""What a provider takes of JSON Schema, as data, and the keywords by what becomes of them.

Nothing here rewrites: `schema_rewriting` does, by one of these sets of rules.
"""

import msgspec


class SchemaRules(msgspec.Struct, frozen=True):
    """A subset of JSON Schema. `keywords` of None takes them all, `formats` of None likewise.

    `closes_objects` wants `additionalProperties: false` on every object, `requires_all` every
    property in `required`, `has_object_root` an object without alternatives at the top.
    `min_items_max` is the largest `minItems` it knows.
    """

    keywords: frozenset[str] | None
    formats: frozenset[str] | None
    closes_objects: bool = False
    requires_all: bool = False
    has_object_root: bool = False
    has_recursion: bool = True
    min_items_max: int | None = None

    def takes(self, keyword: str) -> bool:
        """Whether the keyword may stand."""
        return self.keywords is None or keyword in self.keywords


ANNOTATIONS = frozenset(
    {
        "$schema", "$id", "$comment", "$anchor", "$vocabulary", "$dynamicAnchor", "id", "title",
        "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
        "contentEncoding", "contentMediaType", "contentSchema", "discriminator", "xml",
        "externalDocs", "propertyOrdering", "format",
    }
)  # fmt: skip
"""Keywords that no value can break: they go without loss."""

LEAST = frozenset({"minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"})
MOST = frozenset({"maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"})

DOMAINS = {
    **dict.fromkeys(("minLength", "maxLength", "pattern"), "string"),
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"
    ),
    **dict.fromkeys(
        ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains",
         "minContains", "maxContains", "unevaluatedItems"),
        "array",
    ),
    **dict.fromkeys(
        ("properties", "required", "additionalProperties", "patternProperties", "minProperties",
         "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies",
         "unevaluatedProperties"),
        "object",
    ),
}  # fmt: skip
"""The one type whose values a keyword speaks of; it says nothing of others."""

CONSTRAINTS = frozenset(
    {"type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$ref"}
    | {"$dynamicRef", "additionalItems"}
)
"""Keywords that speak of values of any type; a name in neither table is no keyword at all."""
