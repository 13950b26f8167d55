"""Answers to what reached no application: a head that broke a rule, or is no HTTP.

Pure: what was read of the head in, a whole answer out, after which the connection is closed.
"""

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.web.errors import choose_encoder, encode_head
from nagara.web.request_head import Headers


def encode_refusal(error: GatewayError, target: bytes, headers: Headers, request_id: str) -> bytes:
    """The bytes of the answer, in the caller's dialect as far as the head was read to tell it."""
    path = target.partition(b"?")[0].decode("latin-1")
    body = choose_encoder(path, headers)(error, request_id)
    lines = [f"HTTP/1.1 {error.status} Refused".encode()]
    for name, value in [*encode_head(error, request_id, body), (b"connection", b"close")]:
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", body])


def not_http() -> GatewayError:
    """The error of bytes that cannot be parsed."""
    return GatewayError(ErrorKind.INVALID_REQUEST, "This is not a valid HTTP/1.1 request.")


def head_too_late() -> GatewayError:
    """The error of a head that stops in the middle."""
    return GatewayError(ErrorKind.REQUEST_TIMEOUT, "The request's head took too long.")


def head_too_large(bytes_max: int, count_max: int) -> GatewayError:
    """The error of a head past its limits."""
    return GatewayError(
        ErrorKind.HEADERS_TOO_LARGE,
        f"The request's head is larger than {bytes_max} bytes or has more than "
        f"{count_max} headers.",
    )
