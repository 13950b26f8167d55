"""Makes a value that satisfies a JSON schema: what the sandbox says when it is asked for JSON.

How it works. Schemas that hold at once are kept side by side as a tuple. `_expand` takes their
references and combinators away, one alternative after the other; `_instances` makes candidates
for what is left, by type; and every candidate is checked against the schemas it was made for
before it counts. So a clever maker only saves work, and a wrong one can only fail, never lie.

Deterministic, and bounded in depth and steps. A recursive reference is followed a few times and
then treated as a dead end, which leaves the finite alternatives.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any, Final

from nagara.sandbox.pattern import UnsupportedPatternError, make_match
from nagara.sandbox.schema_check import (
    Check,
    Schema,
    SchemaError,
    allowed_types,
    find_pattern,
    is_same,
    item_schema,
    read_count,
    read_list,
    read_map,
    required_names,
    resolve,
)
from nagara.sandbox.schema_leaves import make_numbers, make_strings

STEPS_MAX: Final = 10_000
CHECKS_PER_STEP: Final = 10
DEPTH_MAX: Final = 40
SAME_REFERENCE_MAX: Final = 3
BRANCHES_MAX: Final = 100
ITEMS_MAX: Final = 500
VARIANTS_MAX: Final = 40

TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
TYPE_HINTS: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties",
               "minProperties", "maxProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip

Schemas = tuple[Any, ...]
References = tuple[str, ...]


def make_instance(schema: Any, steps_max: int = STEPS_MAX) -> Any:
    """The value for a schema. Raises `SchemaError` where there is none, or none is found."""
    if not isinstance(schema, dict | bool):
        raise SchemaError("it is not an object")
    try:
        for value in Maker(schema, steps_max).values((schema,), (), 0):
            return value
    except RecursionError:
        raise SchemaError("it is nested too deeply") from None
    raise SchemaError("nothing satisfies it, as far as the sandbox can find")


class Maker:
    """Makes values for one document. It is used once and thrown away."""

    def __init__(self, root: Any, steps: int) -> None:
        self._root = root
        self._check = Check(root, steps * CHECKS_PER_STEP)
        self._steps = steps

    def _spend(self, steps: int = 1) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise SchemaError("it takes more work than the sandbox spends")

    def values(self, schemas: Schemas, references: References, depth: int) -> Iterator[Any]:
        """Values that satisfy all of `schemas`, the fullest and most readable first."""
        if depth > DEPTH_MAX:
            return
        for branches, followed in self._expand(schemas, (), references):
            for value in self._instances(branches, followed, depth):
                self._spend(1 + len(branches) // 4)
                # Each alternative is held to its own branches, the chosen ones included: a value
                # made for one must not pass as another whose format was never looked at.
                if all(self._check.is_valid(value, branch) for branch in branches):
                    yield value

    def _first(self, schemas: Schemas, references: References, depth: int) -> list[Any]:
        return list(islice(self.values(schemas, references, depth), 1))

    def _expand(
        self, pending: Schemas, branches: tuple[Schema, ...], references: References
    ) -> Iterator[tuple[tuple[Schema, ...], References]]:
        """The ways in which `pending` can hold, each as schemas without combinators."""
        if not pending:
            yield branches, references
            return
        schema, *rest = pending
        if schema is False:
            return
        if not isinstance(schema, dict):
            yield from self._expand(tuple(rest), branches, references)
            return
        self._spend(1 + len(pending) // 4)
        if len(pending) + len(branches) > BRANCHES_MAX:
            raise SchemaError(f"more than {BRANCHES_MAX} schemas hold at one place")
        more = [*rest, *read_list(schema, "allOf")]
        if "$ref" in schema:
            reference = str(schema["$ref"])
            if references.count(reference) >= SAME_REFERENCE_MAX:
                return
            more.append(resolve(self._root, reference))
            references = (*references, reference)
        for picked in product(*alternatives(schema)):
            chosen = (*more, *(part for pick in picked for part in pick))
            yield from self._expand(chosen, (*branches, schema), references)

    def _instances(
        self, branches: Sequence[Schema], references: References, depth: int
    ) -> Iterator[Any]:
        self._spend(1 + len(branches))
        for branch in branches:
            if "const" in branch:
                yield branch["const"]
                return
        for branch in branches:
            if "enum" in branch:
                yield from read_list(branch, "enum")
                return
        for name in find_types(branches):
            match name:
                case "object":
                    yield from self._objects(branches, references, depth)
                case "array":
                    yield from self._arrays(branches, references, depth)
                case "string":
                    yield from make_strings(branches, self._check.walk)
                case "integer" | "number":
                    yield from make_numbers(branches, is_whole=name == "integer")
                case "boolean":
                    yield from (True, False)
                case "null":
                    yield None

    def _arrays(
        self, branches: Sequence[Schema], references: References, depth: int
    ) -> Iterator[list[Any]]:
        least = max(read_count(branch, "minItems") or 0 for branch in branches)
        if least > ITEMS_MAX:
            raise SchemaError(f"{least} items are more than the sandbox makes")
        prefix = max(len(read_list(branch, "prefixItems")) for branch in branches)
        contained = tuple(branch["contains"] for branch in branches if "contains" in branch)
        is_unique = any(branch.get("uniqueItems") is True for branch in branches)
        lengths = [max(least, prefix, 1), least, least + 1, 0]
        if is_recursive(references):
            lengths = [least, least + 1]
        for length in dict.fromkeys(lengths):
            schemas = [tuple(item_schema(b, index) for b in branches) for index in range(length)]
            wanted = 1 + max((read_count(b, "minContains") or 1) - 1 for b in branches)
            for index in range(min(wanted, length) if contained else 0):
                schemas[index] += contained
            yield from self._fill(schemas, references, depth + 1, is_unique=is_unique)

    def _fill(
        self, schemas: list[Schemas], references: References, depth: int, *, is_unique: bool
    ) -> Iterator[list[Any]]:
        """Arrays whose items fit `schemas`; the later ones differ in their last item."""
        items: list[Any] = []
        for schema in schemas[:-1]:
            found = (
                value
                for value in islice(
                    self.values(schema, references, depth), len(items) + VARIANTS_MAX
                )
                if not (is_unique and any(is_same(value, item) for item in items))
            )
            taken = list(islice(found, 1))
            if not taken:
                return
            items += taken
        if not schemas:
            yield []
            return
        for value in islice(self.values(schemas[-1], references, depth), VARIANTS_MAX):
            yield [*items, value]

    def _objects(
        self, branches: Sequence[Schema], references: References, depth: int
    ) -> Iterator[dict[str, Any]]:
        required = close_names(branches, [])
        optional = [n for b in branches for n in read_map(b, "properties") if n not in required]
        optional = list(dict.fromkeys(optional))
        members: dict[str, Any] = {}
        for name in required:
            found = self._first(self._member(branches, name), references, depth + 1)
            if not found:
                return
            members[name] = found[0]
        extras = (
            {} if is_recursive(references) else self._extras(branches, optional, references, depth)
        )
        fuller = members | extras
        yield from self._sized(branches, fuller, len(members), references, depth)
        yield from self._sized(branches, members, len(members), references, depth)
        for name in extras:
            yield {key: value for key, value in fuller.items() if key != name}
            yield members | {name: extras[name]}
        yield from self._varied(branches, members, references, depth)

    def _member(self, branches: Sequence[Schema], name: str) -> Schemas:
        names = tuple(branch["propertyNames"] for branch in branches if "propertyNames" in branch)
        if not all(self._check.is_valid(name, schema) for schema in names):
            return (False,)
        return tuple(
            schema for branch in branches for schema in self._check.property_schemas(branch, name)
        )

    def _extras(
        self, branches: Sequence[Schema], names: list[str], references: References, depth: int
    ) -> dict[str, Any]:
        """The optional members for which a value can be made."""
        extras: dict[str, Any] = {}
        for name in close_names(branches, names):
            # An optional member that is too much work is left out; a required one would fail.
            with contextlib.suppress(SchemaError):
                found = self._first(self._member(branches, name), references, depth + 1)
                if found:
                    extras[name] = found[0]
        return extras

    def _sized(
        self,
        branches: Sequence[Schema],
        members: dict[str, Any],
        fixed: int,
        references: References,
        depth: int,
    ) -> Iterator[dict[str, Any]]:
        """`members` with names added or optional ones dropped until their number is right."""
        least = max(read_count(branch, "minProperties") or 0 for branch in branches)
        limits = [read_count(branch, "maxProperties") for branch in branches]
        most = min((limit for limit in limits if limit is not None), default=len(members))
        if least > ITEMS_MAX:
            raise SchemaError(f"{least} properties are more than the sandbox makes")
        sized = dict(list(members.items())[: max(most, fixed)]) if most < len(members) else members
        for name in self._names(branches, references, depth) if len(sized) < least else ():
            if name not in sized and len(sized) < least:
                found = self._first(self._member(branches, name), references, depth + 1)
                sized = sized | {name: found[0]} if found else sized
        yield sized

    def _names(
        self, branches: Sequence[Schema], references: References, depth: int
    ) -> Iterator[str]:
        """Names for members that nothing asked for by name."""
        for branch in branches:
            yield from read_map(branch, "properties")
        rules = tuple(branch["propertyNames"] for branch in branches if "propertyNames" in branch)
        if rules:
            names = self.values((*rules, {"type": "string"}), references, depth + 1)
            yield from islice(names, ITEMS_MAX)
        for branch in branches:
            for pattern in read_map(branch, "patternProperties"):
                yield from match_names(pattern)
        yield from (f"property_{number}" for number in range(1, ITEMS_MAX))

    def _varied(
        self,
        branches: Sequence[Schema],
        members: dict[str, Any],
        references: References,
        depth: int,
    ) -> Iterator[dict[str, Any]]:
        """The same members with other values, for arrays that want distinct items."""
        for name in members:
            schemas = self._member(branches, name)
            for value in islice(self.values(schemas, references, depth + 1), VARIANTS_MAX):
                yield members | {name: value}


def alternatives(schema: Schema) -> list[list[Schemas]]:
    """The choices that one schema leaves open: for each combinator, its ways to hold."""
    choices: list[list[Schemas]] = [
        [(option,) for option in read_list(schema, keyword)]
        for keyword in ("anyOf", "oneOf")
        if keyword in schema
    ]
    if "if" in schema:
        condition = schema["if"]
        met = (condition, schema.get("then", True))
        choices.append([met, ({"not": condition}, schema.get("else", True))])
    return choices


def find_types(branches: Sequence[Schema]) -> list[str]:
    """The types that all branches allow, the likeliest first, null last."""
    allowed = set(TYPES)
    for branch in branches:
        names = allowed_types(branch)
        if names is not None:
            allowed &= names | ({"integer"} if "number" in names else set())
    if "number" in allowed:
        allowed.discard("integer")
    hinted = [
        name
        for name, keywords in TYPE_HINTS.items()
        if any(keyword in branch for branch in branches for keyword in keywords)
    ]
    has_type = any("type" in branch for branch in branches)
    order = dict.fromkeys([*hinted, *(() if has_type else ("string",)), *TYPES])
    return [name for name in order if name in allowed]


def is_recursive(references: References) -> bool:
    """Whether a reference is being followed inside itself: then only what must be there is made."""
    return len(set(references)) < len(references)


def close_names(branches: Sequence[Schema], names: list[str]) -> list[str]:
    """`names` and what is required, also by names among them, each once."""
    closed: dict[str, None] = {}
    pending = [*(n for b in branches for n in required_names(b, {})), *names]
    while pending:
        name = pending.pop(0)
        if name not in closed:
            closed[name] = None
            pending += [n for b in branches for n in required_names(b, {name: None})]
    return list(closed)


def match_names(pattern: str) -> Iterator[str]:
    """Property names that a pattern of `patternProperties` matches."""
    node = find_pattern(pattern)
    if node is not None:
        with contextlib.suppress(UnsupportedPatternError):
            yield from (make_match(node, index, index // 8) for index in range(VARIANTS_MAX))
