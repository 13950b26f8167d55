"""The endpoints that make images of images: edits and variations, by a form or by JSON.

OpenAI's form is passed on, written anew: the model replaced, images under the name that OpenAI has
for one (`image`) or several (`image[]`), whichever of the three the caller used. Its files are not
here: the form comes described in JSON (`nagara.media`), and where files belong in what is sent is
said. In JSON pictures are addresses, which are passed on and may hold the picture. What is no
picture by its first bytes is refused here, whoever would be asked.

Source: https://platform.openai.com/docs/api-reference/images/createEdit
"""

import base64
import re
from functools import partial

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.images import open_exchange
from nagara.dialects.images.pictures import (
    Picture,
    PicturesView,
    check_beginning,
    read_address,
)
from nagara.dialects.images.usage import read_usage
from nagara.dialects.json_fields import (
    NULL,
    Fields,
    encode_raw,
    read_fields,
    write_fields,
)
from nagara.dialects.measuring import count_bytes
from nagara.dialects.openai_error import encode_error
from nagara.dialects.request_fields import read_count, read_flag, read_model, wrong_field
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.endpoint import Endpoint
from nagara.operations.forms import FileFields, FileHere, bad_field, bad_form
from nagara.operations.image_links import FORMAT, find_dropped, plan_links
from nagara.operations.image_stream import forward_stream, tell_images
from nagara.operations.images import (
    ALWAYS_BASE64,
    COUNTS,
    METERS,
    SIDES,
    check_options,
    measure,
    read_prompt,
)

IMAGES = ("image", "image[]", "images[]")
MASK, MARKUP = "mask", "markup"
NUMBERS = (
    "n", "partial_images", "output_compression", "frame_count", "frame_duration_ms", *COUNTS, *SIDES
)  # fmt: skip
SINGLE = (
    *NUMBERS, "model", "stream", "size", "resolution", "image_size", "quality", "output_format"
)  # fmt: skip
IMAGES_MAX = 16
FILES = FileFields("image", frozenset({*IMAGES, MASK, MARKUP}), IMAGES_MAX + 2)
"""The files of these forms."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_EMPTY = msgspec.Raw(b'""')
_FAMILY = "image_edit"


class _File(msgspec.Struct, frozen=True):
    """What is said of a file of a form."""

    index: int
    beginning: str
    size: int = msgspec.field(name="bytes")


class _Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture in JSON."""

    image_url: str | None = None
    file_id: str | None = None


_files_decoder = msgspec.json.Decoder(list[_File])
_text_decoder = msgspec.json.Decoder(str | list[str])
_references_decoder = msgspec.json.Decoder(list[_Reference])
_reference_decoder = msgspec.json.Decoder(_Reference)


def read_edit_form(described: bytes) -> RequestView:
    """The view of an edit. Raises `GatewayError` that names the wrong field."""
    view = _read_form(described)
    if view.fields.get("prompt", _EMPTY) == _EMPTY:
        raise bad_field("prompt", "is missing: say what is to be made of the image.")
    return view


def read_variation_form(described: bytes) -> RequestView:
    """The view of a variation. Raises `GatewayError` that names the wrong field."""
    view = _read_form(described)
    if len(view.images) > 1:
        raise bad_field("image", "is there more than once: one image is varied.")
    return view


def _read_form(described: bytes) -> PicturesView:
    said = read_fields(described)
    images = tuple(x for name in IMAGES for x in _read_files(said, name))
    if not images:
        raise bad_field("image", f"is missing: send 1 to {IMAGES_MAX} images as files.")
    if len(images) > IMAGES_MAX:
        raise bad_field("image", f"is there {len(images)} times; {IMAGES_MAX} images are the most.")
    fields: Fields = {}
    for name, raw in said.items():
        if name in FILES.names:
            continue
        # Some servers take a list of one for the one itself, which was then not held for.
        if name.removesuffix("[]") in SINGLE and name.endswith("[]"):
            raise bad_field(name, "is no list: leave out the brackets.")
        text = _text_decoder.decode(raw)
        fields[name] = raw if isinstance(text, list) else read_text_field(name, text)
    return _view(fields, images, _read_single(said, MASK), _read_single(said, MARKUP))


def _read_files(said: Fields, name: str) -> list[Picture]:
    """The files under a name, in their order."""
    found = []
    for file in _files_decoder.decode(said.get(name, msgspec.Raw(b"[]"))):
        beginning = base64.b64decode(file.beginning)
        media_type = check_beginning(beginning, name, file.size)
        found.append(Picture(file=file.index, media_type=media_type))
    return found


def _read_single(said: Fields, name: str) -> Picture | None:
    files = _read_files(said, name)
    if len(files) > 1:
        raise bad_field(name, "is there more than once.")
    return files[0] if files else None


def _view(
    fields: Fields, images: tuple[Picture, ...], mask: Picture | None, markup: Picture | None = None
) -> PicturesView:
    check_options(fields)
    return PicturesView(
        fields=fields,
        model=read_model(fields),
        is_streamed=read_flag(fields, "stream"),
        choice_count=read_count(fields, "n"),
        images=images,
        mask=mask,
        markup=markup,
    )


def read_edit(body: bytes) -> RequestView:
    """The view of an edit in JSON. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    read_model(fields)
    read_prompt(fields)
    pictures = fields.pop("images", None)
    if pictures is None:
        raise wrong_field(
            "images", "is missing: a list of objects with an image_url. Files are sent in a form."
        )
    try:
        references = _references_decoder.decode(pictures)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong_field("images", "must be a list of objects with an image_url.") from error
    if not 1 <= len(references) <= IMAGES_MAX:
        raise wrong_field("images", f"must be 1 to {IMAGES_MAX} images.")
    images = tuple(read_reference(x, f"images[{i}]") for i, x in enumerate(references))
    mask = None
    if (raw := fields.pop(MASK, NULL)) != NULL:
        try:
            mask = read_reference(_reference_decoder.decode(raw), MASK)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise wrong_field(MASK, "must be an object with an image_url.") from error
    return _view(fields, images, mask)


def read_reference(said: _Reference, field: str) -> Picture:
    """The picture that is referred to. Raises `GatewayError`."""
    if said.file_id is not None:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"{field}.file_id names a file that a provider keeps under the gateway's credential, "
            "which all of its accounts share. Send the image as a data: URL in image_url.",
            param=field,
        )
    if said.image_url is None:
        raise wrong_field(field, "must have an image_url.")
    return read_address(said.image_url, field)


def refuse_json(body: bytes) -> RequestView:  # noqa: ARG001 - a form is read by its content type
    """Variations take no JSON."""
    raise bad_form("is missing: this endpoint takes multipart/form-data")


def read_text_field(name: str, text: str) -> msgspec.Raw:
    """A field's text as the JSON that it stands for. Raises `GatewayError`."""
    if name in NUMBERS:
        if _NUMBER.fullmatch(text) is None:
            raise bad_field(name, "must be a whole number.")
        return msgspec.Raw(str(int(text)).encode())
    if name == "stream":
        if text.lower() not in ("true", "false"):
            raise bad_field(name, "must be true or false.")
        return msgspec.Raw(text.lower().encode())
    return encode_raw(text)


def measure_pictures(view: RequestView) -> Demand:
    """As for images of a prompt, and the images that go in."""
    assert isinstance(view, PicturesView)
    addresses = sum(len(x.url or "") for x in view.all_pictures if not x.is_here)
    return msgspec.structs.replace(
        measure(view),
        text_bytes=count_bytes(view.fields) + addresses,
        image_count=len(view.all_pictures),
        has_media_input=True,
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage comes where there is any
    """The fields with the deployment's model, and where the pictures go: in a form, or in JSON."""
    assert isinstance(view, PicturesView)
    left_out = {"model", FORMAT} if ALWAYS_BASE64.match(model) else {"model"}
    fields = {name: raw for name, raw in view.fields.items() if name not in left_out}
    fields["model"] = encode_raw(model)
    if view.images[0].file is None:
        fields["images"] = encode_raw([{"image_url": x.url} for x in view.images])
        if view.mask is not None:
            fields[MASK] = encode_raw({"image_url": view.mask.url})
        return write_fields(fields)
    texts = {name: _write_text(raw) for name, raw in fields.items()}
    name = "image" if len(view.images) == 1 else "image[]"
    texts[name] = _place(*view.images)
    for single, picture in ((MASK, view.mask), (MARKUP, view.markup)):
        if picture is not None:
            texts[single] = _place(picture)
    return write_fields(texts)


def _write_text(raw: msgspec.Raw) -> msgspec.Raw:
    """A field as a form has it: text."""
    data = bytes(raw)
    return raw if data[:1] in (b'"', b"[") else encode_raw(data.decode())


def _place(*pictures: Picture) -> msgspec.Raw:
    return encode_raw([FileHere(picture.file or 0) for picture in pictures])


EDIT_ENDPOINTS = (
    Endpoint(
        operation=Operation.IMAGE_EDITS,
        path="/v1/images/edits",
        meters=METERS,
        read_request=read_edit,
        read_form=read_edit_form,
        files=FILES,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure_pictures,
        forward_stream=partial(forward_stream, family=_FAMILY),
        tell_whole=partial(tell_images, family=_FAMILY),
        find_dropped=find_dropped,
        plan_links=plan_links,
        open_exchange=open_exchange,
        passes_usual_form=True,
    ),
    Endpoint(
        operation=Operation.IMAGE_VARIATIONS,
        path="/v1/images/variations",
        meters=METERS,
        read_request=refuse_json,
        read_form=read_variation_form,
        files=FILES,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure_pictures,
        forward_stream=partial(forward_stream, family=_FAMILY),
        find_dropped=find_dropped,
        plan_links=plan_links,
    ),
)
