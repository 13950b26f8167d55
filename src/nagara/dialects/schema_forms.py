"""Older and shorter forms of JSON Schema in today's words, and two schemas made one.

All of it is plain data in and out, without recursion: what stands inside a place is somebody
else's turn. No function here alters a schema that it was given, except `merge` its first.
"""

import json
import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any, TypeGuard

from nagara.dialects.schema_rules import ANNOTATIONS, DOMAINS, LEAST, MOST, SchemaRules

BRANCHES_COMPARED_MAX = 60
Schema = dict[str, Any]

_APPLICATORS = frozenset(
    {"allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas", "additionalProperties"}
)


def modernise(schema: Schema, rules: SchemaRules) -> Schema:
    """A copy in the words of 2020-12, and of those in the ones that the rules have."""
    made = {k: v for k, v in schema.items() if k not in ("$defs", "definitions")}
    for keyword, kind in (("properties", dict), ("required", list), ("enum", list)):
        # `required: true` on a property is draft 3; what is no schema at all constrains nothing.
        if keyword in made and not isinstance(made[keyword], kind):
            del made[keyword]
    if isinstance(items := made.get("items"), list):
        made["prefixItems"] = items
        made["items"] = made.pop("additionalItems", True)
    _modernise_type(made)
    _modernise_bounds(made, rules)
    if made.get("unevaluatedProperties") is False and not _APPLICATORS & made.keys():
        # Without another schema in this place, what is not evaluated is what is additional.
        made["additionalProperties"] = made.pop("unevaluatedProperties") or False
    if "const" in made and not rules.takes("const"):
        constant = made.pop("const")
        others = made.get("enum")
        is_among = others is None or any(is_same(constant, other) for other in others)
        made["enum"] = [constant] if is_among else []
    if made.pop("nullable", False) is True:
        _allow_null(made)
    return made


def _modernise_type(made: Schema) -> None:
    kind = made.get("type")
    if isinstance(kind, str):
        # OpenAPI as Google writes it has `STRING`; JSON Schema's own names are in small letters.
        made["type"] = kind.lower()
    elif isinstance(kind, list):
        names = list(dict.fromkeys(name.lower() for name in kind if isinstance(name, str)))
        made["type"] = names[0] if len(names) == 1 else names
        if not names:
            del made["type"]
    elif kind is not None:
        del made["type"]


def _modernise_bounds(made: Schema, rules: SchemaRules) -> None:
    for exclusive, inclusive, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        bound = made.get(exclusive)
        if isinstance(bound, bool):
            # Draft 4: the flag makes the other keyword exclusive.
            del made[exclusive]
            if bound and inclusive in made:
                made[exclusive] = bound = made.pop(inclusive)
        if not is_number(bound) or rules.takes(exclusive) or made.get("type") != "integer":
            continue
        # The nearest whole number on the right side of the bound.
        whole: int | float = math.floor(bound) + 1 if step > 0 else math.ceil(bound) - 1
        del made[exclusive]
        other = made.get(inclusive)
        if is_number(other):
            whole = max(whole, other) if step > 0 else min(whole, other)
        made[inclusive] = whole


def _allow_null(made: Schema) -> None:
    if (names := type_names(made)) is not None and "null" not in names:
        made["type"] = [*names, "null"]
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    for keyword in ("anyOf", "oneOf"):
        if isinstance(branches := made.get(keyword), list):
            made[keyword] = [*branches, {"type": "null"}]


def type_names(schema: Schema) -> list[str] | None:
    """The names under `type`; None where any type will do."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    return list(kind) if isinstance(kind, list) else None


def narrow_types(place: Schema) -> Schema:
    """The place without keywords that speak of types it does not allow, which say nothing."""
    names = type_names(place)
    if names is None:
        return place
    domains = {"number" if name == "integer" else name for name in names}
    return {k: v for k, v in place.items() if k not in DOMAINS or DOMAINS[k] in domains}


def merge(place: Schema, branch: Schema) -> list[str]:
    """Add a branch of `allOf` to `place`; the keywords that could not be added."""
    clashes = _merge_properties(place, branch)
    for keyword, value in branch.items():
        if keyword in ("properties", "additionalProperties", "patternProperties"):
            continue
        if keyword not in place:
            place[keyword] = value
        elif keyword not in ANNOTATIONS and not is_same(place[keyword], value):
            merged = _merge_keyword(keyword, place[keyword], value)
            if merged is None:
                clashes.append(keyword)
            else:
                place[keyword] = merged
    return clashes


def _merge_keyword(keyword: str, one: Any, other: Any) -> Any:
    """What both say of one keyword; None where that cannot be told in one."""
    if keyword == "required":
        return list(dict.fromkeys([*one, *other]))
    if keyword in LEAST and is_number(one) and is_number(other):
        return max(one, other)
    if keyword in MOST and is_number(one) and is_number(other):
        return min(one, other)
    if keyword == "enum":
        return [value for value in one if any(is_same(value, kept) for kept in other)]
    if keyword == "type":
        return _common_types(one, other)
    if keyword == "items" and isinstance(one, dict) and isinstance(other, dict):
        return {"allOf": [one, other]}
    return None


def _common_types(one: Any, other: Any) -> str | list[str] | None:
    ours, theirs = type_names({"type": one}) or [], type_names({"type": other}) or []
    common = [name for name in ours if name in theirs]
    # A whole number is a number.
    if "integer" not in common and (
        ("integer" in ours and "number" in theirs) or ("integer" in theirs and "number" in ours)
    ):
        common.append("integer")
    return (common[0] if len(common) == 1 else common) or None


def _merge_properties(place: Schema, branch: Schema) -> list[str]:
    """Properties of both, each side's additional ones forbidden or checked as that side wants."""
    keywords = ("properties", "additionalProperties", "patternProperties")
    if not any(keyword in branch for keyword in keywords):
        return []
    if any("patternProperties" in side for side in (place, branch)):
        # Which names a pattern means cannot be told from the names that are listed.
        added = {k: v for k, v in branch.items() if k in keywords and k not in place}
        clashes = [k for k in keywords if k in branch and k in place]
        if len(added) < sum(k in branch for k in keywords) or any(k in place for k in keywords):
            return clashes or ["patternProperties"]
        place.update(added)
        return []
    ours, theirs = place.get("properties", {}), branch.get("properties", {})
    rest, their_rest = (side.get("additionalProperties", True) for side in (place, branch))
    place["properties"] = {
        name: _both(ours.get(name, rest), theirs.get(name, their_rest))
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name, rest) is not False and theirs.get(name, their_rest) is not False
    }
    place["additionalProperties"] = _both(rest, their_rest)
    if place["additionalProperties"] is True:
        del place["additionalProperties"]
    return []


def _both(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    if other is True or is_same(one, other):
        return one
    return other if one is True else {"allOf": [one, other]}


def are_disjoint(branches: Iterable[Any]) -> bool:
    """Whether it is plain that no value fits two of these."""
    schemas = list(branches)
    if len(schemas) > BRANCHES_COMPARED_MAX:
        return False
    return all(
        isinstance(one, dict) and isinstance(other, dict) and _exclude_each_other(one, other)
        for one, other in combinations(schemas, 2)
    )


def _exclude_each_other(one: Schema, other: Schema) -> bool:
    ours, theirs = type_names(one), type_names(other)
    if ours and theirs and not set(map(_widest, ours)) & set(map(_widest, theirs)):
        return True
    if _have_no_common_value(one, other):
        return True
    if ours != ["object"] or theirs != ["object"]:
        return False
    # A property that both must have and that tells them apart, such as `kind`.
    mine, its = one.get("properties"), other.get("properties")
    if not isinstance(mine, dict) or not isinstance(its, dict):
        return False
    shared = [n for n in one.get("required") or [] if n in (other.get("required") or [])]
    return any(
        isinstance(mine.get(name), dict)
        and isinstance(its.get(name), dict)
        and _have_no_common_value(mine[name], its[name])
        for name in shared
    )


def _have_no_common_value(one: Schema, other: Schema) -> bool:
    ours, theirs = _listed_values(one), _listed_values(other)
    if ours is None or theirs is None:
        return False
    return not any(is_same(a, b) for a in ours for b in theirs)


def _listed_values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    options = schema.get("enum")
    return options if isinstance(options, list) else None


def _widest(name: str) -> str:
    return "number" if name == "integer" else name


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_same(one: Any, other: Any) -> bool:
    """JSON equality: 1 is 1.0, but true is not 1."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
