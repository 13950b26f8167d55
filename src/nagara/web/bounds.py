"""The limits that the server keeps on each connection of a client.

Nothing here has a default: whoever builds a server states every limit, from the settings.
"""

import msgspec


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a connection.

    `head_timeout_s` runs from the first byte of a message to the end of its head,
    `body_timeout_s` between pieces of its body, `keep_alive_s` between two messages.
    """

    header_bytes_max: int
    header_count_max: int
    head_timeout_s: float
    body_timeout_s: float
    body_total_timeout_s: float
    keep_alive_s: float
