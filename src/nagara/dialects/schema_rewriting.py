"""One schema on its way to a provider's subset, place by place.

Theory of operation. A place is first brought to today's words (`schema_forms`): OpenAPI's
`nullable`, draft 4's exclusive bounds and tuples. Then what stands for other schemas is resolved: a
reference stays one where it may and is put in place otherwise, `allOf` is merged into its place,
`oneOf` becomes `anyOf` if no value can fit two of its branches. Then each keyword that the rules do
not take is dropped and noted in `lost`. Work is bounded by a budget of places, so that references
which double at each level cannot run away.
"""

import json
from collections.abc import Mapping
from typing import Any

from nagara.dialects.schema_forms import are_disjoint, merge, modernise, narrow_types
from nagara.dialects.schema_references import HOPS_MAX, References
from nagara.dialects.schema_rules import ANNOTATIONS, CONSTRAINTS, DOMAINS, LEAST, SchemaRules
from nagara.domain.errors import ErrorKind, GatewayError

PLACES_MAX = 20_000
DEPTH_MAX = 100
NOTE_LENGTH_MAX = 300
"""Characters of a lost keyword's value that are told to the model."""

Schema = dict[str, Any]

_STAND_INS = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
"""Keywords with which other schemas stand in a place."""


class Rewriting:
    """The rewriting of one document. `lost` and `is_widened` as in `schema.Rewritten`."""

    def __init__(self, root: Schema, rules: SchemaRules) -> None:
        self.lost: list[str] = []
        self.is_widened = False
        self._rules = rules
        self._references = References(root)
        self._root = root
        self._places = 0

    def whole(self) -> Schema:
        """The document by the rules, with the definitions that it still refers to."""
        root = self._rooted(self._root) if self._rules.has_object_root else self._root
        if self._rules.keywords is None:
            return root
        made = self._rewrite(root, "", 0)
        definitions: Schema = {}
        # Rewriting a definition may refer to further ones.
        while missing := [name for name in self._references.used if name not in definitions]:
            for name in missing:
                target = self._references.target(name)
                definitions[name] = self._rewrite(target, f"$defs.{name}", 1)
        return made | {"$defs": definitions} if definitions else made

    def _rewrite(self, schema: Any, path: str, depth: int) -> Schema:
        self._places += 1
        if self._places > PLACES_MAX or depth > DEPTH_MAX:
            raise grown_schema()
        if not isinstance(schema, dict):
            # `true` and what is no schema at all forbid nothing, `false` everything.
            return self._refusing(path) if schema is False else {}
        place = modernise(schema, self._rules)
        if "$ref" in place:
            return self._rewrite_reference(place, path, depth)
        place = self._merge_all(place, path)
        if "$ref" in place:
            return self._rewrite_reference(place, path, depth)
        place = narrow_types(self._distribute(self._with_any_of(place, path), path))
        made = {
            keyword: self._rewrite_value(keyword, value, path, depth)
            for keyword, value in place.items()
            if self._rules.takes(keyword)
        }
        self._note_lost(place, made, path)
        return self._shape_object(made, path) if self._is_object(made) else made

    def _refusing(self, path: str) -> Schema:
        if self._rules.takes("not"):
            return {"not": {}}
        self.lost.append(join(path, "false"))
        return {}

    def _rewrite_reference(self, place: Schema, path: str, depth: int) -> Schema:
        """A reference beside nothing but annotations stays one; otherwise its target comes here."""
        reference = place.pop("$ref")
        name = self._references.name_of(reference)
        beside = {key: value for key, value in place.items() if key not in ANNOTATIONS}
        is_recursive = self._references.is_recursive(name)
        if is_recursive and not self._rules.has_recursion:
            self.lost.append(join(path, "$ref"))
            return {"description": f"Again {name}."}
        if (is_recursive or not beside) and self._rules.takes("$ref") and path:
            if beside:
                self.lost.extend(join(path, keyword) for keyword in beside)
            return self._refer(name, place)
        target = self._references.target(name)
        if target is False:
            return self._rewrite(False, path, depth + 1)
        own = place.get("allOf")
        branches = [*(own if isinstance(own, list) else []), target]
        return self._rewrite({**place, "allOf": branches}, path, depth + 1)

    def _refer(self, name: str, place: Schema) -> Schema:
        self._references.used.setdefault(name)
        made = {"$ref": f"#/$defs/{name}"}
        # Beside a reference nothing may stand, for Gemini and OpenAI alike; an alternative of one
        # says the same and has room for a description.
        if described := {k: v for k, v in place.items() if k == "description"}:
            return {"anyOf": [made], **described}
        return made

    def _merge_all(self, place: Schema, path: str) -> Schema:
        """The place with its `allOf` merged into it, where each branch says things that add up."""
        branches = place.pop("allOf", None)
        if not isinstance(branches, list):
            return place
        pending, seen = list(reversed(branches)), 0
        merged: set[str] = set()
        while pending:
            branch = pending.pop()
            seen += 1
            self._places += 1
            if not isinstance(branch, dict) or seen > DEPTH_MAX:
                continue
            branch = modernise(branch, self._rules)
            if "$ref" in branch:
                name = self._references.name_of(branch.pop("$ref"))
                # What was merged once adds nothing a second time, and may lead to itself for ever,
                # deeper with every turn.
                if name not in merged:
                    merged.add(name)
                    pending.append(self._references.target(name))
            if isinstance(nested := branch.pop("allOf", None), list):
                pending.extend(reversed(nested))
            self.lost.extend(join(path, clash) for clash in merge(place, branch))
        return place

    def _with_any_of(self, place: Schema, path: str) -> Schema:
        """The place with `oneOf` told as `anyOf`, where that is all the rules know."""
        branches = place.get("oneOf")
        if not isinstance(branches, list) or self._rules.takes("oneOf"):
            return place
        del place["oneOf"]
        if "anyOf" in place:
            self.lost.append(join(path, "oneOf"))
            return place
        resolved = [self._references.resolve(branch) for branch in branches]
        if not are_disjoint(resolved):
            self.lost.append(join(path, "oneOf"))
        return place | {"anyOf": branches}

    def _distribute(self, place: Schema, path: str) -> Schema:
        """The place with the properties beside its `anyOf` moved into each of the branches.

        Where every object is closed, a branch would forbid what stands beside it.
        """
        branches = place.get("anyOf")
        if not (
            self._rules.closes_objects and "properties" in place and isinstance(branches, list)
        ):
            return place
        beside = {k: v for k, v in place.items() if k != "anyOf" and k not in ANNOTATIONS}
        merged: list[Any] = []
        for branch in branches:
            target = self._references.resolve(branch)
            one = dict(beside)
            if isinstance(target, dict):
                target = modernise(target, self._rules)
                self.lost.extend(join(path, clash) for clash in merge(one, target))
            if target is not False:
                merged.append(one)
        told = {k: v for k, v in place.items() if k in ANNOTATIONS}
        return told | {"anyOf": merged}

    def _rewrite_value(self, keyword: str, value: Any, path: str, depth: int) -> Any:
        def inner(schema: Any, name: str) -> Schema:
            return self._rewrite(schema, join(path, name), depth + 1)

        match keyword, value:
            case "properties" | "patternProperties" | "dependentSchemas", dict():
                return {name: inner(schema, f"{keyword}.{name}") for name, schema in value.items()}
            case "anyOf" | "oneOf" | "allOf" | "prefixItems", list():
                return [inner(schema, f"{keyword}[{i}]") for i, schema in enumerate(value)]
            case "additionalProperties" | "items" | "unevaluatedProperties", bool():
                return value
            case (
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems",
                dict(),
            ):
                return inner(value, keyword)
        return value

    def _note_lost(self, place: Schema, made: Schema, path: str) -> None:
        """Take note of what had to go, and tell the model in the description of the place."""
        gone = {k: v for k, v in place.items() if k not in made and k not in ANNOTATIONS}
        gone.pop("$defs", None)
        least = made.get("minItems")
        limit = self._rules.min_items_max
        if limit is not None and isinstance(least, int) and least > limit:
            gone["minItems"], made["minItems"] = least, limit
        notes = {key: value for key, value in gone.items() if not is_void(key, value)}
        self.lost.extend(join(path, keyword) for keyword in notes)
        format_ = made.get("format")
        if format_ is not None and not self._knows_format(format_):
            notes["format"] = made.pop("format")
        if notes and self._rules.takes("description"):
            told = ", ".join(f"{key}: {tell(value)}" for key, value in notes.items())
            before = made.get("description")
            made["description"] = f"{before} ({told})" if isinstance(before, str) else f"({told})"

    def _knows_format(self, name: Any) -> bool:
        formats = self._rules.formats
        return formats is None or (isinstance(name, str) and name in formats)

    def _is_object(self, made: Schema) -> bool:
        kind = made.get("type")
        return "properties" in made or kind == "object" or (type(kind) is list and "object" in kind)

    def _shape_object(self, made: Schema, path: str) -> Schema:
        if self._rules.closes_objects:
            made.setdefault("type", "object")
            if made.get("additionalProperties", True) is not False:
                # Narrower is no loss where the properties are told; a map of free names is one.
                if not made.get("properties") or isinstance(made.get("additionalProperties"), dict):
                    self.lost.append(join(path, "additionalProperties"))
                made["additionalProperties"] = False
            made.setdefault("properties", {})
        if self._rules.requires_all:
            self._require_all(made, path)
        return made

    def _require_all(self, made: Schema, path: str) -> None:
        properties = made["properties"]
        required = made.get("required")
        named = required if isinstance(required, list) else []
        for name, schema in properties.items():
            if name not in named and not allows_null(schema):
                properties[name] = nullable(schema)
                self.is_widened = True
        self.lost.extend(join(path, f"required.{name}") for name in named if name not in properties)
        made["required"] = list(properties)

    def _rooted(self, root: Schema) -> Schema:
        """An object at the top: alternatives there become one object that has all they have."""
        if not _STAND_INS & root.keys() and root.get("type") == "object":
            return root
        made = dict(root)
        for _ in range(HOPS_MAX):
            # What is merged in may bring references and alternatives of its own.
            if "$ref" in made:
                target = self._references.resolve({"$ref": made.pop("$ref")})
                self.lost.extend(merge(made, target) if isinstance(target, dict) else ["$ref"])
            made = self._merge_all(made, "")
            for keyword in ("anyOf", "oneOf"):
                if isinstance(branches := made.pop(keyword, None), list):
                    self._absorb(made, branches, keyword)
        self.lost.extend(keyword for keyword in _STAND_INS if made.pop(keyword, None) is not None)
        if made.setdefault("type", "object") != "object":
            self.lost.append("type")
            made["type"] = "object"
        return made

    def _absorb(self, made: Schema, branches: list[Any], keyword: str) -> None:
        """Give an object the properties of its alternatives; what tells them apart is lost."""
        told = [self._references.resolve(branch) for branch in branches]
        objects = [branch for branch in told if isinstance(branch, dict)]
        if len(objects) == 1 == len(branches):
            self.lost.extend(merge(made, objects[0]))
            return
        self.lost.append(keyword)
        properties: Schema = {}
        for branch in objects:
            found = branch.get("properties")
            for name, schema in found.items() if isinstance(found, dict) else ():
                one = properties.get(name)
                properties[name] = schema if one in (None, schema) else {"anyOf": [one, schema]}
        made["properties"] = {**properties, **made.get("properties", {})}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    kind = schema.get("type")
    if isinstance(kind, str | list) and not {"const", "anyOf"} & schema.keys():
        kinds = [kind] if isinstance(kind, str) else kind
        options = {"enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else {}
        return schema | {"type": [*kinds, *({"null"} - set(kinds))]} | options
    told = {k: v for k, v in schema.items() if k == "description"}
    rest = {k: v for k, v in schema.items() if k != "description"}
    return {**told, "anyOf": [rest, {"type": "null"}]}


def allows_null(schema: Mapping[str, Any]) -> bool:
    """Whether null plainly fits."""
    kind, branches = schema.get("type"), schema.get("anyOf")
    if "const" in schema or None not in schema.get("enum", [None]):
        return False
    is_named = kind == "null" or (isinstance(kind, list) and "null" in kind)
    return is_named or (
        kind is None
        and isinstance(branches, list)
        and any(isinstance(branch, dict) and allows_null(branch) for branch in branches)
    )


def is_void(keyword: str, value: Any) -> bool:
    """Whether a keyword says nothing, so that it goes without loss."""
    if keyword not in DOMAINS and keyword not in CONSTRAINTS:
        return True
    if keyword in ("additionalProperties", "unevaluatedProperties", "items"):
        return value is True or value == {}
    if keyword in LEAST - {"minimum", "exclusiveMinimum"}:
        return bool(value == 0)
    if keyword == "uniqueItems":
        return value is False
    # An empty list of alternatives allows nothing, and an empty schema under `not` neither.
    return keyword in _VOID_IF_EMPTY and not value


_VOID_IF_EMPTY = frozenset(
    {"required", "properties", "patternProperties", "allOf", "prefixItems", "dependentRequired"}
    | {"dependentSchemas", "dependencies", "propertyNames", "unevaluatedItems"}
)


def tell(value: Any) -> str:
    """A lost keyword's value, in few words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= NOTE_LENGTH_MAX else text[:NOTE_LENGTH_MAX] + "…"


def join(path: str, name: str) -> str:
    """The path of a keyword or property below another."""
    return f"{path}.{name}" if path else name


def grown_schema() -> GatewayError:
    """The error of a schema that is too much to rewrite."""
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        "A schema is nested too deeply, or grows too large when its references are resolved. "
        "Send a simpler one.",
    )
