"""From images in an answer to links, and back, where the caller asked for the other.

A picture that is there can be kept by the gateway and linked to; one behind a link cannot be put
into the answer, since that would be a fetch of whatever a provider names. What is no picture by its
first bytes is not kept: a page or an SVG from our own address could run scripts there. Pure.
"""

import base64
import binascii
import re
from collections.abc import Mapping

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.images.pictures import sniff
from nagara.dialects.json_fields import Fields, encode_raw, read_fields, write_fields
from nagara.dialects.measuring import read_text
from nagara.domain.errors import GatewayError

FORMAT = "response_format"
FORMATS = ("url", "b64_json")
_DATA = re.compile(r"data:image/[a-z+.-]{1,20};base64,")
_items: msgspec.json.Decoder[list[Fields]] = msgspec.json.Decoder(list[Fields])


class Linking(msgspec.Struct, frozen=True):
    """An answer whose `pictures`, by their index, are to be kept: bytes, and a name's ending.

    `is_unfulfilled` says that some come otherwise than they were asked for.
    """

    fields: Fields
    items: list[Fields]
    pictures: Mapping[int, tuple[bytes, str]]
    is_asked_for: bool
    is_unfulfilled: bool


def find_format(fields: Fields) -> str | None:
    """How the caller wants the images: `url`, `b64_json`, or None where that is not said."""
    wanted = read_text(fields, FORMAT)
    return wanted if wanted in FORMATS else None


def find_dropped(view: RequestView) -> tuple[str, ...]:
    """What a stream cannot fulfil: its pictures are always in it."""
    return (FORMAT,) if view.is_streamed and find_format(view.fields) == "url" else ()


def plan_links(view: RequestView, body: bytes) -> Linking | None:
    """What is to be kept and changed; None where the answer is as it was asked for."""
    wanted = find_format(view.fields)
    if (wanted is None and b"data:image/" not in body) or (
        wanted == "b64_json" and b'"url"' not in body
    ):
        return None
    try:
        fields = read_fields(body)
        items = _items.decode(fields["data"])
    except (GatewayError, KeyError, msgspec.DecodeError):
        return None
    pictures: dict[int, tuple[bytes, str]] = {}
    is_unfulfilled = False
    for index, item in enumerate(items):
        data, is_here = find_data(item), "b64_json" in item
        if wanted == "b64_json":
            is_unfulfilled |= data is None
            if data is not None:
                item.pop("url", None)
                item["b64_json"] = encode_raw(data)
        elif data is not None and (wanted == "url" or not is_here):
            picture = read_picture(data)
            is_unfulfilled |= picture is None
            if picture is not None:
                pictures[index] = picture
    return Linking(fields, items, pictures, wanted is not None, is_unfulfilled)


def find_data(item: Fields) -> str | None:
    """The base64 of a picture that is here, and not behind a link; None where it is."""
    url = read_text(item, "url")
    if not url:
        return read_text(item, "b64_json")
    found = _DATA.match(url)
    return None if found is None else url[found.end() :]


def read_picture(data: str) -> tuple[bytes, str] | None:
    """The picture that base64 holds, and the ending of its name; None for anything else."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    kind = sniff(content)
    return None if kind is None else (content, kind)


def write_links(linking: Linking, links: Mapping[int, str]) -> tuple[bytes, tuple[str, ...]]:
    """The answer with these links in place of its pictures, and what was dropped.

    A picture without a link stays where it is.
    """
    for index, link in links.items():
        item = linking.items[index]
        item.pop("b64_json", None)
        item["url"] = encode_raw(link)
    is_unfulfilled = linking.is_unfulfilled or len(links) < len(linking.pictures)
    data = msgspec.Raw(msgspec.json.encode(linking.items))
    dropped = (FORMAT,) if linking.is_asked_for and is_unfulfilled else ()
    return write_fields(linking.fields | {"data": data}), dropped
