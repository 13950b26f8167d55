"""The items of a Responses conversation, as they are kept between two requests.

`previous_response_id` stands for everything said so far. Here that is put together: what was kept
of the conversation before, what the request then said, and what was answered. Each item that a
model wrote remembers who made it, because some of them mean something only to their maker. Items
stay the bytes they came in; nothing here knows what is in them beyond type, role and id.

Sources: https://platform.openai.com/docs/guides/conversation-state
and https://platform.openai.com/docs/api-reference/responses/input-items
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nagara.dialects.envelope import PREFIX
from nagara.dialects.json_fields import (
    NULL,
    Fields,
    decode_untyped,
    encode_raw,
    read_fields,
    write_fields,
)
from nagara.domain.errors import ErrorKind, GatewayError

PAGE_DEFAULT = 20
PAGE_MAX = 100

_ID_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}
_PORTABLE = frozenset({"message", "function_call", "custom_tool_call"})
"""Kinds that mean the same without their id."""
_MESSAGE, _ASSISTANT = msgspec.Raw(b'"message"'), msgspec.Raw(b'"assistant"')


class Maker(msgspec.Struct, frozen=True, array_like=True):
    """Who wrote an item: the operator's name of the deployment, and what provider it is."""

    deployment: str
    provider: str


class KeptItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item, with the id it is listed by. `maker` of None: the caller's own."""

    id: str
    item: msgspec.Raw
    maker: Maker | None = None


class Fitted(msgspec.Struct, frozen=True):
    """Items as one deployment can take them, and the kinds that had to be left out."""

    items: tuple[msgspec.Raw, ...]
    dropped: tuple[str, ...]


class _ItemView(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    role: str | None = None
    encrypted_content: str | None = None


class _OutputView(msgspec.Struct, gc=False):
    output: list[msgspec.Raw] = []


_view_decoder = msgspec.json.Decoder(_ItemView)
_output_decoder = msgspec.json.Decoder(_OutputView)
_raws_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_kept_decoder = msgspec.json.Decoder(list[KeptItem])


def encode_kept(items: Sequence[KeptItem]) -> bytes:
    """Items as they are stored."""
    return msgspec.json.encode(items)


def decode_kept(data: bytes) -> list[KeptItem]:
    """Items as they were stored; empty bytes are none."""
    if not data:
        return []
    try:
        return _kept_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        # Half a surrogate pair, which the decoder refuses also where it only skips.
        return [
            KeptItem(item["id"], encode_raw(item["item"]), _maker(item.get("maker")))
            for item in decode_untyped(data)
        ]


def read_input(data: bytes, response_id: str) -> list[KeptItem]:
    """The items of a request's `input`, a JSON string or array, made for that response."""
    return [_keep(raw, response_id, index, None) for index, raw in enumerate(list_input(data))]


def read_output(response: bytes, response_id: str, maker: Maker | None) -> list[KeptItem]:
    """The items that an answer added."""
    try:
        output = _output_decoder.decode(response).output
    except (msgspec.DecodeError, RecursionError):
        output = _encode_each(_field(decode_untyped(response), "output"))
    # Numbered apart from the input's, so that no two of one response share an id.
    return [_keep(raw, response_id, index, maker) for index, raw in enumerate(output, 0x8000)]


def list_input(data: bytes) -> list[msgspec.Raw]:
    """The `input` of a request as items; a string is one message of the user's."""
    if data in (b"", b"null"):
        return []
    if not data.startswith(b"["):
        message = b'{"type":"message","role":"user","content":%b}'
        return [msgspec.Raw(message % data)]
    try:
        return _raws_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _encode_each(decode_untyped(data))


def write_input(items: Iterable[msgspec.Raw]) -> msgspec.Raw:
    """Items as the `input` of a request."""
    return msgspec.Raw(b"[" + b",".join(bytes(item) for item in items) + b"]")


def fit(items: Iterable[KeptItem], maker: Maker) -> Fitted:
    """Earlier items as the deployment `maker` can take them.

    A reasoning item without its encrypted content is a reference to what its maker keeps, and with
    it a text that only that provider can read. Both are left out for anybody else, and named. The
    other items go on, without ids: an id refers to what its maker keeps.
    https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context
    """
    kept: list[msgspec.Raw] = []
    dropped: list[str] = []
    for item in items:
        if item.maker is None or item.maker == maker:
            kept.append(item.item)
            continue
        view = _view(item.item)
        if view.type != "reasoning":
            kept.append(_without_id(item.item) if view.type in _PORTABLE else item.item)
        elif _can_read(view.encrypted_content, item.maker, maker):
            kept.append(item.item)
        else:
            dropped.append("reasoning")
    return Fitted(tuple(kept), tuple(dict.fromkeys(dropped)))


def _can_read(encrypted: str | None, made_by: Maker, reader: Maker) -> bool:
    if not encrypted:
        return False
    # What came in an envelope is given to its maker alone, wherever that is decided.
    return encrypted.startswith(PREFIX) or made_by.provider == reader.provider


def list_page(
    items: Sequence[KeptItem], *, after: str | None, limit: int, is_ascending: bool
) -> dict[str, Any]:
    """One page of a listing. Raises `GatewayError` when no item has the id `after`."""
    ordered = list(items if is_ascending else reversed(items))
    start = 0
    if after is not None:
        ids = [item.id for item in ordered]
        if after not in ids:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                f"There is no item {after[:100]!r} in this response to list after.",
                param="after",
            )
        start = ids.index(after) + 1
    page = ordered[start : start + limit]
    return {
        "object": "list",
        "data": [_show(item) for item in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": start + limit < len(ordered),
    }


def _keep(raw: msgspec.Raw, response_id: str, index: int, maker: Maker | None) -> KeptItem:
    view = _view(raw)
    if view.id:
        return KeptItem(view.id, raw, maker)
    kind = view.type or ("message" if view.role else "item")
    prefix = _ID_PREFIXES.get(kind, "item_")
    # Derived, so that it is the same whenever it is listed.
    return KeptItem(f"{prefix}{response_id.removeprefix('resp_')}{index:04x}", raw, maker)


def _view(raw: msgspec.Raw) -> _ItemView:
    try:
        return _view_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        # Odd items are the provider's to refuse; half a surrogate pair makes an odd one of any.
        value = _decode_or_none(raw)
        said = {name: _field(value, name) for name in _ItemView.__struct_fields__}
        return _ItemView(**{name: v for name, v in said.items() if isinstance(v, str)})


def _show(kept: KeptItem) -> msgspec.Raw:
    """An item as it is listed: with its id, and a message's content as parts."""
    try:
        fields = read_fields(bytes(kept.item))
    except GatewayError:
        return kept.item
    shown: Fields = {"id": encode_raw(kept.id), **fields}
    if "role" in fields and fields.get("type", NULL) in (NULL, _MESSAGE):
        shown["type"] = encode_raw("message")
        shown.setdefault("status", encode_raw("completed"))
        shown["content"] = _show_content(fields)
    return msgspec.Raw(write_fields(shown))


def _show_content(fields: Fields) -> msgspec.Raw:
    content = fields.get("content", NULL)
    if not bytes(content).startswith(b'"'):
        return content
    is_answer = fields.get("role") == _ASSISTANT
    kind = b'{"type":"output_text","annotations":[]' if is_answer else b'{"type":"input_text"'
    return msgspec.Raw(b'[%b,"text":%b}]' % (kind, content))


def _without_id(raw: msgspec.Raw) -> msgspec.Raw:
    try:
        fields = read_fields(bytes(raw))
    except GatewayError:
        return raw
    return msgspec.Raw(write_fields({k: v for k, v in fields.items() if k != "id"}))


def _maker(names: list[str] | None) -> Maker | None:
    return None if names is None else Maker(*names)


def _encode_each(value: object) -> list[msgspec.Raw]:
    return [encode_raw(item) for item in value] if isinstance(value, list) else []


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _decode_or_none(raw: msgspec.Raw) -> object:
    try:
        return decode_untyped(bytes(raw))
    except ValueError:
        return None
