"""What every strict API does alike: it refuses unknown fields, and misses those it needs."""

import re
from collections.abc import Collection
from typing import Any

IDENTIFIER_LENGTH_MAX = 64
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set of names."""
    return frozenset(text.split())


class RefusedError(Exception):
    """Why the real provider would answer 400, in its manner of speaking."""


def check(holds: object, complaint: str) -> None:
    """Refuse the request unless the rule holds."""
    if not holds:
        raise RefusedError(complaint)


def check_fields(
    value: Any, path: str, known: Collection[str], required: Collection[str] = ()
) -> None:
    """Refuse a value that is no object, has a field beyond `known`, or lacks a required one."""
    check(isinstance(value, dict), f"{path}: expected an object, got {value!r}")
    for name in value:
        check(name in known, f"{path}.{name}: Extra inputs are not permitted")
    for name in required:
        check(value.get(name) is not None, f"{path}.{name}: Field required")


def check_identifiers(body: dict[str, Any]) -> None:
    """Refuse identifiers that are longer than OpenAI takes."""
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        value = body.get(name, "")
        check(
            len(value) <= IDENTIFIER_LENGTH_MAX,
            f"Invalid '{name}': string too long. Expected a string with maximum length 64, but got "
            f"a string with length {len(value)} instead.",
        )


def check_object_schema(schema: Any, path: str) -> None:
    """Refuse what is no JSON schema of an object."""
    check(isinstance(schema, dict), f"{path}: expected a schema, got {schema!r}")
    check(schema.get("type") == "object", f"{path}.type: expected 'object', got {schema!r:.80}")
