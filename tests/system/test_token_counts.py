"""Anthropic's and Google's SDKs count tokens of models whose provider cannot count, too."""

import contextlib
from collections.abc import Iterator

import anthropic
import pytest
import requests

from tests.system.gateway import GatewayProcess
from tests.system.stage import Address, Stage, is_request

CONFIG = """
[providers.mine]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("count")
    config = folder / "nagara.toml"
    with contextlib.closing(Address()) as address:
        config.write_text(CONFIG.format(port=address.port))
        with GatewayProcess(folder / "data", None, "--config", str(config)) as gateway:
            yield Stage(gateway, address)


def test_tokens_are_estimated_without_asking_anybody_and_the_answer_says_so(stage: Stage) -> None:
    gateway = stage.gateway
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        answer = client.messages.with_raw_response.count_tokens(
            model="mine/m", messages=[{"role": "user", "content": "Say hello. " * 100}]
        )
    assert 300 < answer.parse().input_tokens < 600
    assert answer.headers["x-nagara-estimated"] == "input_tokens"
    line = stage.wait_for_line(is_request(answer.headers["x-request-id"]))
    assert (line["status"], line["is_usage_estimated"]) == (200, True)
    assert "charge_usd" not in line


def test_googles_sdk_counts_tokens_of_any_model(stage: Stage) -> None:
    genai = pytest.importorskip("google.genai", reason="make install-clients")
    options = {"base_url": stage.gateway.url}
    client = genai.Client(api_key=stage.gateway.key, http_options=options)
    with contextlib.closing(client):
        counted = client.models.count_tokens(model="mine/m", contents="Say hello. " * 100)
        names = [model.name for model in client.models.list()]
    assert 300 < counted.total_tokens < 600
    assert all(name.startswith("models/") for name in names)


def test_request_that_is_wrong_is_refused_all_the_same(stage: Stage) -> None:
    answer = requests.post(
        f"{stage.gateway.url}/v1/messages/count_tokens",
        headers={"x-api-key": stage.gateway.key},
        json={"model": "mine/m"},
        timeout=5,
    )
    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]
