"""xAI's images: OpenAI's words, shapes and two classes of resolution in place of sizes, no forms.

Sources: https://docs.x.ai/developers/model-capabilities/images/generation
https://github.com/vercel/ai/blob/main/packages/xai/src/xai-image-model.ts
"""

from nagara.dialects.exchange import Aim, cannot_be_given
from nagara.dialects.images.openai import read_drawn
from nagara.dialects.images.pictures import refer_to, refuse_overlays
from nagara.dialects.images.request import Drawn, ImageRequest, take_known
from nagara.dialects.images.sizes import find_shape
from nagara.dialects.json_fields import Fields, encode_raw, write_fields

KNOWN: frozenset[str] = frozenset({"aspect_ratio", "quality", "resolution", "response_format"})
COUNT_MAX = 10
IMAGES_MAX = 3


def encode_call(request: ImageRequest, count: int, aim: Aim) -> tuple[bytes, list[str]]:
    """The caller's words; one picture is `image`, several are `images`."""
    refuse_overlays(request.mask, request.markup, aim)
    if len(request.images) > IMAGES_MAX:
        raise cannot_be_given(aim, f"more than {IMAGES_MAX} images", "image")
    fields = take_known(request, KNOWN)
    fields |= {"model": encode_raw(aim.model), "n": encode_raw(count)}
    shaped, partly = _encode_size(request, aim)
    # What the caller says in the provider's own words is what is meant.
    fields = shaped | fields
    pictures = [
        {"type": "image_url", "url": refer_to(picture, aim.seed)} for picture in request.images
    ]
    if len(pictures) == 1:
        fields["image"] = encode_raw(pictures[0])
    elif pictures:
        fields["images"] = encode_raw(pictures)
    return write_fields(fields), partly


def _encode_size(request: ImageRequest, aim: Aim) -> tuple[Fields, list[str]]:
    if request.size == "auto":
        return {}, []
    shape = None if request.pixels is None else find_shape(*request.pixels)
    if shape is None or shape.resolution == "4K" or shape.ratio in ("4:5", "5:4", "21:9"):
        raise cannot_be_given(aim, f"the size {request.size!r}", "size")
    fields: Fields = {"aspect_ratio": encode_raw(shape.ratio)}
    if shape.resolution != "1K":
        fields["resolution"] = encode_raw(shape.resolution.lower())
    return fields, ["size"] if shape.is_smaller else []


def decode_call(body: bytes, aim: Aim) -> Drawn:  # noqa: ARG001 - every format's signature
    """The pictures."""
    return read_drawn(body)
