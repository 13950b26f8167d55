"""The endpoint that makes images of a prompt. OpenAI's, passed through or exchanged.

What is held is for each image that is asked for: by its number where a model is priced by the
image, and by the tokens that it may take where it is priced by those. No cap lowers either, so a
call that cannot be paid is refused and not made smaller.

Source: https://platform.openai.com/docs/api-reference/images/create
"""

import re

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.images import open_exchange
from nagara.dialects.images.usage import read_usage
from nagara.dialects.json_fields import NULL, Fields, encode_raw, read_fields, write_fields
from nagara.dialects.measuring import count_bytes, read_text
from nagara.dialects.openai_error import encode_error
from nagara.dialects.request_fields import (
    read_count,
    read_flag,
    read_model,
    require_kind,
    wrong_field,
)
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.sizes import count_pixels
from nagara.domain.usage import INPUT_METERS, OUTPUT_METERS, Meter
from nagara.operations.endpoint import Endpoint
from nagara.operations.image_links import find_dropped, find_format, plan_links
from nagara.operations.image_stream import forward_stream, tell_images

NONE = (NULL, msgspec.Raw(b"0"))
METERS = INPUT_METERS | OUTPUT_METERS | {Meter.IMAGES, Meter.PIXELS}
FRAMES = 9
"""Of an animated picture, where the request does not say how many."""
DRAFT_TOKENS = 100
"""What each unfinished image of a stream takes beside the finished one.
https://platform.openai.com/docs/guides/image-generation#partial-images-cost"""
PIXELS_PER_TOKEN = 64
"""No image takes more tokens than one for so many pixels, in the qualities of `_USUAL`: OpenAI's
take about one for 150 in high quality."""
TOKENS_BESIDE = 1024

COUNTS = ("batch_size", "num_images", "num_outputs", "number_of_images", "samples")
"""What servers that are like OpenAI's call `n`: it is sent on to them, so it is held for."""
SIDES = ("width", "height")

_USUAL = frozenset({"low", "medium", "high"})
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
# They refuse to be told, and always give base64:
# https://platform.openai.com/docs/api-reference/images/create#images_create-response_format
ALWAYS_BASE64 = re.compile(r"(?:.*/)?(?:chat)?gpt-image-")


def read_request(body: bytes) -> RequestView:
    """The view of a request for images. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    read_prompt(fields)
    check_options(fields)
    return RequestView(
        fields=fields,
        model=model,
        is_streamed=read_flag(fields, "stream"),
        choice_count=read_count(fields, "n"),
    )


def read_prompt(fields: Fields) -> None:
    """Refuse a request that does not say what is to be drawn. Raises `GatewayError`."""
    require_kind(fields, "prompt", "string")
    if read_text(fields, "prompt") == "":
        raise wrong_field("prompt", "must not be empty.")


def check_options(fields: Fields) -> None:
    """Refuse what cannot be read, or cannot be held for. Raises `GatewayError`."""
    if fields.get("response_format", NULL) != NULL and find_format(fields) is None:
        raise wrong_field("response_format", "must be 'url' or 'b64_json'.")
    for name in ("frame_count", *COUNTS):
        read_count(fields, name)
    for name in SIDES:
        if fields.get(name, NULL) != NULL and read_side(fields, name) is None:
            raise wrong_field(name, "must be a whole number of pixels.")
    read_drafts(fields)
    if fields.get("svg", NULL) != NULL or read_text(fields, "output_format") == "svg":
        # https://platform.openai.com/docs/api-reference/images/create#images_create-svg
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            "SVG is written by a second model with a price of its own, which is not held for "
            "here. Ask for 'png', 'jpeg' or 'webp' as output_format.",
            param="output_format",
        )


def read_drafts(fields: Fields) -> int:
    """How many unfinished images a stream may have of each."""
    return 0 if fields.get("partial_images", NULL) in NONE else read_count(fields, "partial_images")


def measure(view: RequestView) -> Demand:
    """Every image, at the most that its size takes."""
    fields = view.fields
    quality = read_text(fields, "quality")
    frames = 1
    if read_text(fields, "output_format") == "gif":
        has_count = fields.get("frame_count", NULL) != NULL
        frames = read_count(fields, "frame_count") if has_count else FRAMES
    return Demand(
        text_bytes=count_bytes(fields),
        output_tokens_max=0,
        images_max=max(view.choice_count, *(read_count(fields, x) for x in COUNTS)) * frames,
        image_tokens_max=bound_tokens(fields),
        image_size=read_asked_size(fields),
        image_quality=None if quality in (None, "auto") else quality,
    )


def read_asked_size(fields: Fields) -> str | None:
    """The size that is asked for, in pixels or as a class; None where the model chooses.

    Of several the largest: which of its words a provider heeds is its own affair.
    """
    said = [read_text(fields, name) for name in ("size", "resolution", "image_size")]
    sides = [read_side(fields, name) for name in SIDES]
    if all(sides):
        said.append(f"{sides[0]}x{sides[1]}")
    sizes = {size: pixels for size in said if size and (pixels := count_pixels(size))}
    return max(sizes, key=sizes.__getitem__, default=None)


def read_side(fields: Fields, name: str) -> int | None:
    """A number of pixels; None for anything else."""
    raw = bytes(fields.get(name, b""))
    return int(raw) if re.fullmatch(rb"[1-9]\d{0,4}", raw) else None


def bound_tokens(fields: Fields) -> int | None:
    """The most tokens that an image of that size can take; None where that is the model's to say.

    In the qualities above the usual ones a provider documents nothing.
    """
    size = _SIZE.fullmatch(read_text(fields, "size") or "")
    if size is None or read_text(fields, "quality") not in _USUAL:
        return None
    pixels = count_pixels(read_asked_size(fields) or size[0]) or 0
    return pixels // PIXELS_PER_TOKEN + TOKENS_BESIDE + read_drafts(fields) * DRAFT_TOKENS


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage comes where there is any
    """The caller's body with the deployment's model, which may refuse a `response_format`."""
    fields = view.fields | {"model": encode_raw(model)}
    if ALWAYS_BASE64.match(model):
        fields.pop("response_format", None)
    return write_fields(fields)


IMAGE_ENDPOINTS = (
    Endpoint(
        operation=Operation.IMAGES,
        path="/v1/images/generations",
        meters=METERS,
        read_request=read_request,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure,
        forward_stream=forward_stream,
        tell_whole=tell_images,
        find_dropped=find_dropped,
        plan_links=plan_links,
        open_exchange=open_exchange,
        passes_usual_form=True,
    ),
)
