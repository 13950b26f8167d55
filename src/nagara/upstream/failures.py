"""Every way in which talking to an upstream can fail, as one of our error kinds.

    GatewayError
     ├── before a request is sent (CONNECTING)
     │    ├── UPSTREAM_BUSY              no connection free, and the queue full or too slow
     │    ├── UPSTREAM_CONNECT           name look-up, refused, unreachable, reset
     │    ├── UPSTREAM_TLS               handshake, certificate, host name
     │    ├── UPSTREAM_PROXY             the proxy refused, or does not speak HTTP
     │    └── UPSTREAM_CONNECT_TIMEOUT
     └── after it (EXCHANGING)
          ├── UPSTREAM_FIRST_BYTE_TIMEOUT, UPSTREAM_IDLE_TIMEOUT, UPSTREAM_TOTAL_TIMEOUT
          ├── UPSTREAM_PROTOCOL          not HTTP/1.1, not gzip, a head past its limits
          ├── UPSTREAM_TOO_LARGE         a body past its limit
          └── UPSTREAM_CUT               the connection ended before the answer did

The messages reach callers, so they name no host, address, header or certificate. What lies below
is chained as the cause, for the log.
"""

import socket
import ssl
import zlib
from typing import Final

import httptools

from nagara.domain.errors import ErrorKind, GatewayError

Table = tuple[tuple[type[Exception], ErrorKind, str], ...]

CUT_MESSAGE: Final = "The provider closed the connection before the end of its answer."

# The first row that fits counts, so a class stands above its parents.
CONNECTING: Final[Table] = (
    (
        ssl.SSLCertVerificationError,
        ErrorKind.UPSTREAM_TLS,
        "The provider's certificate could not be verified.",
    ),
    (ssl.SSLError, ErrorKind.UPSTREAM_TLS, "The TLS handshake with the provider failed."),
    (
        socket.gaierror,
        ErrorKind.UPSTREAM_CONNECT,
        "The provider's host name could not be resolved.",
    ),
    (UnicodeError, ErrorKind.UPSTREAM_CONNECT, "The provider's host name is not valid."),
    (ConnectionRefusedError, ErrorKind.UPSTREAM_CONNECT, "The provider refused the connection."),
    (
        TimeoutError,
        ErrorKind.UPSTREAM_CONNECT_TIMEOUT,
        "The provider did not accept a connection in time.",
    ),
    (OSError, ErrorKind.UPSTREAM_CONNECT, "No connection to the provider could be made."),
)

EXCHANGING: Final[Table] = (
    (ssl.SSLEOFError, ErrorKind.UPSTREAM_CUT, CUT_MESSAGE),
    (ssl.SSLZeroReturnError, ErrorKind.UPSTREAM_CUT, CUT_MESSAGE),
    (ssl.SSLError, ErrorKind.UPSTREAM_TLS, "The TLS connection to the provider broke."),
    (OSError, ErrorKind.UPSTREAM_CUT, CUT_MESSAGE),
    (
        httptools.HttpParserError,
        ErrorKind.UPSTREAM_PROTOCOL,
        "The provider's answer is not valid HTTP/1.1.",
    ),
    (
        httptools.HttpParserUpgrade,
        ErrorKind.UPSTREAM_PROTOCOL,
        "The provider changed to another protocol, which was not asked for.",
    ),
    (
        zlib.error,
        ErrorKind.UPSTREAM_PROTOCOL,
        "The provider's answer is not the gzip or deflate data that its header says.",
    ),
)

CONNECTING_ERRORS: Final = tuple(row[0] for row in CONNECTING)
PARSER_ERRORS: Final = (httptools.HttpParserError, httptools.HttpParserUpgrade)

TIMEOUT_MESSAGES: Final = {
    ErrorKind.UPSTREAM_CONNECT_TIMEOUT: "The provider did not accept a connection in time.",
    ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT: "The provider did not begin to answer in time.",
    ErrorKind.UPSTREAM_IDLE_TIMEOUT: "The provider stopped in the middle for too long.",
    ErrorKind.UPSTREAM_TOTAL_TIMEOUT: "The provider did not finish its answer in time.",
}


def map_failure(error: BaseException | None, table: Table) -> GatewayError:
    """The failure that stands for `error`, with it as the cause. No error at all is a cut."""
    fitting = (row[1:] for row in table if isinstance(error, row[0]))
    kind, message = next(fitting, (ErrorKind.UPSTREAM_CUT, CUT_MESSAGE))
    failure = GatewayError(kind, message)
    failure.__cause__ = error
    return failure


def map_timeout(kind: ErrorKind) -> GatewayError:
    """The failure for one of the four timeouts."""
    return GatewayError(kind, TIMEOUT_MESSAGES[kind])
