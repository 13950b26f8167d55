"""Images at providers that do not speak OpenAI's format: what they are sent, what comes back."""

import base64
import json
from typing import Any

import pytest

from nagara.dialects.exchange import Aim, Exchange
from nagara.dialects.images import Form, open_exchange
from nagara.dialects.images.pictures import Picture, PicturesView, name_place
from nagara.dialects.images.sizes import Shape, find_shape
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.operations.images import read_request

SEED = "0123456789abcdef"
DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
HERE = Picture(url=f"data:image/png;base64,{DATA}", media_type="image/png")
FILE = Picture(file=3, media_type="image/webp")
AWAY = Picture(url="https://pictures.example/a.png")


def exchange(form: Form, *images: Picture, mask: Picture | None = None, **fields: Any) -> Exchange:
    body = {"model": "ours", "prompt": "A cat", **fields}
    view = read_request(json.dumps(body).encode())
    if images:
        view = PicturesView(
            fields=view.fields, model=view.model, is_streamed=view.is_streamed,
            choice_count=view.choice_count, images=images, mask=mask,
        )  # fmt: skip
    aim = Aim(
        provider="Theirs", model="theirs", caller_model="ours", seed=SEED, form=form, now_s=1234
    )
    return open_exchange(view, aim)


def sent(form: Form, *images: Picture, **fields: Any) -> Any:
    (body,) = exchange(form, *images, **fields).bodies
    return json.loads(body)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1024, 1024), Shape("1:1", "1K", False)),
        ((1536, 1024), Shape("3:2", "1K", False)),
        ((1024, 1536), Shape("2:3", "1K", False)),
        ((1792, 1024), Shape("16:9", "1K", False)),
        ((2048, 2048), Shape("1:1", "2K", False)),
        ((3840, 2160), Shape("16:9", "4K", False)),
        ((512, 512), Shape("1:1", "1K", True)),
        # Google's own numbers for its own names.
        ((896, 1152), Shape("4:5", "1K", False)),
        ((864, 1184), Shape("3:4", "1K", False)),
        ((1536, 672), Shape("21:9", "1K", False)),
        ((1000, 100), None),
        ((1, 99999), None),
    ],
)
def test_size_has_an_equivalent_where_a_shape_is_near(
    size: tuple[int, int], shape: Shape | None
) -> None:
    assert find_shape(*size) == shape


def test_gemini_is_asked_for_an_image_alone() -> None:
    assert sent(Form.GOOGLE, HERE, FILE, size="2048x2048", seed=7) == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": DATA}},
                    {"inlineData": {"mimeType": "image/webp", "data": name_place(SEED, 3)}},
                    {"text": "A cat"},
                ],
            }
        ],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"},
            "seed": 7,
        },
    }
    assert "imageConfig" not in sent(Form.GOOGLE)["generationConfig"]


def test_several_images_are_several_calls_where_one_gives_one() -> None:
    asked = exchange(Form.GOOGLE, n=3)
    assert len(asked.bodies) == 3
    read = asked.read([gemini_answer(), gemini_answer(), gemini_answer(image=None, said="No.")])
    answer = json.loads(read.body)
    assert [item["b64_json"] for item in answer["data"]] == [DATA, DATA]
    assert answer["created"] == 1234
    assert answer["output_format"] == "png"
    assert read.usage is not None
    assert read.usage.quantities == {
        Meter.INPUT: 9, Meter.INPUT_IMAGE: 6, Meter.OUTPUT: 3, Meter.REASONING: 15,
        Meter.OUTPUT_IMAGE: 3_360, Meter.IMAGES: 2,
    }  # fmt: skip
    assert answer["usage"]["output_tokens_details"] == {"text_tokens": 18, "image_tokens": 3_360}
    assert [json.loads(b)["n"] for b in exchange(Form.OPENROUTER, n=12).bodies] == [10, 2]


def gemini_answer(image: str | None = DATA, said: str = "", **more: Any) -> bytes:
    parts: list[Any] = [{"text": "Hm.", "thought": True}]
    parts += [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}]
    parts += [{"text": said}] if said else []
    parts += [{"inlineData": {"mimeType": "image/png", "data": image}}] if image else []
    usage = {
        "promptTokenCount": 5, "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}],
        "candidatesTokenCount": 1121, "thoughtsTokenCount": 5,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    }  # fmt: skip
    candidate = {"content": {"parts": parts}, "finishReason": "STOP"}
    return json.dumps({"candidates": [candidate], "usageMetadata": usage, **more}).encode()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            b'{"candidates": [{"content": {"parts": [{"text": "I draw no people."}]}}]}',
            ErrorKind.INVALID_REQUEST,
            "I draw no people.",
        ),
        (gemini_answer(None), ErrorKind.UPSTREAM_PROTOCOL, "no image"),
        (
            b'{"candidates": [{"finishReason": "IMAGE_SAFETY"}]}',
            ErrorKind.INVALID_REQUEST,
            "IMAGE_SAFETY",
        ),
        (b'{"promptFeedback": {"blockReason": "OTHER"}}', ErrorKind.INVALID_REQUEST, "OTHER"),
        (b"[]", ErrorKind.UPSTREAM_PROTOCOL, "cannot be read"),
        (b"\xff", ErrorKind.UPSTREAM_PROTOCOL, "cannot be read"),
    ],
)
def test_answer_without_an_image_is_an_error_that_says_why(
    answer: bytes, kind: ErrorKind, said: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        exchange(Form.GOOGLE).read([answer])
    assert caught.value.kind is kind
    assert said in caught.value.message


def test_words_in_place_of_an_image_are_told_with_what_they_used() -> None:
    told = exchange(Form.GOOGLE).read([gemini_answer(None, "Paris.")])
    assert told.refusal is not None
    assert "Paris." in told.refusal.message
    assert told.usage is not None
    assert told.usage.quantities[Meter.OUTPUT_IMAGE] == 1120
    assert Meter.IMAGES not in told.usage.quantities


def test_refused_one_of_several_is_charged_as_far_as_its_provider_counts() -> None:
    refused = json.dumps(
        {
            "candidates": [{"finishReason": "IMAGE_SAFETY"}],
            "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
        }
    ).encode()
    told = exchange(Form.GOOGLE, n=2).read([refused, gemini_answer()])
    assert told.refusal is None
    assert len(json.loads(told.body)["data"]) == 1
    assert told.usage is not None
    assert told.usage.input_tokens == 10
    alone = exchange(Form.GOOGLE).read([refused])
    assert alone.refusal is not None
    assert alone.refusal.code == "content_policy_violation"
    assert alone.usage is not None
    assert alone.usage.quantities == {Meter.INPUT: 5}


def test_openrouter_is_shown_pictures_as_references() -> None:
    body = sent(Form.OPENROUTER, FILE, AWAY, size="1536x864", quality="high", n=2)
    place = f"data:image/webp;base64,{name_place(SEED, 3)}"
    assert body == {
        "model": "theirs", "prompt": "A cat", "n": 2, "size": "1536x864", "quality": "high",
        "input_references": [
            {"type": "image_url", "image_url": {"url": place}},
            {"type": "image_url", "image_url": {"url": AWAY.url}},
        ],
    }  # fmt: skip


def test_openrouters_usage_is_told_in_openais_words() -> None:
    usage = {
        "prompt_tokens": 10, "completion_tokens": 1130,
        "completion_tokens_details": {"image_tokens": 1120, "reasoning_tokens": 6},
    }  # fmt: skip
    body = json.dumps({"created": 0, "data": [{"b64_json": DATA}], "usage": usage}).encode()
    read = exchange(Form.OPENROUTER).read([body])
    assert read.usage is not None
    assert read.usage.quantities == {
        Meter.INPUT: 10, Meter.OUTPUT_IMAGE: 1120, Meter.REASONING: 6, Meter.OUTPUT: 4,
        Meter.IMAGES: 1,
    }  # fmt: skip
    assert json.loads(read.body)["usage"]["total_tokens"] == 1140


def test_xai_has_shapes_and_one_picture_or_several() -> None:
    assert sent(Form.XAI, HERE, size="1536x1024", response_format="b64_json") == {
        "model": "theirs", "prompt": "A cat", "n": 1, "aspect_ratio": "3:2",
        "response_format": "b64_json", "image": {"type": "image_url", "url": HERE.url},
    }  # fmt: skip
    several = sent(Form.XAI, HERE, AWAY, size="2048x2048")
    assert several["resolution"] == "2k"
    assert [x["url"] for x in several["images"]] == [HERE.url, AWAY.url]


def test_together_has_numbers_for_a_size_and_another_name_for_base64() -> None:
    assert sent(Form.TOGETHER, HERE, size="1024x768", steps=4) == {
        "model": "theirs", "prompt": "A cat", "n": 1, "width": 1024, "height": 768, "steps": 4,
        "response_format": "base64", "image_url": HERE.url,
    }  # fmt: skip
    assert "response_format" not in sent(Form.TOGETHER, response_format="url")


@pytest.mark.parametrize(
    ("form", "images", "fields", "param"),
    [
        (Form.GOOGLE, [], {"size": "1000x100"}, "size"),
        (Form.GOOGLE, [], {"size": "huge"}, "size"),
        (Form.GOOGLE_1K, [], {"size": "2048x2048"}, "size"),
        (Form.GOOGLE, [AWAY], {}, "images"),
        (Form.GOOGLE, [HERE], {"mask": HERE}, "mask"),
        (Form.OPENROUTER, [HERE], {"mask": HERE}, "mask"),
        (Form.XAI, [HERE] * 4, {}, "image"),
        (Form.XAI, [], {"size": "3840x2160"}, "size"),
        (Form.TOGETHER, [HERE] * 2, {}, "image"),
        (Form.TOGETHER, [], {"size": "huge"}, "size"),
    ],
)
def test_what_would_be_another_picture_is_refused(
    form: Form, images: list[Picture], fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        exchange(form, *images, **fields)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, param)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (Form.GOOGLE, "image_size"), (Form.GOOGLE, "resolution"), (Form.TOGETHER, "resolution"),
        (Form.TOGETHER, "image_size"), (Form.XAI, "image_size"), (Form.OPENROUTER, "image_size"),
    ],
)  # fmt: skip
def test_size_in_a_word_that_the_provider_lacks_is_refused(form: Form, field: str) -> None:
    fields: dict[str, Any] = {field: "512"}
    with pytest.raises(GatewayError) as caught:
        exchange(form, **fields)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, field)


def test_half_a_size_is_refused_where_it_would_be_completed() -> None:
    with pytest.raises(GatewayError) as caught:
        exchange(Form.TOGETHER, width=4096)
    assert caught.value.param == "height"


def test_item_without_a_picture_is_none() -> None:
    answer = json.dumps({"data": [{"b64_json": DATA}, {"url": ""}]}).encode()
    translated = exchange(Form.XAI).read([answer])
    assert len(json.loads(translated.body)["data"]) == 1
    assert translated.usage is not None
    assert translated.usage.quantities[Meter.IMAGES] == 1


@pytest.mark.parametrize(
    ("form", "fields", "dropped"),
    [
        (Form.GOOGLE, {"size": "512x512"}, {"size"}),
        (Form.GOOGLE, {"quality": "high", "user": "u"}, {"quality", "user"}),
        (Form.OPENROUTER, {"quality": "high", "user": "u"}, {"user"}),
        (Form.GOOGLE, {"stream": True, "partial_images": 2}, {"partial_images"}),
        (Form.GOOGLE, {"response_format": "b64_json", "quality": None}, set()),
    ],
)
def test_what_only_tunes_the_picture_is_named(
    form: Form, fields: dict[str, Any], dropped: set[str]
) -> None:
    assert set(exchange(form, **fields).dropped) == dropped
