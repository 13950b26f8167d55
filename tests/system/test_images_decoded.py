"""The sandbox's pictures, asked for with every option of OpenAI's SDK and read by FFmpeg.

What Pillow draws is decoded here by a program that none of us wrote, pixel by pixel.
"""

import base64
import io
from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest
import requests
from PIL import Image

from tests.system.decoders import Decoders, find_decoders
from tests.system.gateway import GatewayProcess

MODEL: Final = "gpt-image-2"
CODECS: Final = {"png": "png", "jpeg": "mjpeg", "webp": "webp"}
WIDTH, HEIGHT = 96, 64
SIZE: Final = f"{WIDTH}x{HEIGHT}"
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def decoders() -> Decoders:
    return find_decoders()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with no provider: the sandbox answers."""
    with GatewayProcess(tmp_path_factory.mktemp("data")) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def paint(colour: tuple[int, ...], form: str = "PNG") -> bytes:
    out = io.BytesIO()
    mode = "RGBA" if len(colour) == 4 else "RGB"
    Image.new(mode, (WIDTH, HEIGHT), colour).save(out, form, quality=95, lossless=True)
    return out.getvalue()


def make_mask() -> bytes:
    """A mask whose left half may change."""
    image = Image.new("RGBA", (WIDTH, HEIGHT), "black")
    image.paste((0, 0, 0, 0), (0, 0, WIDTH // 2, HEIGHT))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def contents(answer: Any) -> list[bytes]:
    return [base64.b64decode(item.b64_json) for item in answer.data]


def halves(pixels: bytes) -> tuple[set[bytes], set[bytes]]:
    """The colours on the left and on the right."""
    rows = [pixels[y * WIDTH * 3 : (y + 1) * WIDTH * 3] for y in range(HEIGHT)]
    middle = WIDTH // 2 * 3
    left, right = (
        {row[at : at + 3] for row in rows for at in side}
        for side in (range(0, middle, 3), range(middle, WIDTH * 3, 3))
    )
    return left, right


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("quality", ["low", "medium", "high", "auto", "xhigh", "max"])
def test_every_quality_and_format_decodes(
    client: openai.OpenAI, decoders: Decoders, form: Any, quality: Any
) -> None:
    answer = client.images.generate(
        model=MODEL, prompt="A cat", size=SIZE, output_format=form, quality=quality, n=2,
        background="opaque", moderation="low", user="u", safety_identifier="s",
    )  # fmt: skip
    assert (answer.output_format, answer.size, answer.background) == (form, SIZE, "opaque")
    for content in contents(answer):
        assert decoders.read_size(content) == (CODECS[form], WIDTH, HEIGHT)


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024", "1024x1536", "auto", "16x3840"])
def test_every_size_is_the_pictures_own(
    client: openai.OpenAI, decoders: Decoders, size: Any
) -> None:
    answer = client.images.generate(model=MODEL, prompt="A cat", size=size)
    _, width, height = decoders.read_size(contents(answer)[0])
    assert f"{width}x{height}" == ("1024x1024" if size == "auto" else size)


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_stronger_compression_makes_smaller_files(
    client: openai.OpenAI, decoders: Decoders, form: Any
) -> None:
    sizes = []
    for compression in (100, 50, 0):
        answer = client.images.generate(
            model=MODEL, prompt="A cat", size="512x512", output_format=form,
            output_compression=compression,
        )  # fmt: skip
        (content,) = contents(answer)
        decoders.decode(content)
        sizes.append(len(content))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_transparent_background_is_transparent(client: openai.OpenAI, decoders: Decoders) -> None:
    answer = client.images.generate(
        model=MODEL, prompt=" ", size=SIZE, background="transparent", output_format="png"
    )
    (stream,) = decoders.describe(contents(answer)[0])["streams"]
    assert stream["pix_fmt"] == "rgba"


def test_drafts_and_finished_pictures_of_a_stream_decode(
    client: openai.OpenAI, decoders: Decoders
) -> None:
    stream = client.images.generate(
        model=MODEL, prompt="A cat", size=SIZE, n=2, stream=True, partial_images=3
    )
    events: list[Any] = list(stream)
    assert [event.type.rpartition(".")[2] for event in events] == [
        *["partial_image"] * 3, "completed", *["partial_image"] * 3, "completed",
    ]  # fmt: skip
    for event in events:
        assert decoders.read_size(base64.b64decode(event.b64_json)) == ("png", WIDTH, HEIGHT)


def test_link_leads_to_a_picture_with_its_type_and_its_end(
    client: openai.OpenAI, decoders: Decoders
) -> None:
    answer = client.images.generate(
        model=MODEL, prompt="A cat", size=SIZE, response_format="url", output_format="webp"
    )
    assert answer.data
    file = requests.get(answer.data[0].url or "", timeout=5)
    assert decoders.read_size(file.content) == ("webp", WIDTH, HEIGHT)
    assert file.headers["content-type"] == "image/webp"
    assert "max-age=" in file.headers["cache-control"] or "expires" in file.headers


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_edit_with_a_mask_keeps_what_the_mask_covers(
    client: openai.OpenAI, decoders: Decoders, form: str
) -> None:
    answer = client.images.edit(
        model=MODEL, prompt="WWW", image=paint(RED, form), mask=make_mask(), output_format="png",
        input_fidelity="high", quality="low", background="opaque", user="u",
    )  # fmt: skip
    left, right = halves(decoders.read_pixels(contents(answer)[0]))
    # A JPEG's red is nearly the one that was painted.
    assert all(max(abs(c - w) for c, w in zip(x, RED, strict=True)) < 4 for x in right)
    assert bytes(RED) not in left


def test_edit_shows_every_picture_that_went_in(client: openai.OpenAI, decoders: Decoders) -> None:
    shown = {}
    for second in (RED, BLUE):
        answer = client.images.edit(
            model=MODEL, prompt=" ", image=[paint(RED), paint(second)], size=SIZE
        )
        shown[second] = decoders.read_pixels(contents(answer)[0])[:3]
    assert shown[RED] != shown[BLUE]


def test_markup_shows_in_what_is_made_of_the_picture(
    client: openai.OpenAI, decoders: Decoders
) -> None:
    plain = client.images.edit(model=MODEL, prompt=" ", image=paint(RED))
    marked = client.images.edit(
        model=MODEL, prompt=" ", image=paint(RED), markup=paint((0, 0, 255, 128))
    )
    one, other = (decoders.read_pixels(contents(x)[0])[:3] for x in (plain, marked))
    assert other[2] > one[2]


def test_edit_by_json_is_the_edit_by_a_form(client: openai.OpenAI, decoders: Decoders) -> None:
    by_form = client.images.edit(
        model=MODEL, prompt="WWW", image=paint(RED), mask=make_mask(), n=1, size=SIZE
    )
    url = "data:image/png;base64,"
    body = {
        "model": MODEL, "prompt": "WWW", "n": 1, "size": SIZE,
        "images": [{"image_url": url + base64.b64encode(paint(RED)).decode()}],
        "mask": {"image_url": url + base64.b64encode(make_mask()).decode()},
    }  # fmt: skip
    by_json = client.post("/images/edits", body=body, cast_to=type(by_form))
    assert contents(by_json) == contents(by_form)
    left, right = halves(decoders.read_pixels(contents(by_json)[0]))
    assert right == {bytes(RED)}
    assert left != right


def test_models_that_draw_in_conversations_draw_here_too(
    client: openai.OpenAI, decoders: Decoders
) -> None:
    raw = client.images.with_raw_response.generate(
        model="gemini-3-pro-image", prompt="A cat", size=SIZE, response_format="b64_json"
    )
    assert decoders.read_size(contents(raw.parse())[0]) == ("png", WIDTH, HEIGHT)
    assert float(raw.headers["x-nagara-cost"]) > 0
    with pytest.raises(openai.APIStatusError):
        client.images.generate(model="gemini-2.5-flash", prompt="A cat")


def test_web_address_is_refused_where_nobody_fetches(client: openai.OpenAI) -> None:
    body = {
        "model": MODEL, "prompt": "x", "images": [{"image_url": "https://pictures.example/a.png"}],
    }  # fmt: skip
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/images/edits", body=body, cast_to=object)
    assert "fetches nothing" in caught.value.message


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_variations_decode_and_differ(client: openai.OpenAI, decoders: Decoders, form: str) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = client.images.create_variation(
            model=MODEL, image=paint(RED, form), n=3, response_format="b64_json", user="u"
        )
    found = contents(answer)
    assert len(set(found)) == 3
    for content in found:
        assert decoders.read_size(content) == ("png", WIDTH, HEIGHT)
