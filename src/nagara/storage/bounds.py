"""How long a PostgreSQL database may take, and how much may wait for it.

Apart from the driver, so that settings can be read where the driver is not installed.
"""

import msgspec


class PostgresBounds(msgspec.Struct, frozen=True, kw_only=True):
    """`connect_timeout_s` is for a new connection, `timeout_s` for a round trip of statements."""

    connect_timeout_s: float = 5.0
    timeout_s: float = 10.0
    readers_max: int = 4
    reads_waiting_max: int = 1000
    commits_waiting_max: int = 10_000
