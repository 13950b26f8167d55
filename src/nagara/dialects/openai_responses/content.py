"""Parts of a message's content, both ways: texts, images, files, audio, citations, logprobs.

Media in a request is a data URL, an address, or the id of a file that the provider keeps; the hub
tells them apart, so that another dialect can write each in its own way.

Source: https://platform.openai.com/docs/guides/images-vision and /docs/guides/pdf-files
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from nagara.dialects.codec import AddressField, Target
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_responses.traits import Trait
from nagara.dialects.openai_responses.wire import NAME, Reader
from nagara.dialects.request_fields import wrong_field
from nagara.domain.abilities import Ability
from nagara.domain.events import TokenLogprob
from nagara.domain.messages import (
    CacheMark,
    Citation,
    CitationKind,
    Media,
    MediaKind,
    Opaque,
    Part,
    Refusal,
    Text,
)

PDF = "application/pdf"
CONTENT = "content."
"""What the type of an opaque part of a message begins with; one without it is a whole item."""

# What the API says of itself: https://platform.openai.com/docs/guides/prompt-caching
_CACHE_TTLS = ("30m", "12h")


ADDRESS_FIELDS: tuple[AddressField, ...] = (
    AddressField(MediaKind.IMAGE, b'"image_url"', ("image_url",)),
    AddressField(MediaKind.DOCUMENT, b'"input_file"', ("file_url", "file_data")),
)


def needs_bytes(media: Media, target: Target) -> bool:
    """Whether the provider takes this media, but does not fetch it by its address."""
    match media.kind:
        case MediaKind.IMAGE:
            return not target.can(Ability.IMAGE_URLS)
        case MediaKind.AUDIO:
            return Trait.AUDIO_INPUT in target.traits
        case MediaKind.VIDEO:
            return False
    return not target.can(Ability.FILE_URLS)


def decode_content(parts: Iterable[Reader]) -> tuple[Part, ...]:
    """The parts of a message, in order. Raises `GatewayError` that names the wrong field."""
    return tuple(decode_part(part) for part in parts)


def decode_part(reader: Reader) -> Part:
    """One part; one of a type that nobody knows stays as it is."""
    kind = reader.shape("type") and reader.text("type")
    if not kind:
        raise wrong_field(reader.name("type"), "is missing; it says what the part is.")
    decode = _PARTS.get(kind)
    if decode is None:
        reader.fields["type"] = encode_raw(kind)
        return Opaque(dialect=NAME, type=CONTENT + kind, raw=reader.whole_raw())
    return decode(reader)


def _decode_text(reader: Reader) -> Part:
    text = reader.needed_text("text")
    if not reader.fields:
        return Text(text)
    citations = tuple(decode_citation(citation) for citation in reader.objects("annotations"))
    # Probabilities of an earlier answer say nothing to whoever writes the next one.
    reader.raw("logprobs")
    return Text(text, citations, _decode_cache(reader), reader.rest())


def _decode_refusal(reader: Reader) -> Part:
    return Refusal(reader.needed_text("refusal"), reader.rest())


def _decode_image(reader: Reader) -> Part:
    address, file_id = reader.text("image_url"), reader.text("file_id")
    if address is None and file_id is None:
        raise wrong_field(reader.name("image_url"), "is missing; send an address or a data URL.")
    media_type, data = split_data_url(address)
    detail = reader.text("detail")
    return Media(
        kind=MediaKind.IMAGE,
        media_type=media_type,
        data=data,
        url=None if data is not None else address,
        file_id=file_id if address is None else None,
        # The published type demands the word for not having asked.
        detail=None if detail == "auto" else detail,
        cache=_decode_cache(reader),
        extras=reader.rest(),
    )


def _decode_file(reader: Reader) -> Part:
    content, address = reader.text("file_data"), reader.text("file_url")
    file_id, filename = reader.text("file_id"), reader.text("filename")
    if content is None and address is None and file_id is None:
        raise wrong_field(reader.name("file_data"), "is missing; send data, an address or an id.")
    if content is not None and content.startswith(("https://", "http://")):
        # NagaAI's own examples put an address here.
        content, address = None, content
    media_type, data = split_data_url(content)
    if content is not None and data is None:
        media_type, data = None, content
    if media_type is None and (filename or "").lower().endswith(".pdf"):
        media_type = PDF
    return Media(
        kind=MediaKind.DOCUMENT,
        media_type=media_type,
        data=data,
        url=address if data is None else None,
        file_id=file_id if data is None and address is None else None,
        filename=filename,
        detail=reader.text("detail"),
        cache=_decode_cache(reader),
        extras=reader.rest(),
    )


def _decode_audio(reader: Reader) -> Part:
    audio = reader.object("input_audio")
    if audio is None:
        raise wrong_field(reader.name("input_audio"), "is missing; send `data` and `format`.")
    data, form = audio.needed_text("data"), audio.needed_text("format")
    return Media(kind=MediaKind.AUDIO, media_type=f"audio/{form}", data=data, extras=reader.rest())


_PARTS: Mapping[str, Callable[[Reader], Part]] = {
    "input_text": _decode_text,
    "output_text": _decode_text,
    "text": _decode_text,
    "refusal": _decode_refusal,
    "input_image": _decode_image,
    "input_file": _decode_file,
    "input_audio": _decode_audio,
}


def _decode_cache(reader: Reader) -> CacheMark | None:
    mark = reader.object("prompt_cache_breakpoint")
    return None if mark is None else CacheMark(mark.text("ttl"))


def encode_cache(mark: CacheMark) -> dict[str, str]:
    """A breakpoint of the prompt cache; a time to live of another dialect is left to the API."""
    wire = {"mode": "explicit"}
    return wire | {"ttl": mark.ttl} if mark.ttl in _CACHE_TTLS else wire


def split_data_url(address: str | None) -> tuple[str | None, str | None]:
    """Media type and base64 of a data URL; (None, None) for anything else."""
    if address is None or not address.startswith("data:"):
        return None, None
    head, comma, data = address.partition(",")
    if not comma or not head.endswith(";base64"):
        return None, None
    return head[5:].partition(";")[0] or None, data


def encode_image(media: Media) -> dict[str, Any]:
    """An `input_image` part."""
    wire: dict[str, Any] = {"type": "input_image", "detail": media.detail or "auto"}
    if media.data is not None:
        wire["image_url"] = f"data:{media.media_type or 'image/png'};base64,{media.data}"
    elif media.url is not None:
        wire["image_url"] = media.url
    else:
        wire["file_id"] = media.file_id
    return wire


def encode_file(media: Media) -> dict[str, Any]:
    """An `input_file` part. Data needs a name, by which the API knows what it is."""
    wire: dict[str, Any] = {"type": "input_file"}
    media_type, data = media.media_type or PDF, media.data
    if media.text is not None:
        media_type = media.media_type or "text/plain"
        data = base64.b64encode(media.text.encode(errors="replace")).decode()
    if data is not None:
        wire["filename"] = media.filename or _default_filename(media_type)
        wire["file_data"] = f"data:{media_type};base64,{data}"
    elif media.url is not None:
        wire["file_url"] = media.url
    else:
        wire["file_id"] = media.file_id
    if media.filename is not None:
        wire["filename"] = media.filename
    if media.detail is not None:
        wire["detail"] = media.detail
    return wire


def encode_audio(media: Media) -> dict[str, Any]:
    """An `input_audio` part, of data."""
    form = (media.media_type or "audio/wav").partition("/")[2].removeprefix("x-")
    form = {"mpeg": "mp3", "wave": "wav"}.get(form, form)
    return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}


def _default_filename(media_type: str) -> str:
    ending = {PDF: "pdf", "text/plain": "txt"}.get(media_type, media_type.rpartition("/")[2])
    return f"document.{ending}"


def decode_citation(reader: Reader) -> Citation:
    """One annotation; what only this dialect has of it is in `extras`."""
    kind = reader.text("type") or ""
    if kind == "url_citation":
        return Citation(
            kind=CitationKind.URL,
            url=reader.text("url"),
            title=reader.text("title"),
            start=reader.whole("start_index"),
            end=reader.whole("end_index"),
            extras=reader.rest(),
        )
    file_id, title = reader.text("file_id"), reader.text("filename")
    index, start, end = (reader.whole(name) for name in ("index", "start_index", "end_index"))
    if kind != "file_citation":
        reader.fields["type"] = encode_raw(kind)
    return Citation(
        kind=CitationKind.FILE,
        file_id=file_id,
        title=title,
        start=index if start is None else start,
        end=end,
        extras=reader.rest(),
    )


def encode_citation(citation: Citation, length: int, *, is_own: bool) -> dict[str, Any] | None:
    """An annotation of a text of `length` characters; None for one that has no place here.

    `is_own` says that the extras are of this dialect.
    """
    extras = citation.extras if is_own else {}
    start = 0 if citation.start is None else citation.start
    if citation.kind is CitationKind.URL and citation.url is not None:
        return {
            "type": "url_citation",
            "url": citation.url,
            "title": citation.title or citation.url,
            "start_index": start,
            # A source of another dialect may be of the whole text; then no place is said.
            "end_index": length if citation.end is None else citation.end,
            **extras,
        }
    if citation.file_id is None:
        return None
    wire: dict[str, Any] = {"type": "file_citation", "file_id": citation.file_id}
    if citation.title is not None or not extras:
        wire["filename"] = citation.title or ""
    if citation.end is None:
        wire["index"] = start
    else:
        wire |= {"start_index": start, "end_index": citation.end}
    return wire | dict(extras)


class WireLogprob(msgspec.Struct, gc=False):
    """A token's probability as the wire has it, in answers and in deltas of a stream."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list["WireLogprob"] | None = None

    def to_hub(self) -> TokenLogprob:
        """The same in the hub's words."""
        return TokenLogprob(
            self.token,
            self.logprob,
            None if self.bytes is None else tuple(self.bytes),
            tuple(top.to_hub() for top in self.top_logprobs or ()),
        )


def encode_logprob(logprob: TokenLogprob) -> dict[str, Any]:
    """A token's probability with those of the likeliest ones."""
    return _encode_token(logprob) | {"top_logprobs": [_encode_token(top) for top in logprob.top]}


def _encode_token(logprob: TokenLogprob) -> dict[str, Any]:
    # The published type wants the bytes; who does not say them gives text.
    known = logprob.bytes
    told = list(logprob.token.encode(errors="replace")) if known is None else known
    return {"token": logprob.token, "bytes": told, "logprob": logprob.logprob}
