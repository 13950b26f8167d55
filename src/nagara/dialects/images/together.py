"""Together's images: OpenAI's words but for the size, which is two numbers, and base64's name.

One picture may go in, by its address, to the same endpoint that makes them of nothing.

Sources: https://docs.together.ai/reference/post-images-generations
https://github.com/vercel/ai/blob/main/packages/togetherai/src/togetherai-image-model.ts
"""

from nagara.dialects.exchange import Aim, cannot_be_given
from nagara.dialects.images.openai import read_drawn
from nagara.dialects.images.pictures import refer_to, refuse_overlays
from nagara.dialects.images.request import Drawn, ImageRequest, take_known
from nagara.dialects.json_fields import encode_raw, write_fields
from nagara.dialects.measuring import read_text
from nagara.dialects.request_fields import wrong_field

KNOWN: frozenset[str] = frozenset(
    {
        "disable_safety_checker", "guidance_scale", "height", "image_loras", "negative_prompt",
        "output_format", "seed", "steps", "width",
    }
)  # fmt: skip
COUNT_MAX = 4


def encode_call(request: ImageRequest, count: int, aim: Aim) -> tuple[bytes, list[str]]:
    """The caller's words."""
    refuse_overlays(request.mask, request.markup, aim)
    if len(request.images) > 1:
        raise cannot_be_given(aim, "more than one image", "image")
    fields = take_known(request, KNOWN)
    fields |= {"model": encode_raw(aim.model), "n": encode_raw(count)}
    if request.pixels is not None:
        width, height = request.pixels
        fields |= {"width": encode_raw(width), "height": encode_raw(height)}
    elif request.size != "auto":
        raise cannot_be_given(aim, f"the size {request.size!r}", "size")
    if ("width" in fields) != ("height" in fields):
        # How large it is then only the provider knows, and pictures are sold by the pixel.
        lacking = "height" if "width" in fields else "width"
        raise wrong_field(lacking, "is missing: a picture has a width and a height.")
    # Links of the provider's own are what it gives unless it is asked for the other.
    if read_text(request.fields, "response_format") != "url":
        fields["response_format"] = encode_raw("base64")
    for picture in request.images:
        fields["image_url"] = encode_raw(refer_to(picture, aim.seed))
    return write_fields(fields), []


def decode_call(body: bytes, aim: Aim) -> Drawn:  # noqa: ARG001 - every format's signature
    """The pictures."""
    return read_drawn(body)
