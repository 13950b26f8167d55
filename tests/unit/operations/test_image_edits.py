"""Edits are read from forms and from JSON, refused where they are wrong, and written again."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.forms import Form, read_form

from nagara.domain.errors import GatewayError
from nagara.media.upload import Upload
from nagara.operations.forms import FormLimits, Part, PartBegan, PartData, PartEnded, text_part
from nagara.operations.image_edits import (
    FILES,
    measure_pictures,
    read_edit,
    read_edit_form,
    read_variation_form,
    write_request,
)

PNG = b"\x89PNG\r\n\x1a\n...."
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
WEB_URL = "https://pictures.example/a.png"
MODEL, PROMPT = text_part("model", "m"), text_part("prompt", "A cat")


def picture(name: str = "image", data: bytes = PNG) -> Part:
    return Part(PartBegan(name, "a.png", "image/png"), data)


@pytest.fixture
def upload() -> Iterator[Upload]:
    upload = Upload(FILES, 100)
    yield upload
    upload.close()


def describe(upload: Upload, *parts: Part) -> bytes:
    for part in parts:
        upload.take(part.head)
        upload.take(PartData(part.data))
        upload.take(PartEnded())
    return upload.describe()


async def send(upload: Upload, fields: bytes) -> Form:
    content_type, length, pieces = upload.encode(fields)
    body = b"".join([piece async for piece in pieces])
    assert len(body) == length
    return read_form(content_type, body, FormLimits())


@pytest.mark.parametrize("name", ["image", "image[]", "images[]"])
@pytest.mark.parametrize(("count", "sent"), [(1, "image"), (3, "image[]")])
async def test_images_are_sent_on_under_the_name_that_the_provider_has(
    name: str, count: int, sent: str, upload: Upload
) -> None:
    overlays = (picture("mask", PNG + b"m"), picture("markup", PNG + b"k"))
    pictures = [picture(name, PNG + bytes([i])) for i in range(count)]
    view = read_edit_form(describe(upload, MODEL, PROMPT, *pictures, *overlays))
    form = await send(upload, write_request(view, "theirs", asks_usage=False))
    assert [part.data for part in form.files(sent)] == [part.data for part in pictures]
    assert [part.data for part in form.files("mask", "markup")] == [PNG + b"m", PNG + b"k"]
    assert len(form.parts) == 4 + count
    assert form.texts == {"model": "theirs", "prompt": "A cat"}
    assert measure_pictures(view).image_count == count + 2


def test_model_that_always_gives_base64_is_not_told_a_format(upload: Upload) -> None:
    wanted = text_part("response_format", "url")
    view = read_edit_form(describe(upload, MODEL, PROMPT, picture(), wanted))
    for model, is_told in (("gpt-image-2", False), ("dall-e-2", True)):
        body = write_request(view, model, asks_usage=False)
        assert (b"response_format" in body) is is_told


async def test_numbers_and_flags_are_read_and_each_image_is_held_for(upload: Upload) -> None:
    parts = [
        text_part("n", "3"), text_part("stream", "True"), text_part("size", "64x64"),
        text_part("tags[]", "a"), text_part("tags[]", "b"),
    ]  # fmt: skip
    view = read_edit_form(describe(upload, MODEL, PROMPT, picture(), *parts))
    assert view.is_streamed
    assert measure_pictures(view).images_max == 3
    form = await send(upload, write_request(view, "m", asks_usage=False))
    assert form.texts["n"] == "3"
    assert form.texts["stream"] == "true"
    assert [p.data for p in form.parts if p.head.name == "tags[]"] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ((PROMPT, picture()), "model"),
        ((MODEL, picture()), "prompt"),
        ((MODEL, PROMPT), "image"),
        ((MODEL, PROMPT, *[picture("image[]")] * 17), "image"),
        ((MODEL, PROMPT, *[picture("image[]")] * 19), "image[]"),
        ((MODEL, PROMPT, text_part("image", "x")), "image"),
        ((MODEL, PROMPT, picture(), picture("mask"), picture("mask")), "mask"),
        ((MODEL, PROMPT, picture(), picture("n")), "n"),
        ((MODEL, PROMPT, picture(), picture("mask", b"<svg/>")), "mask"),
        ((MODEL, PROMPT, picture("image", b"")), "image"),
        ((MODEL, PROMPT, picture(), text_part("n", "two")), "n"),
        ((MODEL, PROMPT, picture(), text_part("n", "0")), "n"),
        ((MODEL, PROMPT, picture(), text_part("stream", "1")), "stream"),
        ((MODEL, PROMPT, picture(), text_part("n[]", "9")), "n[]"),
        ((MODEL, PROMPT, picture(), text_part("output_format", "svg")), "output_format"),
    ],
)
def test_wrong_field_of_a_form_is_named(
    parts: tuple[Part, ...], param: str, upload: Upload
) -> None:
    with pytest.raises(GatewayError) as caught:
        read_edit_form(describe(upload, *parts))
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        ((), "is missing"),
        ([picture("image[]")] * 17, "is there 17 times; 16 images are the most"),
        ([picture("image", b"")], "is empty"),
    ],
)
def test_no_picture_too_many_and_an_empty_one_are_told_apart(
    pictures: tuple[Part, ...], said: str, upload: Upload
) -> None:
    with pytest.raises(GatewayError, match=said):
        read_edit_form(describe(upload, MODEL, PROMPT, *pictures))


def test_one_image_is_varied_without_a_prompt(upload: Upload) -> None:
    assert read_variation_form(describe(upload, MODEL, picture())).model == "m"
    with pytest.raises(GatewayError):
        read_variation_form(describe(upload, picture()))


def edit(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "A cat", **fields}).encode()


@pytest.mark.parametrize("url", [DATA_URL, WEB_URL])
def test_edit_in_json_is_passed_on_with_its_addresses(url: str) -> None:
    body = edit(images=[{"image_url": url}], mask={"image_url": DATA_URL}, n=2, x_new=[1])
    view = read_edit(body)
    sent = json.loads(write_request(view, "theirs", asks_usage=False))
    assert sent == {**json.loads(body), "model": "theirs"}
    demand = measure_pictures(view)
    assert (demand.image_count, demand.images_max) == (2, 2)
    # A picture is held for as one, whatever its bytes are.
    large = edit(images=[{"image_url": DATA_URL + "A" * 100_000}])
    assert measure_pictures(read_edit(large)).text_bytes < 1_000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": "x"}, "images"),
        ({"images": [{"image_url": WEB_URL, "x": 1}]}, "images"),
        ({"images": [{"image_url": WEB_URL}] * 17}, "images"),
        ({"images": [{}]}, "images[0]"),
        ({"images": [{"image_url": WEB_URL}, {"file_id": "file-1"}]}, "images[1]"),
        ({"images": [{"image_url": "file:///etc/passwd"}]}, "images[0]"),
        ({"images": [{"image_url": "data:image/png;base64,PHN2Zy8+"}]}, "images[0]"),
        ({"images": [{"image_url": "data:image/png;base64,%%%%"}]}, "images[0]"),
        ({"images": [{"image_url": "data:image/svg+xml,<svg/>"}]}, "images[0]"),
        ({"images": [{"image_url": WEB_URL}], "mask": "x"}, "mask"),
        ({"images": [{"image_url": WEB_URL}], "prompt": ""}, "prompt"),
        ({"images": [{"image_url": WEB_URL}], "n": "2"}, "n"),
    ],
)
def test_wrong_field_of_json_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_edit(edit(**fields))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_description_of_a_form_in_json_is_no_form() -> None:
    faked = {"image": [{"index": 0, "bytes": 9, "beginning": base64.b64encode(PNG).decode()}]}
    with pytest.raises(GatewayError) as caught:
        read_edit(edit(**faked))
    assert caught.value.param == "images"
