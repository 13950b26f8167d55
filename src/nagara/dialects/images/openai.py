"""JSON that is nearly OpenAI's: its answers, which every such format shares, and its words."""

import msgspec

from nagara.dialects.exchange import decode_answer
from nagara.dialects.images.request import Drawn
from nagara.dialects.images.usage import make_usage, read_reported
from nagara.domain.usage import DrawnImage


class _Item(msgspec.Struct, gc=False):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    media_type: str | None = None
    mime_type: str | None = None


class _Answer(msgspec.Struct, gc=False):
    data: list[_Item]
    usage: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Answer)


def read_drawn(body: bytes) -> Drawn:
    """What a call gave. Raises `GatewayError`."""
    answer = decode_answer(_decoder, body)
    items: list[dict[str, str]] = []
    media_type = None
    for item in answer.data:
        media_type = item.media_type or item.mime_type or media_type
        said = {"b64_json": item.b64_json, "url": item.url, "revised_prompt": item.revised_prompt}
        if item.b64_json or item.url:
            # An empty one says nothing: xAI sends both names.
            items.append({name: value for name, value in said.items() if value})
    reported = read_reported(answer.usage)
    return Drawn(items, make_usage([DrawnImage()] * len(items), reported), media_type)
