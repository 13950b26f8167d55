"""Edits and variations without a model: the prompt written over the picture where it may change.

With a mask only what is transparent in it changes, as far as the format keeps pixels as they are
(PNG). The API is https://platform.openai.com/docs/api-reference/images/createEdit.
"""

import base64
import binascii
import io
import re
from typing import IO, Any, Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.drawing import NotReadable, Sources, measure_picture, open_picture
from nagara.sandbox.images import (
    PIXELS_MAX,
    read_order,
    read_prompt,
    require_pillow,
    write_script,
)
from nagara.sandbox.request import Field, OpenFile
from nagara.sandbox.script import Answered

NUMBERS: Final = ("n", "partial_images", "output_compression")
IMAGES_MAX: Final = 16
PICTURES_PIXELS_MAX: Final = 2 * PIXELS_MAX
"""Of all pictures that go in: each takes four bytes a pixel once it is decoded."""
DATA_URL: Final = re.compile(r"data:image/[a-z+.-]{1,20};base64,", re.IGNORECASE)


def open_pictures(body: Field, open_file: OpenFile | None) -> Field:
    """The fields of a form, or JSON, with its pictures opened. Raises `BadRequest`.

    A form's fields are text and its files are named by their places; the gateway wrote it.
    """
    fields = dict(body.read_object())
    if open_file is None:
        fields["image"] = [read_reference(x) for x in body["images"].read_items(1, IMAGES_MAX)]
        if not body["mask"].is_absent:
            fields["mask"] = [read_reference(body["mask"])]
        return Field(fields)
    for name in ("image", "image[]", "mask", "markup"):
        for item in body[name].read_items() if not body[name].is_absent else ():
            opened = open_file(item["file"].read_integer(0))
            fields.setdefault(f"_{name.removesuffix('[]')}", []).append(opened)
    for name in ("image", "mask", "markup"):
        fields[name] = fields.pop(f"_{name}", None)
    for name in NUMBERS:
        if str(fields.get(name, "")).isdigit():
            fields[name] = int(fields[name])
    if "stream" in fields:
        fields["stream"] = str(fields["stream"]).lower() == "true"
    return Field(fields)


def read_reference(field: Field) -> IO[bytes]:
    """The picture that an address holds. Raises `BadRequest` for one that leads elsewhere."""
    address = field["image_url"]
    url = address.read_text()
    found = DATA_URL.match(url)
    if found is None:
        raise address.refuse("the sandbox fetches nothing: send the image as a data: URL")
    try:
        return io.BytesIO(base64.b64decode(url[found.end() :], validate=True))
    except (binascii.Error, ValueError):
        raise address.refuse("the image is no base64") from None


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
    items = body["image"].read_items(1, IMAGES_MAX)
    overlays = {
        name: body[name].read_items(1, 1)[0]
        for name in ("mask", "markup")
        if not body[name].is_absent
    }
    # All sizes are looked at before the first is decoded.
    sizes = [measure_field(field) for field in (*items, *overlays.values())]
    if sum(sizes) > PICTURES_PIXELS_MAX:
        raise items[0].refuse(f"all images together have more than {PICTURES_PIXELS_MAX} pixels")
    images = [open_field(item) for item in items]
    opened = {name: open_field(field) for name, field in overlays.items()}
    for name, picture in opened.items():
        if picture.size != images[0].size:
            raise body[name].refuse(f"the {name} must be as large as the first image")
    if "markup" in opened:
        # What is drawn over the first picture to say what is meant shows in what comes out.
        images[0].alpha_composite(opened["markup"])
    return Sources(images, opened.get("mask"))


def measure_field(field: Field) -> int:
    """The pixels of one picture, by what it says of itself."""
    try:
        return measure_picture(field.value, PIXELS_MAX)
    except NotReadable as problem:
        raise field.refuse(f"the image {problem}") from None


def open_field(field: Field) -> Any:
    """One picture."""
    try:
        return open_picture(field.value, PIXELS_MAX)
    except NotReadable as problem:
        raise field.refuse(f"the image {problem}") from None
