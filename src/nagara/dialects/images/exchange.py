"""One request for images at one deployment that does not speak OpenAI's format.

More images than a call may ask for are more calls. The caller is answered in OpenAI's format, with
as many images as were drawn: where one of several is refused, the others are billed all the same.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import (
    Aim,
    Exchange,
    cannot_be_given,
    find_names_without_place,
    unreadable,
)
from nagara.dialects.images import google, openrouter, together, xai
from nagara.dialects.images.dimensions import HEAD_CHARACTERS, read_base64_size
from nagara.dialects.images.pictures import MEDIA_TYPES
from nagara.dialects.images.request import (
    NAMED,
    SIZE_WORDS,
    Drawn,
    ImageRequest,
    Wire,
    decode_request,
)
from nagara.dialects.images.traits import Form
from nagara.dialects.images.usage import write_usage
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.translation import Translated
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import DrawnImage, Meter, Usage

WIRES: Final[Mapping[str, Wire]] = {
    Form.GOOGLE: google,
    Form.GOOGLE_1K: google,
    Form.OPENROUTER: openrouter,
    Form.TOGETHER: together,
    Form.XAI: xai,
}
_FORMATS = {media_type: ending for ending, media_type in MEDIA_TYPES.items()}


def open_exchange(view: RequestView, aim: Aim) -> Exchange:
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    assert aim.form is not None
    return ImageExchange(decode_request(view), aim, WIRES[aim.form])


class ImageExchange:
    """With a provider that speaks another format."""

    is_pass_through = False
    places: Mapping[str, str] = {}

    def __init__(self, request: ImageRequest, aim: Aim, wire: Wire) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for what the format has no place for and matters."""
        self._aim, self._wire = aim, wire
        counts = split_count(request.count, wire.COUNT_MAX)
        calls = [wire.encode_call(request, count, aim) for count in counts]
        self.bodies: Sequence[bytes] = [body for body, _ in calls]
        known = NAMED | wire.KNOWN
        dropped = [*find_names_without_place(request.fields, known), *calls[0][1]]
        for name in dropped:
            if name in SIZE_WORDS:
                raise cannot_be_given(aim, f"{name!r}", name)
        if request.is_streamed and request.fields.get("partial_images") is not None:
            dropped.append("partial_images")
        self.dropped: Sequence[str] = dropped

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The caller's answer, of those to all calls. Raises `GatewayError`.

        A model that says in words that it draws nothing has read and written all the same. What it
        used is told then, or whoever asks it for words would have them for nothing.
        """
        drawn = [self._wire.decode_call(body, self._aim) for body in answers]
        items = [item for each in drawn for item in each.items]
        usage = sum_usage(drawn, items)
        if not items:
            refusal = next((x.refusal for x in drawn if x.refusal), None) or self._nothing(drawn)
            if refusal.kind is not ErrorKind.INVALID_REQUEST or not usage.quantities:
                raise refusal
            return Translated(b"", usage, refusal=refusal)
        answer: dict[str, object] = {"created": self._aim.now_s, "data": items}
        media_type = next((x.media_type for x in drawn if x.media_type), "")
        if media_type in _FORMATS:
            answer["output_format"] = _FORMATS[media_type]
        if usage.input_tokens or usage.output_tokens:
            answer["usage"] = write_usage(usage)
        return Translated(bytes(encode_raw(answer)), usage)

    def _nothing(self, drawn: Sequence[Drawn]) -> GatewayError:
        """The error of an answer without a picture: what the model says instead, if it says."""
        said = next((each.said for each in drawn if each.said), None)
        if said is None:
            return unreadable("there is no image in it")
        return GatewayError(
            ErrorKind.INVALID_REQUEST,
            f"{self._aim.provider} drew nothing, and says: {said!r}",
            param="prompt",
            code="no_image_drawn",
        )


def split_count(count: int, count_max: int) -> list[int]:
    """How many images each call asks for."""
    whole, rest = divmod(count, count_max)
    return [count_max] * whole + [rest] * (rest > 0)


def sum_usage(drawn: Sequence[Drawn], items: Sequence[Mapping[str, str]]) -> Usage:
    """What all calls used, and the images that there are, however they were counted."""
    counts: dict[Meter, int] = {}
    for each in drawn:
        for meter, count in () if each.usage is None else each.usage.quantities.items():
            counts[meter] = counts.get(meter, 0) + count
    images = tuple(
        DrawnImage(read_base64_size(item.get("b64_json", "")[:HEAD_CHARACTERS].encode()))
        for item in items
    )
    here = {Meter.IMAGES: len(images)} if images else {}
    usage = Usage({**counts, **here}, drawn=images)
    return usage if usage.is_possible() else Usage(here, drawn=images)
