"""Whether a value satisfies a JSON schema: the other half of making one that does.

Reads the keywords of https://json-schema.org/draft/2020-12 and the older forms still in use, as
plain data. Formats are annotations and are not checked; a pattern that `pattern` cannot read is
not heeded. References lead into the same document only. Bounded in depth; it never raises for a
wrong schema other than `SchemaError`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

from nagara.sandbox.pattern import Node, UnsupportedPatternError, Walk, is_match, parse_pattern

Schema = Mapping[str, Any]

DEPTH_MAX: Final = 60


class SchemaError(ValueError):
    """Nothing can be made for this schema; the text says why."""


def type_names(value: Any) -> set[str]:
    """The JSON types that the value belongs to: a whole number is also an integer."""
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number", "integer"} if value.is_integer() else {"number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
    return {"object"}


def is_same(one: Any, other: Any) -> bool:
    """JSON equality: 1 is 1.0, but true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
    return bool(one == other)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether it is a JSON string."""
    return isinstance(value, str)


def read_map(schema: Schema, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one where it is missing or something else."""
    found = schema.get(key)
    return found if isinstance(found, dict) else {}


def read_list(schema: Schema, key: str) -> list[Any]:
    """The array under `key`, or an empty one."""
    found = schema.get(key)
    return found if isinstance(found, list) else []


def read_count(schema: Schema, key: str) -> int | None:
    """The non-negative whole number under `key`, or None."""
    found = schema.get(key)
    return int(found) if is_number(found) and found >= 0 else None


def allowed_types(schema: Schema) -> set[str] | None:
    """The names under `type`, with `nullable` of OpenAPI taken in; None where any type will do."""
    named = schema.get("type")
    names = {named} if isinstance(named, str) else set(filter(is_text, read_list(schema, "type")))
    if names and schema.get("nullable") is True:
        names.add("null")
    return names or None


@lru_cache(maxsize=256)
def find_pattern(source: str) -> Node | None:
    """The tree of a pattern, or None where it cannot be read."""
    try:
        return parse_pattern(source)
    except UnsupportedPatternError:
        return None


def resolve(root: Any, reference: Any) -> Any:
    """What a reference such as `#/$defs/node` points at. Raises `SchemaError`."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise SchemaError(f"the reference {reference!r:.80} leads out of the schema")
    found = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise SchemaError(f"the reference {reference!r:.80} leads nowhere")
    return found


def item_schema(schema: Schema, index: int) -> Any:
    """The schema that one branch lays on the item at `index`."""
    items = schema.get("items", True)
    prefix = items if isinstance(items, list) else read_list(schema, "prefixItems")
    if index < len(prefix):
        return prefix[index]
    return schema.get("additionalItems", True) if isinstance(items, list) else items


class Check:
    """Checks values against one document. `steps` bounds the work over its whole life."""

    def __init__(self, root: Any, steps: int) -> None:
        self.walk = Walk(steps)
        self._root = root
        self._steps = steps

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise SchemaError("it takes more work than the sandbox spends")

    def has_match(self, source: Any, text: str) -> bool:
        """Whether the pattern is found in the text; true of patterns that cannot be read."""
        node = find_pattern(source) if isinstance(source, str) else None
        try:
            return node is None or is_match(node, text, self.walk)
        except UnsupportedPatternError as error:
            raise SchemaError(f"its pattern is {error}") from None

    def property_schemas(self, schema: Schema, name: str) -> Iterator[Any]:
        """The schemas that one branch lays on the property `name`."""
        is_evaluated = False
        if name in (properties := read_map(schema, "properties")):
            is_evaluated = True
            yield properties[name]
        for pattern, subschema in read_map(schema, "patternProperties").items():
            if find_pattern(pattern) is not None and self.has_match(pattern, name):
                is_evaluated = True
                yield subschema
        if not is_evaluated and "additionalProperties" in schema:
            yield schema["additionalProperties"]

    def is_valid(self, value: Any, schema: Any, depth: int = 0) -> bool:
        """Whether `value` satisfies `schema`."""
        self._spend(1)
        if depth > DEPTH_MAX:
            raise SchemaError("it is nested too deeply")
        if not isinstance(schema, dict):
            return schema is not False
        names = allowed_types(schema)
        if names is not None and not names & type_names(value):
            return False
        options = read_list(schema, "enum")
        self._spend(len(options) // 4)
        if "enum" in schema and not any(is_same(value, option) for option in options):
            return False
        if "const" in schema and not is_same(value, schema["const"]):
            return False
        return self._is_combination_valid(value, schema, depth + 1) and self._is_shape_valid(
            value, schema, depth + 1
        )

    def _is_shape_valid(self, value: Any, schema: Schema, depth: int) -> bool:
        if is_number(value):
            return is_number_valid(value, schema)
        if isinstance(value, str):
            return is_count_valid(len(value), schema, "minLength", "maxLength") and (
                "pattern" not in schema or self.has_match(schema["pattern"], value)
            )
        if isinstance(value, list):
            return self._is_array_valid(value, schema, depth)
        if isinstance(value, dict):
            return self._is_object_valid(value, schema, depth)
        return True

    def _is_combination_valid(self, value: Any, schema: Schema, depth: int) -> bool:
        def holds(subschema: Any) -> bool:
            return self.is_valid(value, subschema, depth)

        if "$ref" in schema and not holds(resolve(self._root, schema["$ref"])):
            return False
        if not all(map(holds, read_list(schema, "allOf"))):
            return False
        if "anyOf" in schema and not any(map(holds, read_list(schema, "anyOf"))):
            return False
        if "oneOf" in schema and sum(map(holds, read_list(schema, "oneOf"))) != 1:
            return False
        if "not" in schema and holds(schema["not"]):
            return False
        return "if" not in schema or holds(
            schema.get("then" if holds(schema["if"]) else "else", True)
        )

    def _is_array_valid(self, value: list[Any], schema: Schema, depth: int) -> bool:
        if not is_count_valid(len(value), schema, "minItems", "maxItems"):
            return False
        if schema.get("uniqueItems") is True:
            self._spend(len(value) ** 2 // 4)
            if not are_distinct(value):
                return False
        if "contains" in schema:
            found = sum(self.is_valid(item, schema["contains"], depth) for item in value)
            least, most = read_count(schema, "minContains"), read_count(schema, "maxContains")
            if found < (1 if least is None else least) or (most is not None and found > most):
                return False
        return all(
            self.is_valid(item, item_schema(schema, index), depth)
            for index, item in enumerate(value)
        )

    def _is_object_valid(self, value: dict[str, Any], schema: Schema, depth: int) -> bool:
        if not is_count_valid(len(value), schema, "minProperties", "maxProperties"):
            return False
        if not all(name in value for name in required_names(schema, value)):
            return False
        if "propertyNames" in schema and not all(
            self.is_valid(name, schema["propertyNames"], depth) for name in value
        ):
            return False
        dependent = read_map(schema, "dependentSchemas")
        return all(
            self.is_valid(value, dependent[name], depth) for name in dependent if name in value
        ) and all(
            self.is_valid(member, subschema, depth)
            for name, member in value.items()
            for subschema in self.property_schemas(schema, name)
        )


def required_names(schema: Schema, present: Mapping[str, Any]) -> list[str]:
    """The properties that must be there, given those that are."""
    names = [name for name in read_list(schema, "required") if isinstance(name, str)]
    for keyword in ("dependentRequired", "dependencies"):
        for name, others in read_map(schema, keyword).items():
            if name in present and isinstance(others, list):
                names.extend(other for other in others if isinstance(other, str))
    return names


def are_distinct(items: list[Any]) -> bool:
    """Whether no two items are the same."""
    return not any(is_same(a, b) for i, a in enumerate(items) for b in items[:i])


def is_count_valid(count: int, schema: Schema, least_key: str, most_key: str) -> bool:
    """Whether a length lies between two keywords."""
    least, most = read_count(schema, least_key), read_count(schema, most_key)
    return (least is None or count >= least) and (most is None or count <= most)


BOUNDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}


def is_number_valid(value: int | float, schema: Schema) -> bool:
    """Bounds and divisor. A boolean exclusive bound is that of draft 4."""
    for keyword, holds in BOUNDS.items():
        bound = schema.get(keyword)
        if is_number(bound) and not holds(value, bound):
            return False
    if schema.get("exclusiveMinimum") is True and value == schema.get("minimum"):
        return False
    if schema.get("exclusiveMaximum") is True and value == schema.get("maximum"):
        return False
    step = schema.get("multipleOf")
    return not is_number(step) or step <= 0 or is_multiple(value, step)


def is_multiple(value: int | float, step: int | float) -> bool:
    """Whether `value` is a whole multiple of `step`, as exactly as floats allow."""
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        return (value / step).is_integer()
    except OverflowError:
        return False
