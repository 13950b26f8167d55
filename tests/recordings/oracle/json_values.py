"""Small readings that several wire formats share."""

import json
from collections.abc import Mapping
from typing import Any


def read_arguments(text: Any) -> Any:
    """A call's arguments as a JSON value: text that is not JSON stays text, nothing is `{}`."""
    if not isinstance(text, str):
        return {} if text is None else text
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


def read_count(holder: Any, *path: str) -> int:
    """A number at a path of names; zero if there is none."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, Mapping) else None
    return holder if isinstance(holder, int) else 0
