"""What no HTTP client would do: the gateway answers or closes, and serves the next caller.

Limits are set low, so that each is reached in a moment. Every test ends with a good call on a new
connection.
"""

import re
from collections.abc import Iterator

import pytest

from tests.system.error_shapes import read_error
from tests.system.gateway import GatewayProcess, served
from tests.system.wire import ConnectionEndedError, WireAnswer, WireConnection, encode_request

BODY_BYTES_MAX = 4096
HEADER_BYTES_MAX = 8192
HEADER_COUNT_MAX = 40
HEAD_TIMEOUT_S = 0.5
BODY_TIMEOUT_S = 0.5

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Say hello."}]}'
JSON = ("content-type", "application/json")
SETTINGS = {
    "body_bytes_max": BODY_BYTES_MAX,
    "header_bytes_max": HEADER_BYTES_MAX,
    "header_count_max": HEADER_COUNT_MAX,
    "head_timeout_s": HEAD_TIMEOUT_S,
    "body_timeout_s": BODY_TIMEOUT_S,
    "body_total_timeout_s": 2.0,
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with served(tmp_path_factory.mktemp("abuse"), SETTINGS) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared: GatewayProcess) -> Iterator[GatewayProcess]:
    yield shared
    with WireConnection(shared.port) as connection:
        connection.send(chat_request(shared))
        assert connection.read_answer().status == 200
    assert "Traceback" not in shared.output


def authorized(gateway: GatewayProcess) -> tuple[tuple[str, str], ...]:
    return (JSON, ("authorization", f"Bearer {gateway.key}"))


def chat_request(gateway: GatewayProcess, *headers: tuple[str, str]) -> bytes:
    return encode_request("POST", CHAT, (*authorized(gateway), *headers), BODY)


def exchange(gateway: GatewayProcess, data: bytes) -> WireAnswer:
    with WireConnection(gateway.port) as connection:
        connection.send(data)
        return connection.read_answer()


# Heads


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_head_past_the_limit_is_answered_431(gateway: GatewayProcess, path: str) -> None:
    bomb = ("x-bomb", "a" * (HEADER_BYTES_MAX + 1))
    answer = exchange(gateway, encode_request("POST", path, (*authorized(gateway), bomb), BODY))
    assert answer.status == 431
    read_error(answer, path)


def test_too_many_headers_are_answered_431(gateway: GatewayProcess) -> None:
    many = [(f"x-{index}", "a") for index in range(HEADER_COUNT_MAX + 1)]
    answer = exchange(gateway, chat_request(gateway, *many))
    assert answer.status == 431
    read_error(answer, CHAT)


def test_a_head_without_an_end_is_cut_off_at_the_limit(gateway: GatewayProcess) -> None:
    """The connection is ended long before the whole megabyte was taken in."""
    with WireConnection(gateway.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        for _ in range(1024):
            connection.send(b"x-filler: " + b"a" * 1000 + b"\r\n")
        received = connection.read_to_end()
    assert received == b"" or received.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("data", [b"", b"POST /v1/cha", b"GET / HTTP/1.1\r\nhost: a\r\nx-a: "])
def test_a_head_that_does_not_come_is_not_waited_for(gateway: GatewayProcess, data: bytes) -> None:
    with WireConnection(gateway.port, timeout_s=HEAD_TIMEOUT_S + 3) as connection:
        connection.send(data)
        received = connection.read_to_end()
    assert received == b"" or received.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/\x00models HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x00\x00\x00\x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /v1/models HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_answered_400_or_closed(gateway: GatewayProcess, line: bytes) -> None:
    with WireConnection(gateway.port) as connection:
        connection.send(line)
        received = connection.read_to_end()
    assert received == b"" or re.match(rb"HTTP/1\.1 4\d\d ", received), received
    assert b"Traceback" not in received


def test_two_lengths_do_not_smuggle_a_second_request(gateway: GatewayProcess) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
    head = (b"POST /v1/none-such HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n")  # fmt: skip
    with WireConnection(gateway.port) as connection:
        connection.send(head % (5 + len(smuggled)) + smuggled)
        received = connection.read_to_end()
    assert received.count(b"HTTP/1.1 200") == 0, received


# Bodies


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_declared_body_past_the_limit_is_answered_413(gateway: GatewayProcess, path: str) -> None:
    headers = (*authorized(gateway), ("content-length", str(BODY_BYTES_MAX + 1)))
    answer = exchange(gateway, encode_request("POST", path, headers))
    assert answer.status == 413
    assert _names_the_limit(read_error(answer, path))


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_chunked_body_past_the_limit_is_answered_413(gateway: GatewayProcess, path: str) -> None:
    headers = (*authorized(gateway), ("transfer-encoding", "chunked"))
    chunk = b"400\r\n" + b" " * 0x400 + b"\r\n"
    answer = exchange(gateway, encode_request("POST", path, headers) + chunk * 5)
    assert answer.status == 413
    assert _names_the_limit(read_error(answer, path))


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_body_that_does_not_come_is_answered_408(gateway: GatewayProcess, path: str) -> None:
    headers = (*authorized(gateway), ("content-length", "100"))
    answer = exchange(gateway, encode_request("POST", path, headers) + b'{"model":')
    assert answer.status == 408
    read_error(answer, path)


def test_a_client_that_leaves_within_its_body_leaves_nothing_behind(
    gateway: GatewayProcess,
) -> None:
    headers = (*authorized(gateway), ("content-length", "100"))
    for _ in range(20):
        with WireConnection(gateway.port) as connection:
            connection.send(encode_request("POST", CHAT, headers) + b'{"model":')


def test_a_chunked_body_is_taken(gateway: GatewayProcess) -> None:
    headers = (*authorized(gateway), ("transfer-encoding", "chunked"))
    pieces = (BODY[:10], BODY[10:11], BODY[11:])
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert exchange(gateway, encode_request("POST", CHAT, headers) + chunked).status == 200


def test_a_request_in_single_bytes_is_answered_like_any(gateway: GatewayProcess) -> None:
    with WireConnection(gateway.port) as connection:
        for byte in chat_request(gateway):
            connection.send(bytes([byte]))
        assert connection.read_answer().status == 200


# The protocol's corners


def test_100_continue_is_answered_before_the_body(gateway: GatewayProcess) -> None:
    headers = (*authorized(gateway), ("expect", "100-continue"), ("content-length", str(len(BODY))))
    with WireConnection(gateway.port) as connection:
        connection.send(encode_request("POST", CHAT, headers))
        assert connection.read_raw_head().startswith(b"HTTP/1.1 100 ")
        connection.send(BODY)
        assert connection.read_answer().status == 200


def test_pipelined_requests_are_answered_in_order(gateway: GatewayProcess) -> None:
    ids = [f"pipelined-{index}" for index in range(5)]
    with WireConnection(gateway.port) as connection:
        connection.send(b"".join(chat_request(gateway, ("x-request-id", each)) for each in ids))
        answers = [connection.read_answer() for _ in ids]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.header("x-request-id") for answer in answers] == ids


def test_half_a_head_behind_a_body_is_not_taken_for_a_large_head(gateway: GatewayProcess) -> None:
    first = encode_request("POST", CHAT, authorized(gateway), BODY.ljust(BODY_BYTES_MAX))
    second = chat_request(gateway, ("x-filler", "a" * (HEADER_BYTES_MAX - 2000)))
    middle = HEADER_BYTES_MAX - 3000
    assert len(first) + middle > HEADER_BYTES_MAX
    with WireConnection(gateway.port) as connection:
        connection.send(first + second[:middle])
        assert connection.read_answer().status == 200
        connection.send(second[middle:])
        assert connection.read_answer().status == 200


def test_what_follows_a_good_request_does_not_spoil_its_answer(gateway: GatewayProcess) -> None:
    with WireConnection(gateway.port) as connection:
        connection.send(chat_request(gateway) + b"\x00 this is no HTTP\r\n\r\n")
        received = connection.read_to_end()
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", received)
    assert statuses in ([b"200"], [b"200", b"400"], [b"400"]), received


def test_http_1_0_is_answered_and_closed(gateway: GatewayProcess) -> None:
    data = chat_request(gateway).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    with WireConnection(gateway.port) as connection:
        connection.send(data)
        received = connection.read_to_end()
    assert b" 200 " in received.split(b"\r\n")[0]
    assert b"transfer-encoding" not in received.lower()


@pytest.mark.parametrize("path", ["/v1/models/%00", "/%00", "/v1/models/%FF", "/v1/%2e%2e/x"])
def test_an_odd_escape_in_a_path_is_not_found(gateway: GatewayProcess, path: str) -> None:
    answer = exchange(gateway, encode_request("GET", path, authorized(gateway)))
    assert answer.status in (400, 404)
    read_error(answer, path)


def test_an_escape_in_a_path_means_what_it_stands_for(gateway: GatewayProcess) -> None:
    path = "/v1/models/gpt%2D4.1%2Dmini"
    assert exchange(gateway, encode_request("GET", path)).json()["id"] == "gpt-4.1-mini"


def test_connections_that_say_nothing_do_not_keep_others_out(gateway: GatewayProcess) -> None:
    silent = [WireConnection(gateway.port) for _ in range(200)]
    try:
        assert exchange(gateway, chat_request(gateway)).status == 200
    finally:
        for connection in silent:
            connection.close()


def test_an_answer_that_nobody_reads_does_not_stop_the_gateway(gateway: GatewayProcess) -> None:
    for _ in range(20):
        with WireConnection(gateway.port) as connection:
            connection.send(chat_request(gateway) * 10)


def _names_the_limit(error: dict[str, object]) -> bool:
    """In bytes with or without separators, or in KiB."""
    plain = re.sub(r"(?<=\d)[,_ ](?=\d)", "", str(error["message"]))
    return str(BODY_BYTES_MAX) in plain or re.search(r"\b4 Ki?B", plain) is not None


def test_wire_reader_reports_an_early_end(gateway: GatewayProcess) -> None:
    with WireConnection(gateway.port) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert connection.read_answer("GET").status == 200
        with pytest.raises(ConnectionEndedError):
            connection.read_answer("GET")
