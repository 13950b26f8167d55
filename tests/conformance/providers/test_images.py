"""Every provider that has images makes them, of a prompt and of pictures, as its file says."""

import base64
import io
from typing import Any

import openai
import pytest
from tests.conformance.providers.conftest import REMOTE, THEIR_PAINTER, Stage
from tests.conformance.providers.drawing import DRAWN_TOKENS, INPUT_TOKENS, PNG, PROMPT, Order
from tests.conformance.providers.test_providers import check_credential, check_path
from tests.conformance.providers.upstream import Scene
from tests.conformance.providers.wires import SAID

from nagara.domain.catalog import Operation, Provider

DRAWING = [p for p in REMOTE if Operation.IMAGES in p.paths]
EDITING = [p for p in REMOTE if Operation.IMAGE_EDITS in p.paths]
drawing = pytest.mark.parametrize("provider", DRAWING, ids=lambda p: p.name)
editing = pytest.mark.parametrize("provider", EDITING, ids=lambda p: p.name)


def open_client(stage: Stage) -> openai.OpenAI:
    gateway = stage.gateway
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)


def check_picture(item: Any, pictures: int) -> None:
    """It came whole, and shows how many pictures were seen."""
    assert base64.b64decode(item.b64_json) == PNG + b"x" * pictures


def check_order(stage: Stage, provider: Provider, operation: Operation) -> Order:
    asked = stage.upstream.asked[0]
    check_path(asked, provider, operation, False, THEIR_PAINTER)
    check_credential(asked, provider, stage.gateway.key)
    order = Order(asked)
    assert order.prompt == PROMPT
    if operation in provider.forms and Operation.GENERATE_CONTENT in provider.paths:
        return order
    assert order.body["model"] == THEIR_PAINTER
    return order


@drawing
def test_images_are_drawn_and_metered(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    with open_client(stage) as client:
        raw = client.images.with_raw_response.generate(
            model=f"draw-{provider.name}", prompt=PROMPT, n=2, size="1024x1024"
        )
    answer = raw.parse()
    check_order(stage, provider, Operation.IMAGES)
    assert answer.data is not None
    assert len(answer.data) == 2
    for item in answer.data:
        check_picture(item, 0)
    calls = len(stage.upstream.asked)
    assert answer.usage is not None
    assert answer.usage.input_tokens == calls * INPUT_TOKENS
    assert answer.usage.output_tokens == calls * DRAWN_TOKENS
    assert raw.headers["x-nagara-provider"] == provider.name
    # A dollar for each image that was drawn, however many calls it took.
    assert raw.headers["x-nagara-cost"] == "2.00"


@editing
def test_pictures_of_a_form_reach_whoever_edits(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    # Not a multiple of three bytes, and more than one piece of what is sent.
    picture = PNG + b"\x00\xff" * 70_000 + b"."
    with open_client(stage) as client:
        answer = client.images.edit(
            model=f"draw-{provider.name}", prompt=PROMPT, image=io.BytesIO(picture)
        )
    order = check_order(stage, provider, Operation.IMAGE_EDITS)
    assert order.pictures == [picture]
    assert order.is_form is (Operation.IMAGE_EDITS not in provider.forms)
    assert answer.data is not None
    check_picture(answer.data[0], 1)


@editing
def test_pictures_in_json_reach_whoever_takes_no_forms(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    url = "data:image/png;base64," + base64.b64encode(PNG + b"....").decode()
    body = {"model": f"draw-{provider.name}", "prompt": PROMPT, "images": [{"image_url": url}]}
    with open_client(stage) as client:
        client.post("/images/edits", body=body, cast_to=object)
    order = check_order(stage, provider, Operation.IMAGE_EDITS)
    if Operation.IMAGE_EDITS in provider.forms:
        assert order.pictures == [PNG + b"...."]
    else:
        assert order.body["images"] == body["images"]


@drawing
def test_who_wants_a_stream_is_told_finished_images(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    with open_client(stage) as client:
        stream = client.images.generate(model=f"draw-{provider.name}", prompt=PROMPT, stream=True)
        (event,) = list(stream)
    assert event.type == "image_generation.completed"
    check_picture(event, 0)
    assert event.usage.output_tokens == DRAWN_TOKENS


@drawing
def test_refusal_of_images_is_the_callers(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.REFUSES)
    with open_client(stage) as client, pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=f"draw-{provider.name}", prompt=PROMPT)
    assert SAID in caught.value.message
