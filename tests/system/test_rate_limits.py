"""Limits of a real gateway, as its callers' own SDKs meet them."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.system.gateway import GatewayProcess, served

anthropic = pytest.importorskip("anthropic")
openai = pytest.importorskip("openai")

MODEL, CLAUDE = "gpt-4.1-mini", "claude-haiku-4-5"
HELLO = [{"role": "user", "content": "hello"}]
FREE_MODEL = """
[models."small:free"]
prices = { input_mtok = "0", output_mtok = "0" }
deployments = [{ provider = "sandbox", model = "gpt-4.1-mini" }]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with served(tmp_path_factory.mktemp("limits"), {"failed_keys_per_minute_max": 5}) as gateway:
        yield gateway


def ask(gateway: GatewayProcess, key: str, model: str = MODEL, **more: object) -> requests.Response:
    return requests.post(
        f"{gateway.openai_url}/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": model, "messages": HELLO, **more},
        timeout=20,
    )


def test_openai_sdk_sees_a_rate_limit_with_when_to_retry(gateway: GatewayProcess) -> None:
    key = gateway.make_key("slow", "--requests-per-minute", "1")
    client = openai.OpenAI(api_key=key, base_url=gateway.openai_url, max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert raw.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model=MODEL, input="hello")
    assert caught.value.code == "rate_limit_exceeded"
    assert "1 request per minute" in caught.value.message
    assert 50 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "1"


def test_anthropic_sdk_sees_a_rate_limit_in_its_own_words(gateway: GatewayProcess) -> None:
    key = gateway.make_key("claude", "--tokens-per-minute", "40")
    client = anthropic.Anthropic(api_key=key, base_url=gateway.url, max_retries=0)
    request = {"model": CLAUDE, "max_tokens": 50, "messages": HELLO}
    client.messages.create(**request)
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**request)
    headers = caught.value.response.headers
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    assert "40 tokens per minute" in caught.value.body["error"]["message"]
    assert int(headers["retry-after"]) >= 1
    assert headers["anthropic-ratelimit-tokens-limit"] == "40"
    assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
    assert headers["x-ratelimit-limit-tokens"] == "40"


def test_sdk_that_waits_as_told_gets_its_answer(gateway: GatewayProcess) -> None:
    key = gateway.make_key("patient", "--requests-per-minute", "60")
    client = openai.OpenAI(api_key=key, base_url=gateway.openai_url, max_retries=4)
    while ask(gateway, key).status_code == 200:
        pass
    assert client.chat.completions.create(model=MODEL, messages=HELLO).choices


def test_changed_limit_of_a_key_holds_while_the_gateway_runs(gateway: GatewayProcess) -> None:
    key = gateway.make_key("changed", "--requests-per-minute", "1")
    assert [ask(gateway, key).status_code for _ in range(2)] == [200, 429]
    gateway.run("keys", "limit", "changed", "--requests-per-minute", "0")
    deadline_s = time.monotonic() + 5
    while ask(gateway, key).status_code != 200:
        assert time.monotonic() < deadline_s, "the limit was not taken away"


async def test_slots_are_exact_and_come_back_whatever_ends_a_request(
    gateway: GatewayProcess,
) -> None:
    key = gateway.make_key("narrow", "--test", "--requests-in-flight", "2")
    # A slow answer runs until its client leaves: thrice, so that no slot is ever lost.
    for _ in range(3):
        await fill_both_slots(gateway, key)
    await fill_both_slots(gateway, key, leave=False)
    # What has ended for its client is not in flight any more, at once.
    async with openai.AsyncOpenAI(
        api_key=key, base_url=gateway.openai_url, max_retries=0
    ) as client:
        for _ in range(10):
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            assert [chunk async for chunk in stream]
            await client.chat.completions.create(model=MODEL, messages=HELLO)


async def fill_both_slots(gateway: GatewayProcess, key: str, *, leave: bool = True) -> None:
    """Six slow requests at once, until two of them are let in; never are there more."""
    deadline_s = time.monotonic() + 10
    count = 0
    while count != 2:
        assert time.monotonic() < deadline_s, "a slot was not given back"
        count = await count_let_in(gateway, key, leave=leave)
        assert count <= 2


async def count_let_in(gateway: GatewayProcess, key: str, *, leave: bool) -> int:
    pairs = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(6)]
    body = (
        b'{"model": "%s:slow-stream", "stream": true, "messages": [{"role": "user", '
        % (MODEL.encode())
        + b'"content": "hello"}]}'
    )
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    for _, writer in pairs:
        key_line = b"authorization: Bearer %s\r\n" % key.encode()
        writer.write(head + key_line + b"content-length: %d\r\n\r\n%s" % (len(body), body))
    lines = [await reader.readuntil(b"\r\n") for reader, _ in pairs]
    for reader, writer in pairs:
        if not leave:
            await reader.read()
        writer.close()
        await writer.wait_closed()
    return sum(line.split()[1] == b"200" for line in lines)


def test_address_that_fails_too_often_is_429_and_good_keys_pass(gateway: GatewayProcess) -> None:
    wrong = gateway.key[:-1] + ("a" if gateway.key[-1] != "a" else "b")
    answers = [ask(gateway, wrong) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
    assert "5 times per minute" in answers[-1].json()["error"]["message"]
    models = requests.get(f"{gateway.openai_url}/models", headers={"x-api-key": wrong}, timeout=5)
    assert models.status_code == 429
    assert ask(gateway, gateway.key).status_code == 200
    # This machine's own addresses are trusted to say whom they speak for.
    for address in ("198.51.100.1", "2001:db8::1"):
        other = requests.post(
            f"{gateway.openai_url}/chat/completions",
            headers={"x-api-key": wrong, "x-forwarded-for": address},
            json={},
            timeout=5,
        )
        assert other.status_code == 401


def test_free_models_are_limited_by_account_over_all_its_keys(tmp_path: Path) -> None:
    config = tmp_path / "nagara.toml"
    config.write_text(FREE_MODEL)
    with served(
        tmp_path, {"free_requests_per_minute_max": 4}, {"NAGARA_CONFIG": str(config)}
    ) as gateway:
        keys = [gateway.key, gateway.make_key("second")]
        turns = itertools.islice(itertools.cycle(keys), 6)
        answers = [ask(gateway, key, "small:free") for key in turns]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        assert "4 requests per minute to free models" in answers[-1].json()["error"]["message"]
        assert ask(gateway, keys[0]).status_code == 200
