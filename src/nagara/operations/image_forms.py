"""The endpoints that make images of images: edits and variations, which take forms.

OpenAI's form is passed on, written anew: the model replaced, images under the name that OpenAI has
for one (`image`) or several (`image[]`), whichever of the three the caller used. What is no picture
by its first bytes is refused here, whoever would be asked.

Source: https://platform.openai.com/docs/api-reference/images/createEdit
"""

import re
from collections.abc import Sequence

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_error import encode_error
from nagara.dialects.request_fields import read_count, read_flag, read_model
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand
from nagara.operations.endpoint import Endpoint
from nagara.operations.forms import (
    MEDIA_TYPE,
    Form,
    Part,
    bad_field,
    bad_form,
    text_part,
    write_form,
)
from nagara.operations.image_links import FORMAT, find_dropped, plan_links, sniff
from nagara.operations.image_stream import forward_stream
from nagara.operations.image_usage import read_usage
from nagara.operations.images import ALWAYS_BASE64, METERS, check_options, measure

IMAGES = ("image", "image[]", "images[]")
MASK = "mask"
NUMBERS = ("n", "partial_images", "output_compression", "frame_count")
SINGLE = (*NUMBERS, "model", "stream", "size", "quality", "output_format")
IMAGES_MAX = 16
_NUMBER = re.compile(r"[0-9]{1,9}")
_SVG = re.compile(rb"\s*(<\?xml|<!doctype svg|<svg)", re.IGNORECASE)


class FormView(RequestView, frozen=True, gc=False, kw_only=True):
    """A request that came as a form; `fields` are what it says beside its files, as JSON."""

    form: Form


def read_edit(form: Form) -> RequestView:
    """The view of an edit. Raises `GatewayError` that names the wrong field."""
    view = _read_view(form)
    if view.fields.get("prompt", _EMPTY) == _EMPTY:
        raise bad_field("prompt", "is missing: say what is to be made of the image.")
    if len(form.files(MASK)) > 1:
        raise bad_field(MASK, "is there more than once.")
    return view


def read_variation(form: Form) -> RequestView:
    """The view of a variation. Raises `GatewayError` that names the wrong field."""
    view = _read_view(form)
    if len(form.files(*IMAGES)) > 1:
        raise bad_field("image", "is there more than once: one image is varied.")
    return view


_EMPTY = msgspec.Raw(b'""')


def _read_view(form: Form) -> FormView:
    check_files(form)
    for name in form.texts:
        # Some servers take a list of one for the one itself, which was then not held for.
        if name.removesuffix("[]") in SINGLE and name.endswith("[]"):
            raise bad_field(name, "is no list: leave out the brackets.")
    fields = {name: read_text_field(name, text) for name, text in form.texts.items()}
    check_options(fields)
    return FormView(
        fields=fields,
        model=read_model(fields),
        is_streamed=read_flag(fields, "stream"),
        choice_count=read_count(fields, "n"),
        identity=form.digest.encode(),
        form=form,
    )


def check_files(form: Form) -> None:
    """Refuse files that are no pictures, or that nobody asks for. Raises `GatewayError`."""
    for part in form.parts:
        name = part.head.name
        if part.is_file and name not in (*IMAGES, MASK):
            raise bad_field(name, "is a file; images go under 'image' or 'image[]'.")
        if not part.is_file and name in (*IMAGES, MASK):
            raise bad_field(name, "must be a file: give it a filename.")
        if part.is_file and sniff(part.data) is None:
            what = (
                "an SVG" if _SVG.match(part.data) else f"{len(part.data)} bytes of something else"
            )
            raise bad_field(name, f"must be a PNG, JPEG, WebP or GIF image; this is {what}.")
    if not 1 <= len(form.files(*IMAGES)) <= IMAGES_MAX:
        raise bad_field("image", f"must be there: 1 to {IMAGES_MAX} images.")


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


def measure_form(view: RequestView) -> Demand:
    """As for images of a prompt, and the images that go in."""
    assert isinstance(view, FormView)
    return msgspec.structs.replace(
        measure(view), image_count=len(view.form.files(*IMAGES, MASK)), has_media_input=True
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage comes where there is any
    """The form with the deployment's model."""
    assert isinstance(view, FormView)
    left_out = {"model", FORMAT} if ALWAYS_BASE64.match(model) else {"model"}
    name = "image" if len(view.form.files(*IMAGES)) == 1 else "image[]"
    parts = [text_part("model", model)]
    for part in view.form.parts:
        if part.head.name in IMAGES:
            part = Part(msgspec.structs.replace(part.head, name=name), part.data)
        if part.head.name not in left_out:
            parts.append(part)
    return write_form(parts, name_boundary(view))


def name_boundary(view: FormView) -> bytes:
    """A boundary that cannot stand in the form: it is made of a digest of all that does."""
    return b"nagara-" + view.form.digest.encode()


def write_media_type(view: RequestView) -> bytes:
    """The content type of the form that is sent on."""
    assert isinstance(view, FormView)
    return MEDIA_TYPE + b"; boundary=" + name_boundary(view)


def refuse_body(body: bytes) -> RequestView:  # noqa: ARG001 - a form is read by its content type
    """These endpoints take no JSON."""
    raise bad_form("is missing")


FORM_ENDPOINTS: Sequence[Endpoint] = tuple(
    Endpoint(
        operation=operation,
        path=path,
        meters=METERS,
        read_request=refuse_body,
        read_form=read,
        write_request=write_request,
        write_media_type=write_media_type,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure_form,
        forward_stream=forward_stream,
        find_dropped=find_dropped,
        plan_links=plan_links,
    )
    for operation, path, read in (
        (Operation.IMAGE_EDITS, "/v1/images/edits", read_edit),
        (Operation.IMAGE_VARIATIONS, "/v1/images/variations", read_variation),
    )
)
