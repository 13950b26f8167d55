"""References within one JSON schema: what each leads to, under a name, and which lead in a circle.

A definition keeps its own name; any other place that is referred to gets one of its path. What
leads out of the document, or nowhere in it, is the caller's mistake.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from nagara.dialects.schema_rules import ANNOTATIONS
from nagara.domain.errors import ErrorKind, GatewayError

HOPS_MAX = 20
STEPS_MAX = 200_000
"""Places that are looked at for references, over the life of one document."""


class References:
    """The references of one document. `used` are the names that the rewritten one refers to."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.used: dict[str, None] = {}
        self._root = root
        self._names: dict[str, str] = {}
        self._targets: dict[str, Any] = {}
        self._leads_to: dict[str, set[str]] = {}
        self._steps = 0

    def name_of(self, reference: Any) -> str:
        """The name for what a `$ref` leads to. Raises `GatewayError` if it leads nowhere."""
        if not isinstance(reference, str):
            raise broken_reference(reference)
        if (known := self._names.get(reference)) is not None:
            return known
        target = self._find(reference)
        wanted = unquote(reference).rpartition("/")[2].lstrip("#") or "root"
        name, number = wanted, 2
        while name in self._targets:
            name, number = f"{wanted}_{number}", number + 1
        self._names[reference], self._targets[name] = name, target
        return name

    def target(self, name: str) -> Any:
        """The schema of a name that `name_of` gave."""
        return self._targets[name]

    def resolve(self, schema: Any) -> Any:
        """The schema, or what it refers to: both as `allOf` where both say something."""
        for _ in range(HOPS_MAX):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            target = self.target(self.name_of(schema["$ref"]))
            beside = {k: v for k, v in schema.items() if k != "$ref" and k not in ANNOTATIONS}
            if beside:
                return {**beside, "allOf": [*_listed(beside.get("allOf")), target]}
            schema = target
        return schema

    def is_recursive(self, name: str) -> bool:
        """Whether what the name stands for contains itself."""
        seen: set[str] = set()
        pending = list(self._reached_from(name))
        while pending:
            reached = pending.pop()
            if reached == name:
                return True
            if reached not in seen:
                seen.add(reached)
                pending.extend(self._reached_from(reached))
        return False

    def _reached_from(self, name: str) -> set[str]:
        if name not in self._leads_to:
            self._leads_to[name] = {self.name_of(r) for r in self._references_in(name)}
        return self._leads_to[name]

    def _references_in(self, name: str) -> Iterator[Any]:
        pending = [self._targets[name]]
        while pending:
            value = pending.pop()
            self._steps += 1
            if self._steps > STEPS_MAX:
                raise GatewayError(
                    ErrorKind.INVALID_REQUEST,
                    "A schema has more references than can be followed. Send a simpler one.",
                )
            if isinstance(value, dict):
                if "$ref" in value and isinstance(value["$ref"], str):
                    yield value["$ref"]
                pending.extend(v for k, v in value.items() if k not in _NOT_SCHEMAS)
            elif isinstance(value, list):
                pending.extend(value)

    def _find(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise broken_reference(reference)
        found: Any = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise broken_reference(reference)
        return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_NOT_SCHEMAS = frozenset(
    {"const", "enum", "default", "examples", "example", "$defs", "definitions"}
)
"""Values, or places that are reached only by a reference of their own."""


def broken_reference(reference: Any) -> GatewayError:
    """The error of a reference that leads nowhere in its document."""
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"A schema refers to {reference!r:.100}, which is not in it. Define it under $defs.",
    )
