"""A key as people and programs are shown it: a table's row, a list of facts, JSON.

The JSON has the names of the account API (`/v1/account/keys`) and a few more. Never a digest.
"""

import time
from datetime import UTC, datetime

import msgspec

from nagara.access import mask_key
from nagara.domain.catalog import Key, KeyKind
from nagara.domain.limits import RateLimits
from nagara.domain.money import format_dollars

COLUMNS = (
    "id",
    "name",
    "kind",
    "key",
    "state",
    "expires",
    "limit",
    "models",
    "rates",
    "account",
    "created",
)
"""The first are the last that a narrow terminal leaves out."""

_ADDRESS = "http://127.0.0.1:8080"
_INFERENCE = """\
Try it against a gateway on this machine:
  curl {address}/v1/responses \\
    -H 'Authorization: Bearer {secret}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"model": "gpt-4.1-mini", "input": "Say hello."}}'"""
_BALANCE = """\
Try it against a gateway on this machine:
  curl {address}/v1/account/balance \\
    -H 'Authorization: Bearer {secret}'"""


def view_key(key: Key, account: str) -> dict[str, object]:
    """The key for JSON. The limit is a number of dollars, exact to the last of nine places."""
    limit = key.credit_limit_nano
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "hint": mask_key(key),
        "account": account,
        "created_at": _iso(key.created_at_s),
        "expires_at": None if key.expires_at_s is None else _iso(key.expires_at_s),
        "is_enabled": key.is_enabled,
        "credit_limit": None if limit is None else msgspec.Raw(format_dollars(limit).encode()),
        "allowed_models": None if key.allowed_models is None else sorted(key.allowed_models),
        "limits": msgspec.structs.asdict(key.limits),
    }


def key_row(key: Key, account: str) -> tuple[str, ...]:
    """The key under `COLUMNS`."""
    return tuple(value for _, value in key_facts(key, account))


def key_facts(key: Key, account: str) -> list[tuple[str, str]]:
    """Each of `COLUMNS` with its value in words."""
    limit = key.credit_limit_nano
    values = (
        str(key.id),
        key.name,
        key.kind.value,
        mask_key(key),
        _state(key),
        "never" if key.expires_at_s is None else _minute(key.expires_at_s),
        "none" if limit is None else f"${format_dollars(limit)}",
        "all" if key.allowed_models is None else ", ".join(sorted(key.allowed_models)),
        _rates(key.limits),
        account,
        _minute(key.created_at_s),
    )
    return list(zip(COLUMNS, values, strict=True))


def try_it(kind: KeyKind, secret: str) -> str:
    """A curl line that shows that the key works."""
    line = _BALANCE if kind is KeyKind.PROVISIONING else _INFERENCE
    return line.format(address=_ADDRESS, secret=secret)


def _state(key: Key) -> str:
    if key.expires_at_s is not None and key.expires_at_s <= time.time():
        return "expired"
    return "enabled" if key.is_enabled else "disabled"


def _rates(limits: RateLimits) -> str:
    own = {name: n for name, n in msgspec.structs.asdict(limits).items() if n is not None}
    words = (f"{n or 'any'} {name.replace('_', ' ')}" for name, n in own.items())
    return ", ".join(words) or "as set for all"


def _iso(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _minute(time_s: int) -> str:
    return f"{_iso(time_s)[:16]}Z"
