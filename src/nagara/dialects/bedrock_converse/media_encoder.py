"""Images, documents, sounds and videos as Converse's blocks.

Converse takes bytes, or an object in S3; it fetches nothing from the web and knows no ids of
files, so those are refused rather than left out. Every document needs a name: of certain characters
only, and no name twice in a request.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
"""

import base64
import re
from typing import Any

from nagara.dialects.codec import AddressField, Target, cannot_carry
from nagara.dialects.fit import name_parameter
from nagara.domain.messages import Media, MediaKind, Request

DOCUMENT_NAME_LENGTH_MAX = 200
S3 = "s3://"

FORMATS = {
    MediaKind.IMAGE: {
        "image/png": "png",
        "image/jpeg": "jpeg",
        "image/jpg": "jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
    },
    MediaKind.DOCUMENT: {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    },
    MediaKind.VIDEO: {
        "video/x-matroska": "mkv",
        "video/quicktime": "mov",
        "video/mp4": "mp4",
        "video/webm": "webm",
        "video/x-flv": "flv",
        "video/mpeg": "mpeg",
        "video/x-ms-wmv": "wmv",
        "video/3gpp": "three_gp",
    },
    MediaKind.AUDIO: {
        "audio/mpeg": "mp3",
        "audio/mp3": "mp3",
        "audio/opus": "opus",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "audio/wave": "wav",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/mp4": "mp4",
        "audio/x-m4a": "m4a",
        "audio/ogg": "ogg",
        "audio/webm": "webm",
    },
}
"""What each kind of media is called, by its MIME type."""

# What base64 of a file of each format begins with, for callers who say no MIME type.
_BEGINNINGS = {
    "iVBORw0KGg": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}
_UNFIT = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")
_BLANKS = re.compile(r"\s+")


# Nobody speaks this dialect to us.
ADDRESS_FIELDS: tuple[AddressField, ...] = ()


def needs_bytes(media: Media, target: Target) -> bool:  # noqa: ARG001 - the dialects' signature
    """Always: Converse fetches nothing from the web."""
    return True


class MediaEncoder:
    """The media of one request."""

    def __init__(self, request: Request, target: Target) -> None:
        self._target = target
        self._place = name_parameter("messages", request)
        self._uses: dict[str, int] = {}

    def encode(self, media: Media) -> dict[str, Any]:
        """A block. Raises `GatewayError` (UNSUPPORTED) for what Converse cannot be given."""
        # First, so that one which is nowhere to be had is not refused for its unknown type.
        source = self._encode_source(media)
        block: dict[str, Any] = {"format": self._find_format(media)}
        if media.kind is MediaKind.DOCUMENT:
            block["name"] = self._name(media)
            if media.has_citations:
                block["citations"] = {"enabled": True}
        block["source"] = source
        return {media.kind.value: block}

    def _find_format(self, media: Media) -> str:
        formats = FORMATS[media.kind]
        media_type = (media.media_type or "").partition(";")[0].strip().lower()
        # Whatever its sender calls it, a document that came as text is one.
        if media.text is not None and media_type not in formats:
            return "txt"
        media_type = media_type or self._guess_type(media)
        if media_type not in formats:
            what = f"of the type {media_type!r}" if media_type else "whose type nobody said"
            takes = ", ".join(formats)
            raise cannot_carry(
                f"{media.kind.value} {what} (it takes {takes})", self._place, self._target
            )
        return formats[media_type]

    def _guess_type(self, media: Media) -> str:
        ending = (media.filename or media.url or "").rpartition(".")[2].lower()
        by_format = {format_: type_ for type_, format_ in FORMATS[media.kind].items()}
        if ending in by_format:
            return by_format[ending]
        data = media.data or ""
        return next((type_ for start, type_ in _BEGINNINGS.items() if data.startswith(start)), "")

    def _encode_source(self, media: Media) -> dict[str, Any]:
        if media.text is not None:
            text = media.text.encode(errors="replace")
            return {"bytes": base64.b64encode(text).decode()}
        if media.data is not None:
            return {"bytes": media.data}
        if media.url is not None and media.url.startswith(S3):
            return {"s3Location": {"uri": media.url}}
        form = "by its address on the web" if media.url is not None else "by the id of a file"
        raise cannot_carry(f"a piece of media {form} (send its bytes)", self._place, self._target)

    def _name(self, media: Media) -> str:
        """A name that Converse takes, which no other document of the request has."""
        given = (media.filename or "").rpartition("/")[2]
        # The ending would be a dot, which no name may have; `format` says the same.
        stem, _, ending = given.rpartition(".")
        is_format = ending.lower() in FORMATS[MediaKind.DOCUMENT].values()
        fit = _BLANKS.sub(" ", _UNFIT.sub(" ", stem if is_format else given)).strip()
        base = fit[: DOCUMENT_NAME_LENGTH_MAX - 8].strip() or "Document"
        while True:
            # The name with a number may be somebody's own name too, so it is counted like one.
            uses = self._uses[base] = self._uses.get(base, 0) + 1
            if uses == 1:
                return base
            base = f"{base} ({uses})"
