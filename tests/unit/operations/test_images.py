"""Requests for images are read, bounded and metered, whole and streamed."""

import json
from typing import Any

import pytest

from nagara.billing import BoundLimits, bound_charge, complete_images, price
from nagara.dialects.images.usage import read_usage
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.rates import RateCard
from nagara.domain.usage import QUANTITY_MAX, Meter, Usage
from nagara.operations.image_stream import ImageStream
from nagara.operations.images import measure, read_request, write_request

MODEL = Model(id="m", startup="s", display_name="M", output_tokens_max=10_000)
BY_TOKEN = RateCard(rates_pico={Meter.INPUT: 1_000, Meter.OUTPUT: 2_000})
BY_IMAGE = RateCard(rates_pico={Meter.IMAGES: 40_000_000_000})
LIMITS = BoundLimits()
DEMAND = Demand(text_bytes=0, images_max=2)
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 300,
    "total_tokens": 350,
}


def ask(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "A cat", **fields}).encode()


def bound(card: RateCard, **fields: Any) -> Any:
    return bound_charge(measure(read_request(ask(**fields))), MODEL, card, LIMITS)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"stream": 1}, "stream"),
        ({"partial_images": -1}, "partial_images"),
        ({"frame_count": "x"}, "frame_count"),
        ({"response_format": "svg"}, "response_format"),
        ({"output_format": "svg"}, "output_format"),
        ({"svg": {"model": "dear"}}, "output_format"),
        ({"width": "4096", "height": 64}, "width"),
        ({"width": 64, "height": 4096.0}, "height"),
        ({"batch_size": "4"}, "batch_size"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_request(ask(**fields))
    assert caught.value.param == param
    assert caught.value.status == 400


def test_unknown_fields_are_forwarded_and_the_model_is_the_deployments() -> None:
    view = read_request(ask(x_new=1.50, partial_images=0))
    sent = json.loads(write_request(view, "theirs", asks_usage=False))
    assert sent == {"model": "theirs", "prompt": "A cat", "x_new": 1.5, "partial_images": 0}


def test_hold_is_for_every_image_by_the_models_tokens_or_those_of_its_size() -> None:
    alone, three = bound(BY_TOKEN), bound(BY_TOKEN, n=3)
    assert three.needed_nano - alone.needed_nano == pytest.approx(2 * 10_000 * 2, rel=1e-3)
    small = bound(BY_TOKEN, size="256x256", quality="high")
    assert small.needed_nano < alone.needed_nano
    finest = bound(BY_TOKEN, size="256x256", quality="max")
    assert finest.needed_nano > small.needed_nano
    gif = bound(BY_TOKEN, output_format="gif")
    assert gif.needed_nano > 8 * alone.needed_nano


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "64x64", "width": 4096, "height": 4096},
        {"resolution": "512", "width": 4096, "height": 4096},
        {"size": "64x64", "resolution": "4k"},
        {"image_size": "4096x4096", "size": "1024x1024"},
    ],
)
def test_largest_of_the_sizes_that_are_asked_for_counts(fields: dict[str, Any]) -> None:
    by_pixel = RateCard(rates_pico={Meter.PIXELS: 1000})
    demand = measure(read_request(ask(**fields)))
    assert bound(by_pixel, **fields).needed_nano == 4096 * 4096
    usage = complete_images(Usage({Meter.IMAGES: 1}), by_pixel, demand, 0)
    assert price(usage, by_pixel).amount_nano == 4096 * 4096


def test_tokens_are_bounded_by_the_largest_size_too() -> None:
    small = bound(BY_TOKEN, size="64x64", quality="low").needed_nano
    large = bound(BY_TOKEN, size="64x64", quality="low", resolution="4K").needed_nano
    assert large > 5 * small


@pytest.mark.parametrize("name", ["batch_size", "num_images", "samples"])
def test_other_words_for_how_many_are_held_for(name: str) -> None:
    assert bound(BY_IMAGE, **{name: 4}).needed_nano == bound(BY_IMAGE, n=4).needed_nano


def test_price_by_image_is_held_for_each_and_needs_no_price_of_tokens() -> None:
    estimate = bound(BY_IMAGE, n=2)
    assert estimate.unpriced == ()
    assert estimate.needed_nano == 2 * 40_000_000
    # No cap makes it less.
    assert estimate.output_tokens_max == 0


def test_images_without_any_price_are_not_drawn_for_free() -> None:
    assert bound(RateCard(rates_pico={Meter.INPUT: 1})).unpriced == (Meter.IMAGES,)


def test_hold_covers_the_charge_by_either_price() -> None:
    body = json.dumps({"data": [{"b64_json": "x"}] * 2, "usage": USAGE}).encode()
    usage = read_usage(body)
    assert usage is not None
    for card in (BY_TOKEN, BY_IMAGE):
        charge = price(usage, card)
        assert 0 < charge.amount_nano <= bound(card, n=2).needed_nano
        assert charge.unpriced == ()


def test_usage_is_taken_apart_into_text_and_images() -> None:
    details = {"image_tokens": 200, "text_tokens": 100}
    body = json.dumps({"data": [{}], "usage": {**USAGE, "output_tokens_details": details}})
    usage = read_usage(body.encode())
    assert usage is not None
    assert usage.quantities == {
        Meter.INPUT: 10,
        Meter.INPUT_IMAGE: 40,
        Meter.OUTPUT: 100,
        Meter.OUTPUT_IMAGE: 200,
        Meter.IMAGES: 1,
    }


@pytest.mark.parametrize("reported", [{}, {"output_tokens": QUANTITY_MAX + 1}])
def test_images_that_nobody_counted_tokens_for_are_never_free(reported: dict[str, int]) -> None:
    usage = read_usage(json.dumps({"data": [{}, {}], "usage": reported}).encode())
    assert usage is not None
    assert usage.quantities == {Meter.IMAGES: 2}
    by_token = complete_images(usage, BY_TOKEN, DEMAND, 7)
    assert by_token.is_estimated
    assert price(by_token, BY_TOKEN).amount_nano > 0
    assert complete_images(usage, BY_IMAGE, DEMAND, 7).quantities == usage.quantities


def test_answer_without_images_has_no_usage_and_what_is_no_json_is_an_error() -> None:
    assert read_usage(b'{"created": 1, "data": []}') is None
    with pytest.raises(GatewayError) as caught:
        read_usage(b"{")
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


@pytest.mark.parametrize("answer", [{"images": [{"url": "https://x"}]}, {"data": {"url": "x"}}])
def test_answer_whose_images_cannot_be_counted_is_not_handed_on(answer: dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as caught:
        read_usage(json.dumps(answer).encode())
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


ODD = [{"usage": {"input_tokens": 1.5}}, {"usage": [1]}, {"quality": 5}, {"size": [64, 64]}]


@pytest.mark.parametrize("said", ODD)
def test_images_are_counted_however_odd_the_rest_of_an_answer_is(said: dict[str, Any]) -> None:
    body = json.dumps({"data": [{"b64_json": "eA=="}] * 4, **said}).encode()
    usage = read_usage(body)
    assert usage is not None
    assert usage.quantities == {Meter.IMAGES: 4}
    stream = ImageStream(10_000, None)
    stream.feed(body)
    assert stream.close().count(b"\n\n") == 4
    assert stream.usage == usage
    stream = ImageStream(10_000, None)
    stream.feed(event("image_generation.completed", b64_json="eA==", **said))
    stream.close()
    assert stream.usage is not None
    assert stream.usage.quantities == {Meter.IMAGES: 1}


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


DRAFT = event("image_generation.partial_image", b64_json="eA==", partial_image_index=0)
DONE = event("image_generation.completed", b64_json="eA==", usage=USAGE, model="theirs")


def test_stream_passes_and_is_metered_image_by_image() -> None:
    stream = ImageStream(10_000, None)
    assert stream.feed(DRAFT) == DRAFT
    assert stream.usage == Usage({Meter.IMAGES: 1})
    assert not stream.is_complete
    assert stream.feed(DONE + DRAFT) == DONE + DRAFT
    assert stream.usage is not None
    assert stream.usage.quantities[Meter.IMAGES] == 2
    stream.feed(DONE)
    assert stream.usage.quantities[Meter.OUTPUT_IMAGE] == 600
    assert stream.close() == b""


def test_stream_that_ends_after_a_draft_is_cut_and_its_error_is_one_that_sdks_raise() -> None:
    stream = ImageStream(10_000, "mine")
    stream.feed(DRAFT)
    with pytest.raises(GatewayError) as caught:
        stream.close()
    said = stream.fail(caught.value, "r")
    assert said.startswith(b"event: error\n")
    assert json.loads(said.partition(b"data: ")[2])["error"]["message"]


def test_streams_model_is_the_callers_and_an_error_event_is_a_failure() -> None:
    stream = ImageStream(10_000, "mine")
    assert b'"model":"mine"' in stream.feed(DONE)
    stream = ImageStream(10_000, None)
    stream.feed(event("error", error={"message": "no"}))
    assert stream.has_failed


def test_whole_answer_to_who_asked_for_a_stream_is_told_as_finished_images() -> None:
    body = json.dumps({"data": [{"b64_json": "eA=="}, {"b64_json": "eQ=="}], "usage": USAGE})
    stream = ImageStream(10_000, None)
    assert stream.feed(body[:50].encode()) == b""
    stream.feed(body[50:].encode())
    events = stream.close().split(b"\n\n")[:-1]
    said = [json.loads(event.partition(b"data: ")[2]) for event in events]
    assert [x["b64_json"] for x in said] == ["eA==", "eQ=="]
    assert {x["type"] for x in said} == {"image_generation.completed"}
    assert stream.usage is not None
    assert stream.usage.quantities[Meter.IMAGES] == 2
    assert stream.usage.quantities[Meter.OUTPUT_IMAGE] == 300
    with pytest.raises(GatewayError):
        ImageStream(10_000, None).close()
