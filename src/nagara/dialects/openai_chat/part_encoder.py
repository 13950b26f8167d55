"""Parts of a message's content for providers: text and media.

Sources: https://platform.openai.com/docs/api-reference/chat/create
https://openrouter.ai/docs/features/multimodal/overview https://docs.mistral.ai/api
"""

from nagara.dialects.codec import AddressField, Target
from nagara.dialects.fit import cannot_take
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.media import audio_format, join_data_url
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Ability
from nagara.domain.messages import CacheMark, Media, MediaKind, Request, Text

OPENAI_TTLS = frozenset({"30m", "12h"})

NAMELESS = "document.pdf"
_UNSAID_TYPES = {
    MediaKind.IMAGE: "image/png",
    MediaKind.VIDEO: "video/mp4",
    MediaKind.DOCUMENT: "application/pdf",
    MediaKind.AUDIO: "audio/wav",
}


ADDRESS_FIELDS: tuple[AddressField, ...] = (
    AddressField(MediaKind.IMAGE, b'"image_url"', ("image_url", "url")),
    AddressField(MediaKind.DOCUMENT, b'"file_data"', ("file_data",)),
    # Not OpenAI's own: who takes them at all fetches them, if it fetches anything.
    AddressField(MediaKind.VIDEO, b'"video_url"', ("video_url", "url"), Ability.IMAGE_URLS),
    AddressField(MediaKind.AUDIO, b'"audio_url"', ("audio_url", "url"), Ability.IMAGE_URLS),
)
_DOCUMENTS_BY_URL = frozenset({Trait.FILE_URL, Trait.DOCUMENT_URL})


def needs_bytes(media: Media, target: Target) -> bool:
    """Whether the provider takes this media, but does not fetch it by its address."""
    match media.kind:
        case MediaKind.IMAGE:
            return not target.can(Ability.IMAGE_URLS)
        case MediaKind.VIDEO:
            return Trait.VIDEO_URL in target.traits and not target.can(Ability.IMAGE_URLS)
        case MediaKind.AUDIO:
            return True
    return not (target.can(Ability.FILE_URLS) or _DOCUMENTS_BY_URL & target.traits)


def encode_cache(mark: CacheMark | None, target: Target) -> dict[str, object]:
    """The field of a caching mark; none without one."""
    if mark is None:
        return {}
    if Trait.CACHE_CONTROL in target.traits:
        control = {"type": "ephemeral"}
        return {"cache_control": control if mark.ttl is None else control | {"ttl": mark.ttl}}
    point = {"mode": "explicit"}
    # A lifetime that OpenAI does not know is left to the request's own.
    return {
        "prompt_cache_breakpoint": point | {"ttl": mark.ttl} if mark.ttl in OPENAI_TTLS else point
    }


def encode_text(part: Text, target: Target) -> dict[str, object]:
    """A text as a part, for where it is one of several or has a mark."""
    return {"type": "text", "text": part.text} | encode_cache(part.cache, target)


def encode_media(media: Media, request: Request, target: Target) -> dict[str, object]:
    """A piece of media as a part. Raises `GatewayError` for what the provider cannot be given."""
    part = _shape_media(media, request, target)
    return part | encode_cache(media.cache, target)


def _shape_media(media: Media, request: Request, target: Target) -> dict[str, object]:
    if media.text is not None:
        # A plain-text document is no file here; its title stays with it.
        title = f"{media.filename}\n\n" if media.filename else ""
        return {"type": "text", "text": title + media.text}
    if media.file_id is not None:
        return _shape_kept(media, request, target)
    match media.kind:
        case MediaKind.IMAGE:
            image = {"url": _address(media)}
            return {"type": "image_url", "image_url": _with(image, detail=media.detail)}
        case MediaKind.AUDIO:
            return _shape_audio(media, request, target)
        case MediaKind.VIDEO:
            if Trait.VIDEO_URL not in target.traits:
                raise cannot_take("video", request, target)
            return {"type": "video_url", "video_url": {"url": _address(media)}}
    return _shape_document(media, request, target)


def _shape_kept(media: Media, request: Request, target: Target) -> dict[str, object]:
    """A file that a provider keeps, which no other one has."""
    if request.dialect != NAME or media.kind is not MediaKind.DOCUMENT:
        raise cannot_take("a file that is known by its id elsewhere", request, target)
    return {"type": "file", "file": {"file_id": media.file_id}}


def _shape_audio(media: Media, request: Request, target: Target) -> dict[str, object]:
    if media.data is None:
        raise cannot_take("audio by its address", request, target)
    # Bare base64, not a `data:` URL. OpenAI takes WAV and MP3; others take more, and say which.
    audio = {"data": media.data, "format": audio_format(media.media_type)}
    return {"type": "input_audio", "input_audio": audio}


def _shape_document(media: Media, request: Request, target: Target) -> dict[str, object]:
    if Trait.DOCUMENT_URL in target.traits:
        part = {"type": "document_url", "document_url": _address(media)}
        return _with(part, document_name=media.filename)
    by_url = Trait.FILE_URL in target.traits or target.can(Ability.FILE_URLS)
    if media.url is not None and not by_url:
        raise cannot_take("a document by its address", request, target)
    # OpenAI wants a name beside the data.
    name = media.filename or NAMELESS
    return {"type": "file", "file": {"filename": name, "file_data": _address(media)}}


def _address(media: Media) -> str:
    if media.data is None:
        return media.url or ""
    return join_data_url(media.media_type or _UNSAID_TYPES[media.kind], media.data)


def _with(fields: dict[str, str], **more: str | None) -> dict[str, object]:
    """The fields, and those of the others that are there."""
    return {**fields, **{name: value for name, value in more.items() if value is not None}}
