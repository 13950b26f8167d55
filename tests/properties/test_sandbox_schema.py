"""What the sandbox makes for a schema satisfies it, as an independent validator sees it."""

from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nagara.sandbox.schema import make_instance
from nagara.sandbox.schema_check import SchemaError

Schema = dict[str, Any]
CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
NAMES = st.sampled_from(["a", "b", "name", "x_1", "größe", "q/r~s"])
PATTERNS = st.sampled_from(
    [
        r"^[A-Z]{2,4}-\d+$", r"^\w+@[a-z]+\.(com|org)$", r"\d{3}", r"^(foo|ba[rz])*$",
        r"^#?([0-9a-fA-F]{6})$", r"^[^\s]+$", r"a.c", r"^\+?[1-9]\d{1,14}$",
        r"^(?:[01]\d|2[0-3]):[0-5]\d$", r"^\u0041[\x42-\x44]?$", r"^.{5,}$", r"^$|^x",
    ]
)  # fmt: skip
FORMATS = st.sampled_from(["date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4))


def drop_none(**keywords: Any) -> Schema:
    return {key: value for key, value in keywords.items() if value is not None}


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    kind = draw(st.sampled_from(["plain", "pattern", "format"]))
    if kind == "pattern":
        return {"type": "string", "pattern": draw(PATTERNS)}
    if kind == "format":
        return {"type": "string", "format": draw(FORMATS)}
    least = draw(st.integers(0, 20))
    most = draw(st.none() | st.integers(least, least + 20))
    return drop_none(type="string", minLength=least, maxLength=most)


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    name = draw(st.sampled_from(["integer", "number"]))
    low = draw(st.none() | st.integers(-1000, 1000))
    room = draw(st.integers(2, 1000))
    high = None if draw(st.booleans()) else (low or 0) + room
    step = draw(st.none() | st.sampled_from([1, 2, 0.5] if name == "number" else [1, 2]))
    low_key = draw(st.sampled_from(["minimum", "exclusiveMinimum"]))
    # With the step of 2 and both ends shut out, a room of 2 may hold nothing.
    high_key = "maximum" if low_key == "exclusiveMinimum" else "exclusiveMaximum"
    return drop_none(type=name, **{low_key: low, high_key: high}, multipleOf=step)


LEAVES = st.one_of(
    strings(),
    numbers(),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({}),
    st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    SCALARS.map(lambda value: {"const": value}),
    st.just({"type": ["null", "string"]}),
    st.just({"type": "string", "nullable": True}),
    st.just({"not": {"type": "string"}}),
    st.just({"$ref": "#/$defs/tree"}),
    st.just({"$ref": "#/$defs/code"}),
)


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    least = draw(st.integers(0, 3))
    most = draw(st.none() | st.integers(max(least, 1), 6))
    if draw(st.booleans()):
        items: Schema = {"type": draw(st.sampled_from(["integer", "string", "number"]))}
        return drop_none(type="array", items=items, minItems=least, uniqueItems=True)
    prefix = draw(st.none() | st.lists(inner, min_size=1, max_size=2))
    return drop_none(
        type="array", items=draw(inner), prefixItems=prefix, minItems=least, maxItems=most
    )


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    names = sorted(properties)
    required = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    schema: Schema = {"type": "object", "properties": properties, "required": required}
    extra = draw(st.none() | st.booleans() | inner)
    if extra is not None:
        schema["additionalProperties"] = extra
    if len(names) >= 2 and draw(st.booleans()):
        schema["dependentRequired"] = {names[0]: [names[1]]}
    if extra is not False and draw(st.booleans()):
        schema["minProperties"] = draw(st.integers(0, 6))
    elif draw(st.booleans()):
        schema["maxProperties"] = len(names)
    return schema


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    named = st.tuples(st.sampled_from("ab"), inner).map(
        lambda pair: {"type": "object", "properties": {pair[0]: pair[1]}, "required": [pair[0]]}
    )
    return st.one_of(
        arrays(inner),
        objects(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        objects(inner).map(lambda o: {"oneOf": [o, {"type": "integer"}, {"type": "null"}]}),
        st.tuples(inner, st.just({})).map(lambda both: {"allOf": list(both)}),
        named.map(lambda schema: {"allOf": [schema, {"properties": {"z": {"type": "null"}}}]}),
        named.map(lambda schema: {"if": {"type": "object"}, "then": schema}),
    )


TREE: Schema = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        "parent": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
    },
    "required": ["value", "parent"],
    "additionalProperties": False,
}
SATISFIABLE = st.recursive(LEAVES, nested, max_leaves=10).map(
    lambda schema: {**schema, "$defs": {"tree": TREE, "code": {"type": "string", "maxLength": 3}}}
)


@settings(max_examples=250, deadline=None, suppress_health_check=CALM)
@given(SATISFIABLE)
def test_a_satisfiable_schema_is_satisfied(schema: Schema) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    value = make_instance(schema)
    assert make_instance(schema) == value
    if "nullable" not in str(schema):  # OpenAPI's keyword means nothing to this validator
        validator.validate(value)


KEYWORDS = st.sampled_from(
    [
        "type", "enum", "const", "properties", "required", "additionalProperties", "items",
        "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains",
        "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
        "multipleOf", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$ref", "$defs",
        "minProperties", "maxProperties", "patternProperties", "propertyNames",
        "dependentRequired", "dependentSchemas", "nullable",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    ["object", "array", "string", "integer", "#", "#/$defs/a", "^a+$", "(", "a"]
)
ANYTHING = st.recursive(
    SCALARS
    | WORDS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYWORDS | NAMES, inner, max_size=4),
    ),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None, suppress_health_check=CALM)
@given(st.dictionaries(KEYWORDS, ANYTHING, max_size=5))
def test_any_object_gives_a_value_or_one_kind_of_error(schema: Schema) -> None:
    try:
        value = make_instance(schema)
    except SchemaError:
        return
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError:
        return
    if "$ref" not in str(schema) and "nullable" not in str(schema):
        jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"enum": []},
        {"not": {}},
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "array", "minItems": 900}, "minItems": 900},
        {"type": "string", "minLength": 10**9},
    ],
)
def test_an_impossible_schema_is_refused(schema: Schema) -> None:
    with pytest.raises(SchemaError):
        make_instance(schema)
