"""The rows of the error table whose cause lies behind the gateway: its provider, its database.

A provider fails on its own socket, and the table of keys goes away under the running gateway. The
caller learns what was tried, and neither a credential nor an address.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system.calls import Call, in_both_shapes, message_of, mistyped, post, wait_for_status
from tests.system.error_shapes import is_anthropic
from tests.system.gateway import GatewayProcess, served
from tests.system.scripted_provider import ScriptedProvider, encode_answer, scripted_provider
from tests.system.wire import WireAnswer

CREDENTIAL = "sk-provider-credential-0123456789abcdef"


class Failing(NamedTuple):
    """A gateway in front of one provider that can be scripted."""

    gateway: GatewayProcess
    provider: ScriptedProvider


@contextmanager
def failing_gateway(folder: Path) -> Iterator[Failing]:
    with ExitStack() as stack:
        provider = stack.enter_context(scripted_provider())
        env = {
            "OPENAI_API_KEY": CREDENTIAL,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{provider.port}/v1",
            "ANTHROPIC_API_KEY": CREDENTIAL,
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{provider.port}",
        }
        settings = {"attempts_max": 2, "first_byte_timeout_s": 0.4, "connect_timeout_s": 2}
        yield Failing(stack.enter_context(served(folder, settings, env)), provider)


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    with failing_gateway(tmp_path_factory.mktemp("failing")) as failing:
        yield failing
        assert "Traceback" not in failing.gateway.output
        assert CREDENTIAL not in failing.gateway.output


LEAK = json.dumps(
    {"error": {"type": "x", "message": f"Incorrect API key provided: {CREDENTIAL} at 10.1.2.3"}}
).encode()
PROVIDER_FAILURES: dict[str, tuple[bytes | None, int]] = {
    "closes at once": (b"", 502),
    "closes within its head": (b"HTTP/1.1 200 OK\r\ncontent-le", 502),
    "speaks another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502),
    "answers 500": (encode_answer(500, LEAK), 502),
    "answers 401": (encode_answer(401, LEAK), 502),
    "answers 403": (encode_answer(403, LEAK), 502),
    "answers 503": (encode_answer(503, LEAK), 503),
    "answers 529": (encode_answer(529, LEAK), 503),
    "is silent": (None, 504),
}


@in_both_shapes
@pytest.mark.parametrize("case", PROVIDER_FAILURES)
def test_a_provider_that_fails_is_told_without_its_secrets(
    failing: Failing, call: Call, case: str
) -> None:
    failing.provider.script, status = PROVIDER_FAILURES[case]
    answer = post(failing.gateway, call)
    message = message_of(answer, call.path, status)
    assert_nothing_leaks(answer, failing.provider.port)
    name = "anthropic" if is_anthropic(call.path) else "openai"
    assert name in message.lower() or name in str(answer.headers).lower()


@in_both_shapes
def test_a_providers_rate_limit_is_handed_on_with_its_retry_after(
    failing: Failing, call: Call
) -> None:
    failing.provider.script = encode_answer(429, LEAK, b"retry-after: 7")
    answer = post(failing.gateway, call)
    message_of(answer, call.path, 429)
    assert answer.header("retry-after") == "7"
    assert_nothing_leaks(answer, failing.provider.port)


@in_both_shapes
def test_a_provider_that_is_not_there_is_502(tmp_path: Path, call: Call) -> None:
    with failing_gateway(tmp_path) as failing:
        failing.provider.close()
        answer = post(failing.gateway, call)
        message_of(answer, call.path, 502)
        assert_nothing_leaks(answer, failing.provider.port)


def assert_nothing_leaks(answer: WireAnswer, port: int) -> None:
    whole = answer.body.decode() + repr(answer.headers)
    for secret in (CREDENTIAL, CREDENTIAL[-12:], f":{port}", "127.0.0.1", "10.1.2.3", "Traceback"):
        assert secret not in whole, whole


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that does not trust for long what it read of the database."""
    with served(tmp_path, {"storage_stale_s": 0, "key_check_ms": 20}) as gateway:
        yield gateway


@in_both_shapes
def test_a_database_that_is_down_is_503_and_never_401_and_comes_back(
    forgetful: GatewayProcess, call: Call
) -> None:
    assert post(forgetful, call).status == 200
    with keys_unreadable(forgetful.data / "nagara.db"):
        answer = wait_for_status(forgetful, call, forgetful.key, 503)
        message_of(answer, call.path, 503)
        assert int(answer.header("retry-after") or "0") >= 1
        message_of(post(forgetful, call, mistyped(forgetful.key)), call.path, 503)
        assert b"sqlite" not in answer.body.lower()
        assert b"nagara.db" not in answer.body
    wait_for_status(forgetful, call, forgetful.key, 200)


@contextmanager
def keys_unreadable(database: Path) -> Iterator[None]:
    """Takes the table of keys away under the running gateway, and puts it back."""
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.execute("ALTER TABLE keys RENAME TO keys_away")
        connection.execute("UPDATE revisions SET number = number + 1")
        connection.commit()
        try:
            yield
        finally:
            connection.execute("ALTER TABLE keys_away RENAME TO keys")
            connection.execute("UPDATE revisions SET number = number + 1")
            connection.commit()
