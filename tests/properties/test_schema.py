"""What fits a rewritten schema fits the original, whatever the schema, unless a loss is noted."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nagara.dialects.schema import (
    ANTHROPIC_STRICT,
    GEMINI,
    OPENAI_STRICT,
    TOOL_INPUT,
    rewrite,
)
from nagara.dialects.schema_rules import SchemaRules
from nagara.domain.errors import GatewayError

RULES = {
    "gemini": GEMINI,
    "openai": OPENAI_STRICT,
    "anthropic": ANTHROPIC_STRICT,
    "tool": TOOL_INPUT,
}
NAMES = st.sampled_from(["a", "b", "kind"])
SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 1.5, "", "a", "abc", "x"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])
SMALL = st.integers(0, 3)

LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
    "const": SCALARS,
    "enum": st.lists(SCALARS, min_size=1, max_size=3),
    "minimum": SMALL,
    "exclusiveMinimum": SMALL,
    "exclusiveMaximum": SMALL,
    "multipleOf": st.just(2),
    "minLength": SMALL,
    "maxItems": SMALL,
    "minItems": SMALL,
    "pattern": st.just("a"),
    "uniqueItems": st.booleans(),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "description": st.just("told"),
    "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two"]),
}


def places(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            **LEAVES,
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "unevaluatedProperties": st.just(False),
            "items": inner,
            "prefixItems": several,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "not": inner,
        },
    )


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=LEAVES), places, max_leaves=5)
SHAPES = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(NAMES, SCHEMAS, max_size=3)},
    optional={"required": LEAVES["required"], "additionalProperties": st.booleans()},
)
WHOLE = st.builds(
    lambda root, one, two: root | {"$defs": {"one": one, "two": two}},
    SCHEMAS | SHAPES,
    SCHEMAS,
    SCHEMAS,
)


def without_stand_ins(value: Any) -> Any:
    """Without the nulls that stand for what was left out."""
    if isinstance(value, dict):
        return {k: without_stand_ins(v) for k, v in value.items() if v is not None}
    return [without_stand_ins(item) for item in value] if isinstance(value, list) else value


def fits(value: Any, schema: Any) -> bool:
    try:
        return bool(Draft202012Validator(schema).is_valid(value))
    except RecursionError:
        # A schema that is nothing but itself has no meaning.
        assume(False)
        raise


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@given(schema=WHOLE, values=st.lists(VALUES, min_size=5, max_size=15))
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_what_fits_the_rewritten_schema_fits_the_original(
    rules: SchemaRules, schema: dict[str, Any], values: list[Any]
) -> None:
    try:
        made = rewrite(msgspec.Raw(msgspec.json.encode(schema)), rules)
    except GatewayError:
        assume(False)
        raise
    told = msgspec.json.decode(made.schema)
    Draft202012Validator.check_schema(told)
    for value in values:
        if not made.lost and fits(value, told):
            given_back = without_stand_ins(value) if made.is_widened else value
            assert fits(given_back, schema) or (made.is_widened and fits(value, schema))


def keywords_of(schema: Any) -> set[str]:
    """Every keyword in the schema, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(keywords_of, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for keyword, value in schema.items():
        if keyword in ("properties", "$defs", "patternProperties"):
            found |= keywords_of(list(value.values()))
        elif keyword not in ("enum", "const", "default", "required"):
            found |= keywords_of(value)
    return found


@pytest.mark.parametrize("rules", [GEMINI, OPENAI_STRICT, ANTHROPIC_STRICT])
@given(schema=WHOLE)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_rewritten_schema_has_no_keyword_beyond_the_rules(
    rules: SchemaRules, schema: dict[str, Any]
) -> None:
    try:
        made = rewrite(msgspec.Raw(msgspec.json.encode(schema)), rules)
    except GatewayError:
        assume(False)
        raise
    assert rules.keywords is not None
    assert keywords_of(msgspec.json.decode(made.schema)) <= rules.keywords


@given(data=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_what_is_no_schema_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with contextlib.suppress(GatewayError):
        rewrite(msgspec.Raw(data), GEMINI)
