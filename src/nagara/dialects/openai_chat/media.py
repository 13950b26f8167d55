"""Addresses that hold data, and the names of audio formats: what media needs, both ways.

Sources: https://www.rfc-editor.org/rfc/rfc2397
https://platform.openai.com/docs/guides/audio
"""

from nagara.domain.messages import Media, MediaKind

_AUDIO_TYPES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "pcm16": "audio/pcm"}
_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/pcm": "pcm16",
    "audio/l16": "pcm16",
}


def split_data_url(url: str) -> tuple[str | None, str] | None:
    """MIME type and base64 of a `data:` URL; None for any other address."""
    if not url.startswith("data:"):
        return None
    head, separator, data = url[5:].partition(",")
    if not separator or not head.endswith(";base64"):
        return None
    return head[: -len(";base64")].partition(";")[0] or None, data


def decode_image(url: str) -> Media:
    """The picture at an address, which may hold it."""
    if (split := split_data_url(url)) is None:
        return Media(kind=MediaKind.IMAGE, url=url)
    media_type, data = split
    return Media(kind=MediaKind.IMAGE, media_type=media_type, data=data)


def join_data_url(media_type: str, data: str) -> str:
    """A `data:` URL of base64."""
    return f"data:{media_type};base64,{data}"


def audio_type(audio_format: str) -> str:
    """The MIME type of `wav`, `mp3` and so on."""
    return _AUDIO_TYPES.get(audio_format, f"audio/{audio_format}")


def audio_format(media_type: str | None) -> str:
    """The short name of a MIME type; WAV where nobody said, as OpenAI's own clients send it."""
    if media_type is None:
        return "wav"
    name = media_type.partition(";")[0].strip().lower()
    return _AUDIO_FORMATS.get(name, name.removeprefix("audio/"))
