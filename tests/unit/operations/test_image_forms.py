"""Forms with images are read, refused where they are wrong, and written for the provider."""

import pytest

from nagara.domain.errors import GatewayError
from nagara.operations.forms import (
    Form,
    FormLimits,
    Part,
    PartBegan,
    read_form,
    text_part,
    write_form,
)
from nagara.operations.image_forms import (
    measure_form,
    read_edit,
    read_variation,
    write_media_type,
    write_request,
)

PNG = b"\x89PNG\r\n\x1a\n..."
MODEL, PROMPT = text_part("model", "m"), text_part("prompt", "A cat")


def picture(name: str = "image", data: bytes = PNG) -> Part:
    return Part(PartBegan(name, "a.png", "image/png"), data)


def form_of(*parts: Part) -> Form:
    return read_form(b"multipart/form-data; boundary=b", write_form(parts, b"b"), FormLimits())


@pytest.mark.parametrize("name", ["image", "image[]", "images[]"])
@pytest.mark.parametrize(("count", "sent"), [(1, "image"), (3, "image[]")])
def test_images_are_sent_on_under_the_name_that_the_provider_has(
    name: str, count: int, sent: str
) -> None:
    view = read_edit(form_of(MODEL, PROMPT, *[picture(name)] * count, picture("mask")))
    body = write_request(view, "theirs", asks_usage=False)
    form = read_form(write_media_type(view), body, FormLimits())
    assert [part.data for part in form.files(sent)] == [PNG] * count
    assert len(form.parts) == 3 + count
    assert form.texts == {"model": "theirs", "prompt": "A cat"}
    assert measure_form(view).image_count == count + 1


def test_model_that_always_gives_base64_is_not_told_a_format() -> None:
    wanted = text_part("response_format", "url")
    view = read_edit(form_of(MODEL, PROMPT, picture(), wanted))
    for model, is_told in (("gpt-image-2", False), ("dall-e-2", True)):
        body = write_request(view, model, asks_usage=False)
        assert (b"response_format" in body) is is_told


def test_numbers_and_flags_are_read_and_each_image_is_held_for() -> None:
    parts = [text_part("n", "3"), text_part("stream", "True"), text_part("size", "64x64")]
    view = read_edit(form_of(MODEL, PROMPT, picture(), *parts))
    assert view.is_streamed
    assert measure_form(view).images_max == 3
    again = form_of(*parts, MODEL, PROMPT, picture())
    assert read_edit(again).identity != view.identity


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ((PROMPT, picture()), "model"),
        ((MODEL, picture()), "prompt"),
        ((MODEL, PROMPT), "image"),
        ((MODEL, PROMPT, *[picture("image[]")] * 17), "image"),
        ((MODEL, PROMPT, text_part("image", "x")), "image"),
        ((MODEL, PROMPT, picture(), picture("mask"), picture("mask")), "mask"),
        ((MODEL, PROMPT, picture(), picture("n")), "n"),
        ((MODEL, PROMPT, picture(), picture("mask", b"<svg/>")), "mask"),
        ((MODEL, PROMPT, picture(), text_part("n", "two")), "n"),
        ((MODEL, PROMPT, picture(), text_part("n", "0")), "n"),
        ((MODEL, PROMPT, picture(), text_part("stream", "1")), "stream"),
        ((MODEL, PROMPT, picture(), text_part("n[]", "9")), "n[]"),
        ((MODEL, PROMPT, picture(), text_part("output_format", "svg")), "output_format"),
    ],
)
def test_wrong_field_is_named(parts: tuple[Part, ...], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_edit(form_of(*parts))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_one_image_is_varied_without_a_prompt() -> None:
    assert read_variation(form_of(MODEL, picture())).model == "m"
    with pytest.raises(GatewayError):
        read_variation(form_of(MODEL, picture(), picture()))
