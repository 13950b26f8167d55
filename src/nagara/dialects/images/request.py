"""A request for images as the wire formats read it, and what comes back of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim
from nagara.dialects.images.pictures import Picture, PicturesView
from nagara.dialects.json_fields import NULL, Fields
from nagara.dialects.measuring import read_text
from nagara.domain.errors import GatewayError
from nagara.domain.sizes import read_size
from nagara.domain.usage import Usage

NAMED = frozenset({"model", "prompt", "n", "size", "stream", "partial_images", "response_format"})
"""What is read here, whatever the provider has a word for."""

SIZE_WORDS = frozenset({"width", "height", "resolution", "image_size"})
"""What else says how large a picture is. Its price follows, so it is never left out unsaid."""


class ImageRequest(msgspec.Struct, frozen=True):
    """What is asked for. `pixels` is None where the size is left to the model."""

    prompt: str
    count: int
    size: str
    pixels: tuple[int, int] | None
    fields: Fields
    images: tuple[Picture, ...] = ()
    mask: Picture | None = None
    markup: Picture | None = None
    is_streamed: bool = False


class Drawn(msgspec.Struct, frozen=True):
    """What one call gave: an item of the caller's answer for each image, and what it used.

    `said` is what the model wrote in place of a picture, or beside it; `refusal` why there is none,
    if the provider says that.
    """

    items: Sequence[Mapping[str, str]]
    usage: Usage | None
    media_type: str | None = None
    said: str = ""
    refusal: GatewayError | None = None


class Wire(Protocol):
    """One wire format, as a module that has these names.

    `KNOWN` are the fields beside `NAMED` that it has a place for, and `COUNT_MAX` how many images
    one call may ask for.
    """

    KNOWN: frozenset[str]
    COUNT_MAX: int

    def encode_call(self, request: ImageRequest, count: int, aim: Aim) -> tuple[bytes, list[str]]:
        """The body of one call for so many images, and the fields that it fulfils in part.

        Raises `GatewayError` for what the provider cannot be given.
        """

    def decode_call(self, body: bytes, aim: Aim) -> Drawn:
        """What a call gave. Raises `GatewayError`."""


def decode_request(view: RequestView) -> ImageRequest:
    """All of a request."""
    fields = view.fields
    size = read_text(fields, "size") or "auto"
    request = ImageRequest(
        read_text(fields, "prompt") or "", view.choice_count, size, read_size(size), fields,
        is_streamed=view.is_streamed,
    )  # fmt: skip
    if isinstance(view, PicturesView):
        request = msgspec.structs.replace(
            request, images=view.images, mask=view.mask, markup=view.markup
        )
    return request


def is_said(fields: Fields, name: str) -> bool:
    """Whether a field is there and says something."""
    return fields.get(name, NULL) != NULL


def take_known(request: ImageRequest, known: frozenset[str]) -> Fields:
    """The prompt, and the fields that say something and go by the same name."""
    fields = {name: raw for name, raw in request.fields.items() if name in known and raw != NULL}
    if is_said(request.fields, "prompt"):
        fields["prompt"] = request.fields["prompt"]
    return fields
