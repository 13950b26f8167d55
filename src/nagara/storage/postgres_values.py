"""Our values as PostgreSQL's parameters, and its columns as our values.

Parameters carry no type: the server infers it from the statement, as SQLite does from the column.
All travel as text but for bytes. A sum of BIGINTs is a NUMERIC there; it comes back as the whole
number that it is. What cannot be stored is refused here, before anything was sent.
"""

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import pq

from nagara.storage.driver import Row, Value

INTEGER_MAX = 2**63 - 1

# https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
_BOOL, _BYTEA, _INT8, _INT2, _INT4, _FLOAT8, _NUMERIC = 16, 17, 20, 21, 23, 701, 1700


def encode_params(params: Sequence[Value]) -> tuple[list[bytes | None], list[int]]:
    """The parameters and the format of each. Raises as the driver for SQLite does:

    `OverflowError` for a number beyond 64 bits, `TypeError` for what is no `Value`, `ValueError`
    for text that is not Unicode or holds a NUL, which PostgreSQL cannot store.
    """
    formats = [int(isinstance(param, bytes)) for param in params]
    return [_encode(param) for param in params], formats


def _encode(value: Value) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, int):
        if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
            raise OverflowError("a number is too large to be stored in 64 bits")
        return b"%d" % value
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} cannot be stored")
    if "\0" in value:
        raise ValueError("text with a NUL character cannot be stored")
    return value.encode()


def decode_rows(result: pq.abc.PGresult) -> list[Row]:
    """All rows of a result in text format."""
    columns = range(result.nfields)
    decoders = [_DECODERS.get(result.ftype(column), _decode_text) for column in columns]
    return [
        tuple(
            None if (raw := result.get_value(row, column)) is None else decoders[column](raw)
            for column in columns
        )
        for row in range(result.ntuples)
    ]


def _decode_text(raw: bytes) -> str:
    return raw.decode()


def _decode_bytes(raw: bytes) -> bytes:
    # `\x` and hex digits: what `bytea_output` was set to when the connection was made.
    return bytes.fromhex(raw[2:].decode())


def _decode_bool(raw: bytes) -> int:
    return int(raw == b"t")


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    _BOOL: _decode_bool,
    _BYTEA: _decode_bytes,
    _INT8: int,
    _INT2: int,
    _INT4: int,
    _NUMERIC: int,
    _FLOAT8: float,
}
