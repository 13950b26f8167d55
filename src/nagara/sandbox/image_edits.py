"""Edits and variations without a model: the prompt written over the picture where it may change.

With a mask only what is transparent in it changes, as far as the format keeps pixels as they are
(PNG). The API is https://platform.openai.com/docs/api-reference/images/createEdit.
"""

from typing import Any, Final

from nagara.domain.errors import GatewayError
from nagara.operations.forms import FormLimits, read_form
from nagara.sandbox.conversation import Ids
from nagara.sandbox.drawing import NotReadable, Sources, open_picture
from nagara.sandbox.images import (
    PIXELS_MAX,
    read_order,
    read_prompt,
    require_pillow,
    write_script,
)
from nagara.sandbox.request import BadRequest, Field, Problem
from nagara.sandbox.script import Answered

NUMBERS: Final = ("n", "partial_images", "output_compression")
IMAGES_MAX: Final = 16


def read_form_body(body: bytes) -> Field:
    """A form as a field: files as lists of bytes by their names, the rest as what it stands for.

    The gateway wrote it, so its first line is its boundary.
    """
    boundary = body[2 : body.find(b"\r\n")]
    try:
        form = read_form(b"multipart/form-data; boundary=" + boundary, body, FormLimits())
    except GatewayError as error:
        raise BadRequest((), Problem.OTHER, error.message) from None
    fields: dict[str, Any] = dict(form.texts)
    for name in NUMBERS:
        if str(fields.get(name, "")).isdigit():
            fields[name] = int(fields[name])
    if "stream" in fields:
        fields["stream"] = fields["stream"].lower() == "true"
    for part in form.parts:
        if part.is_file:
            fields.setdefault(part.head.name.removesuffix("[]"), []).append(part.data)
    return Field(fields)


def answer_edits(body: Field, model: str, now_s: int, ids: Ids) -> Answered:
    """The script for an edit. Raises `BadRequest`."""
    require_pillow()
    prompt = read_prompt(body["prompt"])
    return write_script(read_order(body, model, prompt, read_sources(body)), now_s, ids)


def answer_variations(body: Field, model: str, now_s: int, ids: Ids) -> Answered:
    """The script for variations: the picture in other colours. Raises `BadRequest`."""
    require_pillow()
    return write_script(read_order(body, model, " ", read_sources(body)), now_s, ids)


def read_sources(body: Field) -> Sources:
    """The pictures. Raises `BadRequest` for those that cannot be decoded."""
    images = [open_field(item) for item in body["image"].read_items(1, IMAGES_MAX)]
    mask = None
    if not body["mask"].is_absent:
        mask = open_field(body["mask"].read_items(1, 1)[0])
        if mask.size != images[0].size:
            raise body["mask"].refuse("the mask must be as large as the first image")
    return Sources(images, mask)


def open_field(field: Field) -> Any:
    """One picture."""
    try:
        return open_picture(field.value, PIXELS_MAX)
    except NotReadable as problem:
        raise field.refuse(f"the image {problem}") from None
