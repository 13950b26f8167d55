"""What an SDK gives for one ask."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Said(msgspec.Struct, frozen=True):
    """The SDK's final object as JSON, the answer's headers where it shows them, and `problems` of
    the stream that it came from."""

    body: Any
    headers: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()
