"""The sandbox's images decode, have the asked size and form, and follow from the prompt."""

import base64
import io
import json
from typing import Any

import pytest
from openai import OpenAI
from PIL import Image

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script

SMALL = {"prompt": "A cat on a mat", "size": "96x48"}


def ask(model: str = "gpt-image-2", **body: Any) -> tuple[int, Any]:
    content = json.dumps({**SMALL, **body}).encode()
    script = write_script(Operation.IMAGES, model, content, now_s=1, request_id="r")
    return script.status, json.loads(b"".join(s for s in script.steps if isinstance(s, bytes)))


def decode(data: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    image.load()
    return image


def draw(**body: Any) -> Image.Image:
    status, answer = ask(**body)
    assert status == 200, answer
    return decode(answer["data"][0]["b64_json"])


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", ["96x48", "16x200", "auto"])
def test_picture_has_the_asked_form_and_size(form: str, size: str) -> None:
    image = draw(output_format=form, size=size)
    assert image.format == form.upper()
    assert image.size == ((1024, 1024) if size == "auto" else tuple(map(int, size.split("x"))))


def test_words_are_written_in_white_and_same_prompt_gives_same_bytes() -> None:
    words, blank = (draw(prompt=prompt, size="256x128") for prompt in ("WWWW", " "))
    assert (255, 255, 255) in set(words.get_flattened_data())
    assert (255, 255, 255) not in set(blank.get_flattened_data())
    assert ask() == ask()
    assert draw(prompt="another").tobytes() != draw().tobytes()


def test_letters_with_accents_are_written_without_and_not_as_boxes() -> None:
    folded, plain, boxes = (
        draw(prompt=prompt, background="transparent").tobytes()
        for prompt in ("Ünïcödé", "Unicode", "\u65e5n\u65e5c\u65e5d\u65e5")
    )
    assert folded == plain != boxes


def test_each_of_several_is_another_picture() -> None:
    _, answer = ask(n=3)
    assert len({item["b64_json"] for item in answer["data"]}) == 3
    assert answer["usage"]["output_tokens"] == 3 * ask()[1]["usage"]["output_tokens"]


def test_transparent_background_lets_through() -> None:
    image = draw(background="transparent", output_format="webp")
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("model", "wanted", "key"),
    [
        ("gpt-image-2", None, "b64_json"),
        ("dall-e-3", None, "url"),
        ("dall-e-3", "b64_json", "b64_json"),
        ("gpt-image-2", "url", "url"),
    ],
)
def test_picture_comes_as_it_was_asked_for(model: str, wanted: str | None, key: str) -> None:
    _, answer = ask(model=model, response_format=wanted)
    (item,) = answer["data"]
    assert list(item) == [key]
    assert decode(item[key].removeprefix("data:image/png;base64,")).size == (96, 48)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"size": "big"}, "size"),
        ({"size": "15x16"}, "size"),
        ({"size": "99999x99999"}, "size"),
        ({"size": "3840x3840", "n": 2}, "size"),
        ({"n": 11}, "n"),
        ({"output_format": "tiff"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"partial_images": 4}, "partial_images"),
        ({"quality": "best"}, "quality"),
    ],
)
def test_mistake_is_named(body: dict[str, Any], param: str) -> None:
    status, answer = ask(**body)
    assert status == 400
    assert answer["error"]["param"] == param


def test_openai_sdk_reads_a_whole_answer_and_a_stream(openai_client: OpenAI) -> None:
    whole = openai_client.images.generate(
        model="gpt-image-2", prompt="A cat", size="64x32", quality="low"
    )
    assert whole.data
    assert decode(whole.data[0].b64_json or "").size == (64, 32)
    assert whole.usage
    assert whole.usage.output_tokens > 0
    with openai_client.images.generate(
        model="gpt-image-2", prompt="A cat", size="64x32", stream=True, partial_images=2
    ) as stream:
        events = list(stream)
    assert [e.type for e in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert len({decode(e.b64_json).tobytes() for e in events}) == 3
