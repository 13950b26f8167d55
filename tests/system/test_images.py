"""Images through a real gateway: passed through as they are, charged once, and played.

The official SDK asks; Pillow decodes.
"""

import asyncio
import base64
import io
import json
import os
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from PIL import Image

from nagara.operations.forms import FormLimits
from tests.fakes import Peer, Received
from tests.forms import read_form
from tests.system.caller import Head, call
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CALLER_MODEL, UPSTREAM_MODEL, begin_stream
from tests.system.stage import Stage, staged

PATH = "/v1/images/generations"
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 300,
    "total_tokens": 350,
}
ANSWER = {"created": 1, "data": [{"b64_json": "eA=="}], "usage": USAGE, "x_future": 1.5}
ASKED = {"model": CALLER_MODEL, "prompt": "A cat", "x_new": [1], "size": "1024x1024"}
COST = "0.00065"
"""50 tokens in at a dollar a million, and 300 out at two."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("images")) as stage:
        yield stage


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with no provider: the sandbox answers."""
    with GatewayProcess(tmp_path_factory.mktemp("data")) as process:
        yield process


@pytest.fixture
async def client(gateway: GatewayProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    address = f"{gateway.url}/v1"
    async with openai.AsyncOpenAI(base_url=address, api_key=gateway.key, max_retries=0) as client:
        yield client


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": f"image_generation.{kind}", **fields}).encode()
    return b"event: image_generation.%b\ndata: %b\n\n" % (kind.encode(), data)


DRAFT = event("partial_image", b64_json="eA==", partial_image_index=0)
DONE = event("completed", b64_json="eA==", usage=USAGE)


async def exchange(
    stage: Stage,
    body: dict[str, Any],
    *events: bytes,
    given: dict[str, Any] = ANSWER,
    **headers: str,
) -> tuple[list[Received], Head, bytes]:
    """One call of a provider that answers whole, or with these events."""
    got: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request)
            if events:
                await begin_stream(peer, *events, b"")
            else:
                await peer.answer(json.dumps(given).encode())

    async with stage.upstream(script):
        head, answer = await call(stage.gateway, PATH, body, **headers)
    return got, head, answer


async def test_request_and_answer_pass_and_are_charged_by_their_tokens(stage: Stage) -> None:
    (request,), head, answer = await exchange(stage, ASKED)
    assert request.target == b"/v1/images/generations"
    assert json.loads(request.body) == {**ASKED, "model": UPSTREAM_MODEL}
    assert json.loads(answer) == ANSWER
    assert head.header("x-nagara-cost") == COST


OPTIONS: dict[str, Any] = {
    "n": 2, "size": "1536x864", "quality": "xhigh", "background": "opaque", "moderation": "low",
    "output_format": "webp", "output_compression": 80, "user": "u", "safety_identifier": "s",
    "complexity": "high", "style": "vivid", "response_format": "b64_json",
}  # fmt: skip


async def test_every_option_of_the_sdk_arrives_as_it_was_sent(stage: Stage) -> None:
    got: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request)
            await peer.answer(json.dumps(ANSWER).encode())

    async with stage.upstream(script):
        address, key = f"{stage.gateway.url}/v1", stage.gateway.key
        async with openai.AsyncOpenAI(base_url=address, api_key=key, max_retries=0) as client:
            await client.images.generate(
                model=CALLER_MODEL, prompt="A cat", extra_body={"x_new": [1]}, **OPTIONS
            )
    (request,) = got
    sent = {"model": UPSTREAM_MODEL, "prompt": "A cat", "x_new": [1], **OPTIONS}
    assert json.loads(request.body) == sent


async def test_repetition_by_idempotency_key_is_not_asked_again(stage: Stage) -> None:
    first, _, answer = await exchange(stage, ASKED, idempotency_key="picture-1")
    again, head, replayed = await exchange(stage, ASKED, idempotency_key="picture-1")
    assert (len(first), len(again)) == (1, 0)
    assert (head.status, replayed) == (200, answer)


async def test_partial_images_are_streamed_as_they_come(stage: Stage) -> None:
    asked = {**ASKED, "stream": True, "partial_images": 1}
    _, head, answer = await exchange(stage, asked, DRAFT, DONE)
    assert (head.header("content-type") or "").startswith("text/event-stream")
    assert answer == DRAFT + DONE


async def test_stream_that_breaks_off_after_a_draft_ends_with_an_error(stage: Stage) -> None:
    _, _, answer = await exchange(stage, {**ASKED, "stream": True}, DRAFT)
    assert answer.startswith(DRAFT)
    assert answer[len(DRAFT) :].startswith(b"event: error\n")


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_sandbox_gives_pictures_that_decode(client: openai.AsyncOpenAI, form: Any) -> None:
    answer = await client.images.generate(
        model="gpt-image-2", prompt="A cat", size="64x32", output_format=form, n=2
    )
    assert answer.data
    images = [Image.open(io.BytesIO(base64.b64decode(x.b64_json or ""))) for x in answer.data]
    assert [(x.format, x.size) for x in images] == [(form.upper(), (64, 32))] * 2


async def test_sandbox_streams_pictures_to_the_sdk(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.generate(
        model="gpt-image-2", prompt="A cat", size="64x32", stream=True, partial_images=2
    )
    kinds = [event.type.rpartition(".")[2] async for event in stream]
    assert kinds == ["partial_image", "partial_image", "completed"]


async def test_images_cost_what_the_list_says_and_too_many_are_402(
    client: openai.AsyncOpenAI,
) -> None:
    raw = await client.images.with_raw_response.generate(
        model="gpt-image-2", prompt="A cat", size="1024x1024", quality="low"
    )
    assert raw.headers["x-nagara-provider"] == "sandbox"
    # 2 tokens in at $5 a million, 272 out at $30.
    assert raw.headers["x-nagara-cost"] == "0.00817"
    with pytest.raises(openai.APIStatusError) as caught:
        await client.images.generate(model="gpt-image-2", prompt="A cat", n=100)
    assert caught.value.status_code == 402


async def test_model_that_draws_does_not_converse_and_says_where_it_is_called(
    client: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="gpt-image-2", messages=[{"role": "user", "content": "Hi"}]
        )
    assert PATH in caught.value.message


def paint(colour: str, form: str = "PNG", size: tuple[int, int] = (64, 32)) -> bytes:
    """A picture of one colour."""
    image = Image.new("RGBA" if form == "PNG" else "RGB", size, colour)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def make_mask(size: tuple[int, int] = (64, 32)) -> bytes:
    """A mask whose left half may change."""
    image = Image.new("RGBA", size, "black")
    image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


async def test_form_is_sent_on_with_the_deployments_model(stage: Stage) -> None:
    got: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request)
            await peer.answer(json.dumps(ANSWER).encode())

    picture = paint("red")
    async with stage.upstream(script):
        address, key = f"{stage.gateway.url}/v1", stage.gateway.key
        async with openai.AsyncOpenAI(base_url=address, api_key=key, max_retries=0) as client:
            for _ in range(2):
                raw = await client.images.with_raw_response.edit(
                    model=CALLER_MODEL, prompt="A cät", image=[picture, picture], n=2,
                    mask=make_mask(), extra_headers={"idempotency-key": "an-edit"},
                    extra_body={"x_new": "kept"},
                )  # fmt: skip
    # The SDK makes another boundary for each: it is the same call all the same.
    (request,) = got
    assert request.target == b"/v1/images/edits"
    content_type = request.header(b"content-type")
    assert content_type is not None
    form = read_form(content_type, request.body, FormLimits())
    assert form.texts == {"model": UPSTREAM_MODEL, "prompt": "A cät", "n": "2", "x_new": "kept"}
    assert [part.data for part in form.files("image[]")] == [picture, picture]
    assert len(form.files("mask")) == 1
    assert raw.status_code == 200


async def test_only_what_the_mask_lets_through_is_changed(client: openai.AsyncOpenAI) -> None:
    answer = await client.images.edit(
        model="gpt-image-2", prompt="WWW", image=paint("red"), mask=make_mask()
    )
    assert answer.data
    image = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))).convert("RGB")
    assert image.size == (64, 32)
    right, left = image.crop((32, 0, 64, 32)), image.crop((0, 0, 32, 32))
    assert right.getcolors() == [(32 * 32, (255, 0, 0))]
    assert (255, 0, 0) not in {colour for _, colour in left.getcolors(32 * 32) or ()}
    assert answer.usage
    assert answer.usage.input_tokens_details.image_tokens > 0


async def test_image_that_is_edited_shows_in_what_comes_out(client: openai.AsyncOpenAI) -> None:
    answers = [
        await client.images.edit(model="gpt-image-2", prompt="x", image=paint(colour, "JPEG"))
        for colour in ("red", "blue")
    ]
    red, blue = (
        Image.open(io.BytesIO(base64.b64decode(a.data[0].b64_json or ""))).getpixel((0, 0))
        for a in answers
        if a.data
    )
    assert red[0] - blue[0] > 100  # type: ignore[index]
    stream = await client.images.edit(
        model="gpt-image-2", prompt="x", image=paint("red"), stream=True, partial_images=1
    )
    assert [event.type async for event in stream] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]


async def test_variations_differ_from_one_another(client: openai.AsyncOpenAI) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = await client.images.create_variation(
            model="gpt-image-2", image=paint("red"), n=2, response_format="b64_json"
        )
    assert answer.data
    assert len({item.b64_json for item in answer.data}) == 2


def bomb() -> bytes:
    """A small file that unpacks to 400 million pixels."""
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (bomb(), "pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"GIF89a", "cannot be decoded"),
        (paint("red")[:60], "cannot be decoded"),
        (b"", "PNG, JPEG"),
        (b"MZ...", "PNG, JPEG"),
    ],
)
async def test_what_is_no_picture_to_draw_on_is_a_400(
    client: openai.AsyncOpenAI, picture: bytes, said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(
            model="gpt-image-2", prompt="x", image=("a.png", picture, "image/png")
        )
    assert said in caught.value.message


FIELD = b"content-disposition: form-data; name="


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"".join(b"--b\r\n" + FIELD + b"a[]\r\n\r\nx\r\n" for _ in range(10_000)), "parts"),
        (b"--b\r\n" + b"".join(b"x-%d: y\r\n" % i for i in range(100_000)), "of headers"),
        (b"--b\r\n" + FIELD + b"model\r\n\r\nhalf", "not all of it"),
        (b'{"model": "gpt-image-2"}', "could not be read"),
    ],
)
async def test_form_that_is_a_bomb_or_none_is_a_400(
    gateway: GatewayProcess, body: bytes, said: str
) -> None:
    answer = await asyncio.to_thread(
        requests.post,
        f"{gateway.url}/v1/images/edits",
        data=body,
        headers={
            "authorization": f"Bearer {gateway.key}",
            "content-type": "multipart/form-data; boundary=b",
        },
        timeout=20,
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert said in answer.json()["error"]["message"]


def fetch(url: str) -> requests.Response:
    return requests.get(url, timeout=5)


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n...").decode()
SVG = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()


async def test_picture_that_came_as_base64_is_linked_to_where_a_url_was_asked_for(
    stage: Stage,
) -> None:
    given = {**ANSWER, "data": [{"b64_json": PNG, "revised_prompt": "A cat, revised"}]}
    _, head, answer = await exchange(stage, {**ASKED, "response_format": "url"}, given=given)
    (item,) = json.loads(answer)["data"]
    assert item.keys() == {"url", "revised_prompt"}
    assert head.header("x-nagara-dropped") is None
    assert item["url"].startswith("http://127.0.0.1/v1/images/files/")
    # The caller of these tests does not say the port in its host header.
    file = fetch(stage.gateway.url + item["url"].removeprefix("http://127.0.0.1"))
    assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
    assert file.content == base64.b64decode(PNG)
    assert file.headers["x-content-type-options"] == "nosniff"
    assert item["url"].rpartition("/")[2] not in stage.gateway.output


@pytest.mark.parametrize(
    ("wanted", "item"),
    [("url", {"b64_json": SVG}), ("b64_json", {"url": "https://theirs.example/a.png"})],
)
async def test_what_cannot_be_converted_stays_as_it_is_and_is_named(
    stage: Stage, wanted: str, item: dict[str, str]
) -> None:
    given = {**ANSWER, "data": [item]}
    _, head, answer = await exchange(stage, {**ASKED, "response_format": wanted}, given=given)
    assert json.loads(answer) == given
    assert head.header("x-nagara-dropped") == "response_format"


async def test_picture_in_its_own_address_is_given_as_base64(stage: Stage) -> None:
    given = {**ANSWER, "data": [{"url": f"data:image/png;base64,{PNG}"}]}
    _, _, answer = await exchange(stage, {**ASKED, "response_format": "b64_json"}, given=given)
    assert json.loads(answer)["data"] == [{"b64_json": PNG}]


def test_links_to_images_expire(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        address, key = f"{gateway.url}/v1", gateway.key
        with openai.OpenAI(base_url=address, api_key=key) as client:
            answer = client.images.generate(
                model="gpt-image-2", prompt="A cat", size="64x32", response_format="url"
            )
        assert answer.data
        url = answer.data[0].url or ""
        file = fetch(url)
        assert Image.open(io.BytesIO(file.content)).size == (64, 32)
        (kept,) = (tmp_path / "files").iterdir()
        assert kept.stat().st_mode & 0o077 == 0
        os.utime(kept, (time.time() - 1, time.time() - 1))
        assert fetch(url).status_code == 410
        assert fetch(url[:-8]).status_code == 404
        assert fetch(f"{address}/images/files/..%2Fsecret.key").status_code == 404
