"""What becomes of the schemas that callers really send."""

from typing import Any

import msgspec
import pytest

from nagara.dialects.schema import ANTHROPIC_STRICT, GEMINI, OPENAI_STRICT, TOOL_INPUT, rewrite
from nagara.dialects.schema_rules import SchemaRules
from nagara.domain.errors import GatewayError


def rewritten(schema: Any, rules: SchemaRules) -> tuple[Any, tuple[str, ...]]:
    made = rewrite(msgspec.Raw(msgspec.json.encode(schema)), rules)
    return msgspec.json.decode(made.schema), made.lost


def test_a_schema_by_the_rules_keeps_its_bytes() -> None:
    data = b'{ "type" : "object", "properties": {"a": {"type": "string"}} }'
    assert bytes(rewrite(msgspec.Raw(data), GEMINI).schema) == data


def test_gemini_gets_enum_for_const_and_whole_bounds_for_exclusive_ones() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "kind": {"const": "dog"},
            "age": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
        },
    }
    assert rewritten(schema, GEMINI) == (
        {
            "type": "object",
            "properties": {
                "kind": {"enum": ["dog"]},
                "age": {"type": "integer", "minimum": 1, "maximum": 9},
            },
        },
        (),
    )


def test_alternatives_that_a_property_tells_apart_become_any_of_without_loss() -> None:
    def branch(kind: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": [kind]}},
            "required": ["kind"],
        }

    schema = {"oneOf": [branch("cat"), branch("dog")], "discriminator": {"propertyName": "kind"}}
    assert rewritten(schema, GEMINI) == ({"anyOf": [branch("cat"), branch("dog")]}, ())


def test_a_lost_keyword_is_told_in_the_description() -> None:
    schema = {"type": "number", "description": "Share.", "multipleOf": 0.5}
    assert rewritten(schema, GEMINI) == (
        {"type": "number", "description": "Share. (multipleOf: 0.5)"},
        ("multipleOf",),
    )


def test_a_described_reference_keeps_reference_and_description() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/definitions/tree"}}}
    schema = {
        "type": "object",
        "properties": {"root": {"$ref": "#/definitions/tree", "description": "Top."}},
        "definitions": {"tree": tree},
    }
    made, lost = rewritten(schema, GEMINI)
    assert made["properties"]["root"] == {
        "anyOf": [{"$ref": "#/$defs/tree"}],
        "description": "Top.",
    }
    assert made["$defs"]["tree"]["properties"]["next"] == {"$ref": "#/$defs/tree"}
    assert lost == ()


def test_strict_mode_requires_every_property_and_lets_the_optional_be_null() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string", "enum": ["x"]}},
        "required": ["a"],
    }
    made = rewrite(msgspec.Raw(msgspec.json.encode(schema)), OPENAI_STRICT)
    assert msgspec.json.decode(made.schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert made.is_widened
    assert made.lost == ()


def test_a_map_of_free_names_is_a_loss_where_objects_are_closed() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    assert rewritten(schema, ANTHROPIC_STRICT)[1] == ("additionalProperties",)


def test_recursion_is_a_loss_where_it_cannot_be_said() -> None:
    schema = {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "name": {"type": "string"}},
    }
    assert rewritten(schema, ANTHROPIC_STRICT)[1] == ("properties.child.$ref",)


def test_a_tools_input_is_one_object_at_the_top() -> None:
    schema = {"anyOf": [{"type": "object", "properties": {"a": {}}}, {"properties": {"b": {}}}]}
    made, lost = rewritten(schema, TOOL_INPUT)
    assert made == {"properties": {"a": {}, "b": {}}, "type": "object"}
    assert lost == ("anyOf",)


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://example.com/schema", 3])
def test_a_reference_that_leads_nowhere_is_the_callers_mistake(reference: Any) -> None:
    with pytest.raises(GatewayError, match="not in it"):
        rewritten({"type": "object", "properties": {"a": {"$ref": reference}}}, GEMINI)


def test_references_that_double_at_every_level_are_refused() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for n in range(1, 40):
        twice = {"$ref": f"#/$defs/d{n - 1}", "minLength": n}
        definitions[f"d{n}"] = {"type": "object", "properties": {"a": twice, "b": twice}}
    schema = {"properties": {"a": {"$ref": "#/$defs/d39", "minProperties": 1}}}
    with pytest.raises(GatewayError, match="too large"):
        rewritten(schema | {"$defs": definitions}, GEMINI)


def test_what_is_all_of_itself_is_merged_once() -> None:
    again = {"$ref": "#/$defs/one", "properties": {"a": {"minLength": 1}}}
    one = {"properties": {"a": {"type": "string"}}, "allOf": [again]}
    schema = {"allOf": [{"$ref": "#/$defs/one"}], "$defs": {"one": one}}
    made = rewrite(msgspec.Raw(msgspec.json.encode(schema)), TOOL_INPUT)
    # Merged over and over, it grew deeper each time, in the end too deep for Python.
    assert len(made.schema) < 300
