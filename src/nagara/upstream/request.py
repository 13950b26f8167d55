"""The bytes of a request's head, and what may stand in it.

A value with a line break in it would be a header, or a second request, of somebody else's choosing
(RFC 9112, section 11.1): it is refused here, whoever let it through. What frames the message is
written by the connection alone, so nobody can say two things about where a body ends.
"""

import re
from functools import lru_cache
from typing import Final

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.answer import Headers

# Ours to write: the framing, and what speaks of this connection (RFC 9110, section 7.6.1).
OWN_HEADERS: Final = frozenset(
    [
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)

CHUNKED: Final = b"transfer-encoding: chunked\r\n"

# Methods whose requests have no body unless one is given (RFC 9110, section 8.6).
BODILESS_METHODS: Final = frozenset([b"GET", b"HEAD", b"DELETE", b"OPTIONS"])

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[!-~]+")


def encode_head(start: bytes, fixed: bytes, lines: bytes, framing: bytes) -> bytes:
    """The head of a request, its blank line included.

    `start` is the request line without its line break, `lines` the headers as `encode_lines` gives
    them, `fixed` and `framing` the lines that the client writes itself.
    """
    return b"".join((start, b"\r\n", fixed, lines, framing, b"\r\n"))


def encode_lines(headers: Headers) -> bytes:
    """Header lines. Those that are the client's own to write are left out.

    Raises `GatewayError` (INVALID_REQUEST) for a name or value that cannot stand in a head.
    """
    lines = [begin + value for name, value in headers if (begin := _begin_line(name))]
    block = b"\r\n".join(lines)
    if block.count(b"\n") >= len(lines) or block.count(b"\r") >= len(lines) or b"\0" in block:
        _refuse_values(headers)
    return block + b"\r\n" if lines else b""


@lru_cache(maxsize=512)
def encode_start(method: bytes, target: bytes) -> bytes:
    """The request line. Raises `GatewayError` (INVALID_REQUEST) if it would not be one."""
    if not _is_token(method) or not _TARGET.fullmatch(target):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "The upstream's method must be a token and its path must be percent-encoded ASCII.",
        )
    return method + b" " + target + b" HTTP/1.1"


def encode_framing(method: bytes, body_bytes: int) -> bytes:
    """The header line that says where a body of known length ends."""
    if body_bytes == 0 and method in BODILESS_METHODS:
        return b""
    return b"content-length: %d\r\n" % body_bytes


def read_content_length(headers: Headers) -> int | None:
    """The length that the caller declares for a body that it will stream, if it does."""
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None


@lru_cache(maxsize=64)
def _is_token(name: bytes) -> bool:
    return _TOKEN.fullmatch(name) is not None


# Callers choose some of the names, so the cache is bounded; a few dozen make up nearly all.
@lru_cache(maxsize=512)
def _begin_line(name: bytes) -> bytes:
    """What a line with that name begins with; empty for a header that is ours to write."""
    if not _TOKEN.fullmatch(name):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"{name.decode('latin-1')!r} is not a header name."
        )
    return b"" if name.lower() in OWN_HEADERS else name + b": "


def _refuse_values(headers: Headers) -> None:
    for name, value in headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                f"The value of the header {name.decode('latin-1')!r} must not hold line breaks "
                "or NUL.",
            )
