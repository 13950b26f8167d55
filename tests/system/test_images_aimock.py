"""Images by OpenAI's SDK through the gateway from an upstream that none of us wrote."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from PIL import Image

from tests.system.aimock import AimockProcess
from tests.system.gateway import GatewayProcess

MODEL = "gpt-image-2"


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    with AimockProcess() as process:
        yield process


@pytest.fixture(scope="module")
def client(
    aimock: AimockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[openai.OpenAI]:
    """The SDK at a gateway that found this upstream in its environment."""
    folder = tmp_path_factory.mktemp("data")
    with (
        GatewayProcess(folder, aimock.environment) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client,
    ):
        yield client


def test_generated_image_arrives_and_is_charged_although_no_usage_is_told(
    client: openai.OpenAI, aimock: AimockProcess
) -> None:
    raw = client.images.with_raw_response.generate(model=MODEL, prompt="a cat", size="1024x1024")
    answer = raw.parse()
    assert answer.data
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))).size == (4, 2)
    assert raw.headers["x-nagara-provider"] == "openai"
    # 4,160 tokens at $30 a million, and a few of the prompt's.
    assert float(raw.headers["x-nagara-cost"]) == pytest.approx(0.1248, abs=0.001)
    assert aimock.read_journal()[-1]["path"] == "/v1/images/generations"


def test_url_is_given_for_what_came_as_base64(client: openai.OpenAI) -> None:
    answer = client.images.generate(model=MODEL, prompt="a cat", response_format="url")
    assert answer.data
    file = requests.get(answer.data[0].url or "", timeout=5)
    assert Image.open(io.BytesIO(file.content)).size == (4, 2)


def test_edit_reaches_the_upstream_as_a_form_that_it_reads(
    client: openai.OpenAI, aimock: AimockProcess
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    answer = client.images.edit(model=MODEL, prompt="a cat with a hat", image=out.getvalue())
    assert answer.data
    assert answer.data[0].b64_json
    entry = aimock.read_journal()[-1]
    assert entry["path"] == "/v1/images/edits"
    assert entry["body"]["model"] == MODEL


def test_upstreams_refusal_is_the_callers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model=MODEL, prompt="nothing is recorded for this")


def test_every_option_of_the_sdk_is_taken(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {
        "n": 2, "size": "1536x864", "quality": "high", "background": "opaque", "moderation": "low",
        "output_format": "webp", "output_compression": 80, "user": "u", "safety_identifier": "s",
    }  # fmt: skip
    answer = client.images.generate(model=MODEL, prompt="a cat", **options)
    assert answer.data
    assert base64.b64decode(answer.data[0].b64_json or "").startswith(b"\x89PNG")
