"""No lower exception gets through unmapped, and no message says where an upstream is."""

import builtins
import socket
import ssl
import zlib
from collections.abc import Iterator

import httptools
import pytest

from nagara.domain.errors import ErrorKind, Fault
from nagara.upstream.failures import (
    CONNECTING,
    CONNECTING_ERRORS,
    EXCHANGING,
    PARSER_ERRORS,
    TIMEOUT_MESSAGES,
    map_failure,
    map_timeout,
)

SECRET = "10.0.0.1 internal.example sk-secret"


def classes_of(module: object, *parents: type[Exception]) -> Iterator[type[Exception]]:
    for item in vars(module).values():
        if isinstance(item, type) and issubclass(item, parents):
            yield item


OS_ERRORS = {
    *classes_of(builtins, OSError),
    *classes_of(socket, OSError),
    *classes_of(ssl, OSError),
}
PARSER = set(classes_of(httptools, Exception))


def make_error(error_class: type[Exception]) -> Exception:
    return error_class(1, SECRET) if issubclass(error_class, OSError) else error_class(SECRET)


@pytest.mark.parametrize("error_class", sorted(OS_ERRORS, key=str))
def test_every_os_error_while_connecting_is_mapped(error_class: type[Exception]) -> None:
    assert issubclass(error_class, CONNECTING_ERRORS)
    error = make_error(error_class)
    failure = map_failure(error, CONNECTING)
    assert failure.kind in {
        ErrorKind.UPSTREAM_CONNECT,
        ErrorKind.UPSTREAM_TLS,
        ErrorKind.UPSTREAM_CONNECT_TIMEOUT,
    }
    assert failure.__cause__ is error


@pytest.mark.parametrize("error_class", sorted({*OS_ERRORS, *PARSER, zlib.error}, key=str))
def test_every_lower_error_while_exchanging_is_mapped(error_class: type[Exception]) -> None:
    error = make_error(error_class)
    failure = map_failure(error, EXCHANGING)
    assert any(isinstance(error, row[0]) for row in EXCHANGING)
    assert failure.kind.value.fault is Fault.UPSTREAM
    assert failure.__cause__ is error


def test_every_parser_error_is_caught() -> None:
    assert PARSER
    assert all(issubclass(error_class, PARSER_ERRORS) for error_class in PARSER)


@pytest.mark.parametrize("table", [CONNECTING, EXCHANGING])
def test_no_row_is_hidden_by_one_above(
    table: tuple[tuple[type[Exception], object, str], ...],
) -> None:
    for at, row in enumerate(table):
        assert not any(issubclass(row[0], above[0]) for above in table[:at])


def test_messages_repeat_nothing_of_the_lower_error() -> None:
    for table in (CONNECTING, EXCHANGING):
        for error_class, _, _ in table:
            if error_class is not UnicodeError:
                assert SECRET not in map_failure(make_error(error_class), table).message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ssl.SSLCertVerificationError(1, ""), ErrorKind.UPSTREAM_TLS),
        (ssl.SSLEOFError(1, ""), ErrorKind.UPSTREAM_TLS),
        (socket.gaierror(-2, ""), ErrorKind.UPSTREAM_CONNECT),
        (TimeoutError(), ErrorKind.UPSTREAM_CONNECT_TIMEOUT),
        (ConnectionResetError(), ErrorKind.UPSTREAM_CONNECT),
        (UnicodeError(), ErrorKind.UPSTREAM_CONNECT),
    ],
)
def test_connecting_tells_the_kinds_apart(error: Exception, kind: ErrorKind) -> None:
    assert map_failure(error, CONNECTING).kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, ErrorKind.UPSTREAM_CUT),
        (ConnectionResetError(), ErrorKind.UPSTREAM_CUT),
        (TimeoutError(), ErrorKind.UPSTREAM_CUT),
        (ssl.SSLEOFError(1, ""), ErrorKind.UPSTREAM_CUT),
        (ssl.SSLError(1, ""), ErrorKind.UPSTREAM_TLS),
        (httptools.HttpParserError(), ErrorKind.UPSTREAM_PROTOCOL),
        (httptools.HttpParserUpgrade(), ErrorKind.UPSTREAM_PROTOCOL),
        (zlib.error(), ErrorKind.UPSTREAM_PROTOCOL),
    ],
)
def test_exchanging_tells_the_kinds_apart(error: Exception | None, kind: ErrorKind) -> None:
    assert map_failure(error, EXCHANGING).kind is kind


def test_each_timeout_has_a_message_of_its_own() -> None:
    timeouts = [
        kind for kind in ErrorKind if kind.name.endswith("_TIMEOUT") and "UPSTREAM" in kind.name
    ]
    assert set(timeouts) == set(TIMEOUT_MESSAGES)
    assert len({map_timeout(kind).message for kind in timeouts}) == 4
