"""Parts of a message's content in requests: text, media, and what only this dialect knows.

Sources: https://platform.openai.com/docs/api-reference/chat/create
https://openrouter.ai/docs/features/multimodal/overview
"""

from collections.abc import Callable, Mapping

import msgspec

from nagara.dialects.json_fields import NULL, Fields
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.media import audio_type, split_data_url
from nagara.dialects.openai_chat.request_wire import (
    PART_FIELDS,
    CacheWire,
    PartWire,
    decode_at,
    wrong_value,
)
from nagara.dialects.openai_chat.wire import UrlWire
from nagara.domain.messages import (
    NO_EXTRAS,
    CacheMark,
    Extras,
    Media,
    MediaKind,
    Opaque,
    Reasoning,
    Refusal,
    Text,
)

_part_decoder = msgspec.json.Decoder(PartWire)
_fields_decoder = msgspec.json.Decoder(Fields)

ContentPart = Text | Media | Reasoning | Refusal | Opaque


def read_extras(raw: bytes | msgspec.Raw, known: frozenset[str]) -> Extras:
    """The fields of an object that are not among the known ones, nor null."""
    fields = _fields_decoder.decode(raw)
    if fields.keys() <= known:
        return NO_EXTRAS
    unknown = {name: raw for name, raw in fields.items() if name not in known and raw != NULL}
    # A copy each: a view would keep the whole body alive.
    return {name: raw.copy() for name, raw in unknown.items()} or NO_EXTRAS


def decode_cache(*marks: CacheWire | None) -> CacheMark | None:
    """The caching mark of either name, if there is one."""
    return next((CacheMark(mark.ttl) for mark in marks if mark is not None), None)


def decode_part(raw: msgspec.Raw, path: str) -> ContentPart:
    """One part. Raises `GatewayError` that names the wrong field; unknown types are opaque."""
    part = decode_at(raw, _part_decoder, path)
    known = PART_FIELDS.get(part.type)
    if known is None:
        return Opaque(dialect=NAME, type=part.type, raw=raw.copy())
    decoded = _READERS[part.type](part)
    if decoded is None:
        raise wrong_value(f"{path}.{part.type}", f"a part of type {part.type!r} must have it.")
    cache = decode_cache(part.cache_control, part.prompt_cache_breakpoint)
    extras = read_extras(raw, known)
    if cache is not None and isinstance(decoded, Text | Media):
        decoded = msgspec.structs.replace(decoded, cache=cache)
    return msgspec.structs.replace(decoded, extras=extras) if extras else decoded


def _read_text(part: PartWire) -> Text | None:
    return None if part.text is None else Text(part.text)


def _read_image(part: PartWire) -> Media | None:
    image = part.image_url
    if image is None:
        return None
    url, detail = (image, None) if isinstance(image, str) else (image.url, image.detail)
    return _media_at(url, MediaKind.IMAGE, detail=detail)


def _read_audio(part: PartWire) -> Media | None:
    audio = part.input_audio
    if audio is None:
        return None
    return Media(kind=MediaKind.AUDIO, media_type=audio_type(audio.format), data=audio.data)


def _read_file(part: PartWire) -> Media | None:
    file = part.file
    if file is None:
        return None
    if file.file_data is None:
        return (
            Media(kind=MediaKind.DOCUMENT, file_id=file.file_id, filename=file.filename)
            if file.file_id is not None
            else None
        )
    data = file.file_data
    if data.startswith(("data:", "http:", "https:")):
        return _media_at(data, MediaKind.DOCUMENT, filename=file.filename)
    # OpenAI's guide shows bare base64 too.
    return Media(kind=MediaKind.DOCUMENT, data=data, filename=file.filename)


def _read_video(part: PartWire) -> Media | None:
    return _media_of(part.video_url, MediaKind.VIDEO)


def _read_audio_url(part: PartWire) -> Media | None:
    return _media_of(part.audio_url, MediaKind.AUDIO)


def _read_document(part: PartWire) -> Media | None:
    if part.document_url is None:
        return None
    return _media_at(part.document_url, MediaKind.DOCUMENT, filename=part.document_name)


def _read_refusal(part: PartWire) -> Refusal | None:
    return None if part.refusal is None else Refusal(part.refusal)


def _read_thinking(part: PartWire) -> Reasoning | None:
    thinking = part.thinking
    if thinking is None or isinstance(thinking, str):
        return None if thinking is None else Reasoning(text=thinking)
    return Reasoning(text="".join(thought.text or "" for thought in thinking))


def _media_of(place: UrlWire | str | None, kind: MediaKind) -> Media | None:
    if place is None:
        return None
    return _media_at(place if isinstance(place, str) else place.url, kind)


_KINDS = {"image": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}


def _media_at(
    url: str, kind: MediaKind, *, detail: str | None = None, filename: str | None = None
) -> Media:
    """Media at an address, or in it; what its data says it is counts for more than its field."""
    split = split_data_url(url)
    if split is None:
        return Media(kind=kind, url=url, detail=detail, filename=filename)
    media_type, data = split
    # Clients send pictures and sound as `file` too, and other dialects tell them apart.
    if kind is MediaKind.DOCUMENT and media_type is not None:
        kind = _KINDS.get(media_type.partition("/")[0], kind)
    return Media(kind=kind, media_type=media_type, data=data, detail=detail, filename=filename)


_READERS: Mapping[str, Callable[[PartWire], ContentPart | None]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "video_url": _read_video,
    "audio_url": _read_audio_url,
    "document_url": _read_document,
    "refusal": _read_refusal,
    "thinking": _read_thinking,
}
