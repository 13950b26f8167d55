"""The limits that the upstream client keeps: seconds of waiting, bytes of memory, connections.

Nothing here has a default. Whoever builds a pool or sends a request states every limit, from the
settings, so that there is one place where a limit can be looked up. `None` means no limit.
"""

import msgspec


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long one request may wait, for what. Each has an error kind of its own.

    `connect_s` covers name look-up, TCP, proxy and TLS. `first_byte_s` runs from the last byte of
    the request to the end of the answer's head; 1xx answers do not count. `idle_s` runs between
    bytes of the body while somebody reads it, and while the upstream does not take our body.
    `total_s` runs from `send` to the last byte.
    """

    connect_s: float | None
    first_byte_s: float | None
    idle_s: float | None
    total_s: float | None


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool may take up.

    `waiting_max` requests per origin queue for a connection, each for `wait_s` at most. A head
    has at most `header_count_max` headers. It, the 1xx answers before it, and later all between two
    pieces of body (chunk framing, trailers) are held to `head_bytes_max`. Reading pauses while more
    than `buffer_bytes_high` of an answer wait to be read. `body_bytes_max` counts decoded bytes.
    """

    connections_per_origin_max: int
    waiting_max: int
    wait_s: float | None
    idle_expiry_s: float
    head_bytes_max: int
    header_count_max: int
    buffer_bytes_high: int
    body_bytes_max: int | None
