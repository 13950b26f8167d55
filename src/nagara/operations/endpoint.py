"""An endpoint of the pass-through lane: its path, and how to read and write what passes there."""

from collections.abc import Callable
from typing import Any

import msgspec

from nagara.dialects.base import Dialect, ForwardedStream, RequestView
from nagara.domain.catalog import Operation
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of inference endpoints. The functions are those of its dialect.

    `is_free` marks what no provider bills. `forward_stream` of None: answers are never streamed.
    """

    operation: Operation
    path: str
    read_request: Callable[[bytes], RequestView]
    write_request: Callable[..., bytes]
    read_usage: Callable[[bytes], Usage | None]
    encode_error: Callable[[GatewayError, str], bytes]
    forward_stream: Callable[..., ForwardedStream] | None = None
    forwarded_headers: frozenset[bytes] = frozenset()
    is_free: bool = False


def endpoint(operation: Operation, path: str, dialect: Dialect, **differences: Any) -> Endpoint:
    """The endpoint of a conversation dialect, all of whose functions it takes."""
    return Endpoint(
        operation=operation,
        path=path,
        read_request=dialect.read_request,
        write_request=dialect.write_request,
        read_usage=dialect.read_usage,
        encode_error=dialect.encode_error,
        forward_stream=dialect.forward_stream,
        forwarded_headers=dialect.forwarded_headers,
        **differences,
    )
