"""OpenRouter's images: OpenAI's words in one JSON body, in which an edit's pictures are references.

It takes pixels, which it turns into what each model has. Models without streaming answer whole, and
its events are not documented, so a stream is made here of the whole answer.

Source: https://github.com/OpenRouterTeam/typescript-sdk/blob/main/src/models/imagegenerationrequest.ts
"""

from nagara.dialects.exchange import Aim
from nagara.dialects.images.openai import read_drawn
from nagara.dialects.images.pictures import refer_to, refuse_overlays
from nagara.dialects.images.request import Drawn, ImageRequest, take_known
from nagara.dialects.json_fields import encode_raw, write_fields

KNOWN: frozenset[str] = frozenset(
    {
        "aspect_ratio", "background", "output_compression", "output_format", "provider", "quality",
        "resolution", "seed",
    }
)  # fmt: skip
COUNT_MAX = 10


def encode_call(request: ImageRequest, count: int, aim: Aim) -> tuple[bytes, list[str]]:
    """The caller's words, with the pictures beside them."""
    refuse_overlays(request.mask, request.markup, aim)
    fields = take_known(request, KNOWN)
    fields |= {"model": encode_raw(aim.model), "n": encode_raw(count)}
    if request.size != "auto":
        fields["size"] = encode_raw(request.size)
    if request.images:
        fields["input_references"] = encode_raw(
            [
                {"type": "image_url", "image_url": {"url": refer_to(picture, aim.seed)}}
                for picture in request.images
            ]
        )
    return write_fields(fields), []


def decode_call(body: bytes, aim: Aim) -> Drawn:  # noqa: ARG001 - every format's signature
    """The pictures."""
    return read_drawn(body)
