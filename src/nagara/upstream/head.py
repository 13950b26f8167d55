"""What the head of an answer says about its body: where it ends, how it is encoded, how long it is.

Pure: headers in, a verdict out. A head that can be read in two ways, or promises what we cannot
undo or will not take, is refused before anything of its body reaches a caller.
"""

from typing import Final

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.answer import Headers
from nagara.upstream.bounds import PoolLimits
from nagara.upstream.decoding import Decoder, choose_decoder

# RFC 9110, sections 15.3.5 and 15.4.5.
BODILESS_STATUSES: Final = frozenset([204, 304])

# They describe the bytes before decoding, and the reader gets the bytes after it.
CODING_HEADERS: Final = frozenset([b"content-encoding", b"content-length"])

_ABOUT_BODY: Final = CODING_HEADERS | {b"transfer-encoding"}


class Body(msgspec.Struct, gc=False):
    """How to take the body that follows a head. `headers` are what the reader is to see."""

    headers: Headers
    decoder: Decoder | None
    ends_at_eof: bool


def read_body_form(headers: Headers, limits: PoolLimits, *, has_body: bool) -> Body:
    """How the body after these headers is framed and encoded.

    `has_body` is false where the method or the status rules one out, whatever the headers say.
    Raises `GatewayError` (UPSTREAM_PROTOCOL, UPSTREAM_TOO_LARGE).
    """
    coding, is_chunked = b"", False
    # Its digits: the parser has read them, and most answers have no limit to be held to.
    length: bytes | None = None
    for name, value in headers:
        if name not in _ABOUT_BODY:
            continue
        if name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            # httptools frames by the last coding only; any other would reach the reader encoded.
            if is_chunked or value.strip().lower() != b"chunked":
                raise GatewayError(
                    ErrorKind.UPSTREAM_PROTOCOL,
                    "The provider's answer has a transfer coding other than chunked.",
                )
            is_chunked = True
        else:
            coding = coding + b"," + value if coding else value
    if not has_body:
        return Body(headers, None, False)
    ends_at_eof = length is None and not is_chunked
    decoder = choose_decoder(coding) if coding else None
    if decoder is not None:
        headers = [header for header in headers if header[0] not in CODING_HEADERS]
    elif length is not None and limits.body_bytes_max is not None:
        check_body_size(int(length), limits.body_bytes_max)
    return Body(headers, decoder, ends_at_eof)


def check_head_size(headers: Headers, limits: PoolLimits) -> None:
    """Raise `GatewayError` (UPSTREAM_PROTOCOL) for a head past its limits.

    Asked when so many bytes came that it may be: the end of them may be body already.
    """
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) > limits.header_count_max or size > limits.head_bytes_max:
        raise head_too_large()


def head_too_large() -> GatewayError:
    """The failure for a head, trailer or chunk framing past its limit."""
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        "The head or trailer of the provider's answer is larger than the gateway takes.",
    )


def check_body_size(size: int, body_bytes_max: float) -> None:
    """Raise `GatewayError` (UPSTREAM_TOO_LARGE) for a body past its limit."""
    if size > body_bytes_max:
        raise GatewayError(
            ErrorKind.UPSTREAM_TOO_LARGE,
            "The provider's answer is larger than the gateway takes.",
        )
