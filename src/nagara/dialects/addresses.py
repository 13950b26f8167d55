"""Media that a request gives by an address or as base64: what has to be fetched, and put in.

A part that is given by its address on the web is handed on so where the provider fetches it; where
it does not, the file has to be fetched first, and stands in the request as base64 from then on.
Who fetches is no matter here: `resolve_media` names what it wants, and is asked again with it. A
`data:` URL is no address but the file itself. What is no base64 is refused before it is sent, and
so is a part that is said to be an image and is something else: what is held for is an image.
"""

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from nagara.dialects.codec import AddressField, Outbound, Target
from nagara.dialects.fit import PARAMETERS, map_parts, name_parameter
from nagara.dialects.json_fields import Fields, decode_untyped
from nagara.dialects.media_types import FileType, sniff_base64
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import Media, MediaKind, Opaque, Part, Request, Text, ToolResult

SHOWN_CHARACTERS_MAX = 80
"""How much of an address an error repeats."""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS = b" \t\r\n"
_ESCAPES = {"%3D": "=", "%2B": "+", "%2F": "/", "%0D": "", "%0A": "", "%20": ""}
"""What base64 has in an address where it is escaped; anything else is foreign to it."""
ESCAPED_CHARACTERS_MAX = 2**20
"""Of a `data:` URL that is not base64. Each of its bytes is looked at alone, so that is slow."""


class Wanted(msgspec.Struct, frozen=True):
    """A file to fetch: its address, the kind that it must be of, and the caller's parameter.

    A document may turn out to be of any kind.
    """

    url: str
    kind: MediaKind
    param: str


class FetchedFile(msgspec.Struct, frozen=True):
    """A file that was fetched: what it is by its first bytes, and all of them in base64."""

    type: FileType
    data: str


Fetched = Mapping[str, FetchedFile]
"""Files by their addresses."""


_STAND_INS = {
    MediaKind.IMAGE: "image/png",
    MediaKind.AUDIO: "audio/wav",
    MediaKind.VIDEO: "video/mp4",
    MediaKind.DOCUMENT: "application/pdf",
}
_STAND_IN_DATA = "AAAA"


class Resolved(msgspec.Struct, frozen=True):
    """A request whose media the target can be given, unless something is `wanted` first.

    Then a few bytes stand in for that, so that the rest of the request can be tried already.
    """

    request: Request
    wanted: tuple[Wanted, ...] = ()


def is_web(url: str | None) -> bool:
    """Whether it is an address on the web."""
    return url is not None and url[:8].lower().startswith(("https://", "http://"))


def resolve_media(
    request: Request, upstream: Outbound, target: Target, fetched: Fetched | None, fields: Fields
) -> Resolved:
    """The request with the files that were fetched in it, and what else has to be.

    `fetched` of None says that nothing can be: an address stays one, for the encoder to refuse.
    `fields` are those of the caller's body, in whose words an error names the parameter. Raises
    `GatewayError` (INVALID_REQUEST) for base64 that is none, or an image that is none.
    """
    if not _has_media(request):
        return Resolved(request)
    resolving = _Resolving(request, upstream, target, fetched, fields)
    messages = map_parts(request.messages, resolving.resolve)
    if not resolving.is_changed:
        return Resolved(request)
    resolved = msgspec.structs.replace(request, messages=messages)
    return Resolved(resolved, resolving.find_wanted())


def _has_media(request: Request) -> bool:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media):
                return True
            if isinstance(part, ToolResult):
                for inner in part.parts:
                    if isinstance(inner, Media):
                        return True
    return False


def has_untaken(request: Request, upstream: Outbound, target: Target) -> bool:
    """Whether there is media by an address that the target does not take so."""
    return any(
        is_web(media.url) and upstream.needs_bytes(media, target)
        for message in request.messages
        for part in message.parts
        for media in (part.parts if isinstance(part, ToolResult) else (part,))
        if isinstance(media, Media)
    )


class _Resolving:
    def __init__(
        self,
        request: Request,
        upstream: Outbound,
        target: Target,
        fetched: Fetched | None,
        fields: Fields,
    ) -> None:
        self.is_changed = False
        self._request = request
        self._upstream = upstream
        self._target = target
        self._fetched = fetched
        self._fields = fields
        # In the order in which they are named, each once.
        self._wanted: dict[tuple[str, MediaKind], None] = {}

    def find_wanted(self) -> tuple[Wanted, ...]:
        """What has to be fetched. Where it stands is looked up once for all: there may be many."""
        if not self._wanted:
            return ()
        places = locate_all(self._fields, frozenset(url for url, _ in self._wanted))
        name = name_parameter("messages", self._request)
        return tuple(Wanted(url, kind, places.get(url, name)) for url, kind in self._wanted)

    def resolve(self, part: Part) -> Part:
        """The part, or the same with its file in it."""
        if isinstance(part, Media):
            media = self._resolve_media(part)
            self.is_changed |= media is not part
            return media
        if isinstance(part, ToolResult) and any(isinstance(inner, Media) for inner in part.parts):
            self.is_changed = True
            return msgspec.structs.replace(part, parts=tuple(map(self._resolve_inner, part.parts)))
        return part

    def _resolve_inner(self, part: Text | Media | Opaque) -> Text | Media | Opaque:
        return self._resolve_media(part) if isinstance(part, Media) else part

    def _resolve_media(self, media: Media) -> Media:
        if media.url is not None and media.url[:5].lower() == "data:":
            return self._check_data(self._read_data_url(media, media.url), media.url)
        if media.data is not None:
            return self._check_data(media, media.data)
        if self._fetched is None or media.url is None or not is_web(media.url):
            return media
        if not self._upstream.needs_bytes(media, self._target):
            return media
        file = self._fetched.get(media.url)
        if file is None:
            self._wanted[media.url, media.kind] = None
            return msgspec.structs.replace(
                media, media_type=_STAND_INS[media.kind], data=_STAND_IN_DATA, url=None
            )
        found = file.type
        if media.kind not in (found.kind, MediaKind.DOCUMENT):
            check_kind(found, media.kind, self._locate(media.url), media.url)
        return msgspec.structs.replace(
            media, kind=found.kind, media_type=found.media_type, data=file.data, url=None
        )

    def _read_data_url(self, media: Media, url: str) -> Media:
        head, comma, data = url[5:].partition(",")
        if not comma:
            raise self._wrong(url, "is no data: URL: there is no comma before its data.")
        media_type = head.partition(";")[0].strip() or media.media_type
        if not head.lower().endswith(";base64"):
            if len(data) > ESCAPED_CHARACTERS_MAX:
                most = f"{ESCAPED_CHARACTERS_MAX} characters that are not base64"
                raise self._wrong(url, f"is a data: URL with more than {most}; send it as base64.")
            data = binascii.b2a_base64(unquote_to_bytes(data), newline=False).decode()
        return msgspec.structs.replace(media, url=None, data=data, media_type=media_type)

    def _check_data(self, media: Media, given: str) -> Media:
        """The media with base64 that every provider reads. `given` is the caller's text of it."""
        data = media.data or ""
        if "%" in data:
            for escaped, character in _ESCAPES.items():
                data = data.replace(escaped, character).replace(escaped.lower(), character)
        left = data.encode(errors="replace").translate(None, _ALPHABET)
        padding = left.translate(None, _BLANKS).decode()
        if len(padding) != len(left):
            data = data.encode(errors="replace").translate(None, _BLANKS).decode()
        if padding not in ("", "=", "==") or not data.endswith(padding):
            raise self._wrong(given, "is not base64: there are other characters in it.")
        digits = len(data) - len(padding)
        if not digits:
            raise self._wrong(given, "is empty; it must be a file in base64.")
        if digits % 4 == 1 or (padding and len(data) % 4):
            raise self._wrong(given, "is not base64: it is not whole.")
        # Without its padding it is still clear, but not every provider reads it.
        data += "=" * (-len(data) % 4)
        if media.kind is MediaKind.IMAGE:
            media = self._check_image(media, data, given)
        return media if data == media.data else msgspec.structs.replace(media, data=data)

    def _check_image(self, media: Media, data: str, given: str) -> Media:
        said = (media.media_type or "").partition(";")[0].strip().lower()
        found = sniff_base64(data, media.kind)
        if found is not None and found.kind is not MediaKind.IMAGE:
            raise self._wrong(given, f"must be an image, and is {found.media_type}.")
        if said and not said.startswith("image/"):
            if found is None:
                raise self._wrong(given, f"must be an image, and is said to be {said[:80]!r}.")
            return msgspec.structs.replace(media, media_type=found.media_type)
        if said.startswith("image/svg"):
            raise self._wrong(given, "is an SVG, which no model reads; send it as PNG or JPEG.")
        return media

    def _locate(self, text: str) -> str:
        return locate(self._fields, text) or name_parameter("messages", self._request)

    def _wrong(self, text: str, what: str) -> GatewayError:
        param = self._locate(text)
        return GatewayError(ErrorKind.INVALID_REQUEST, f"{param!r} {what}", param=param)


def check_kind(found: FileType, asked: MediaKind, param: str, url: str) -> None:
    """Raise `GatewayError` for a file that is not of the kind that its part is of.

    A document may be a file of any kind: clients send pictures and sound as files, too.
    """
    if asked in (found.kind, MediaKind.DOCUMENT):
        return
    article = "an" if asked.value[0] in "aeiou" else "a"
    raise GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"{param!r} must be {article} {asked.value} file, and {show(url)} is {found.media_type}.",
        param=param,
    )


def show(url: str) -> str:
    """An address as an error may repeat it: without its query, which may hold a signature."""
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    if "@" in plain:
        # A password, perhaps.
        plain = re.sub(r"//[^/]*@", "//…@", plain)
    cut = plain[:SHOWN_CHARACTERS_MAX]
    return repr(cut if cut == plain else cut + "…")


def locate(fields: Fields, text: str) -> str | None:
    """Where in a body a text stands, such as `messages[0].content[1].image_url.url`.

    It is the value itself, or the data of a `data:` URL. None if it is nowhere.
    """
    for path, value in _walk(fields):
        if value == text or (value.startswith("data:") and value.endswith("," + text)):
            return path
    return None


def locate_all(fields: Fields, texts: frozenset[str]) -> Mapping[str, str]:
    """Where in a body each of these texts stands first, in one pass; without those nowhere."""
    places: dict[str, str] = {}
    for path, value in _walk(fields):
        if value in texts and value not in places:
            places[value] = path
            if len(places) == len(texts):
                break
    return places


def _walk(fields: Fields) -> Iterator[tuple[str, str]]:
    """Each text of a body and its place, in order."""
    for name, raw in fields.items():
        try:
            rest = [(name, decode_untyped(bytes(raw)))]
        except ValueError:
            continue
        while rest:
            path, value = rest.pop()
            if isinstance(value, str):
                yield path, value
            elif isinstance(value, dict):
                rest += [(f"{path}.{key}", item) for key, item in reversed(value.items())]
            elif isinstance(value, list):
                rest += [(f"{path}[{i}]", item) for i, item in reversed(list(enumerate(value)))]


def may_need_bytes(
    conversation: bytes,
    address_fields: tuple[AddressField, ...],
    is_taken: Callable[[AddressField], bool],
) -> bool:
    """Whether a conversation seems to have an address that its provider does not take.

    Asked of every request that is forwarded as it is, so it is told from the bytes: to be certain
    the request has to be decoded.
    """
    return any(
        field.mark in conversation
        and not is_taken(field)
        and _pattern(field.names).search(conversation) is not None
        for field in address_fields
    )


# A key that ends in `url` has these letters in it, as they are or as escapes of JSON's.
_HIDDEN = re.compile(rb"\\u00(?:75|72|6[cC])")
_CONTROLS = "".join(map(chr, range(0x21)))
_QUOTED = frozenset(
    {
        "tool_use", "server_tool_use", "url_citation", "web_search_call", "web_search_result",
        "web_search_result_location", "web_fetch_result",
    }
)  # fmt: skip
"""Parts that only speak of addresses: what a model calls a tool with, and what it quotes."""


def find_address(conversation: bytes, name: str = "") -> str | None:
    """An address that a server would find in a conversation, in however odd a form; None for none.

    `name` is that of the field which holds it.

    For servers that fetch what they find in their operator's own network, and must not be given
    any: so it is not asked what this gateway takes for media, but only what is certainly none.
    Raises `GatewayError` (INVALID_REQUEST) for what is nested too deeply to tell.
    """
    is_named = name.lower().endswith("url")
    if not is_named and b'url"' not in conversation and _HIDDEN.search(conversation) is None:
        return None
    try:
        rest = [(name, decode_untyped(conversation))]
    except ValueError as error:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"The conversation cannot be read: {error}."
        ) from error
    while rest:
        name, value = rest.pop()
        if isinstance(value, str):
            if name.lower().endswith("url") and _is_address(value):
                return value
        elif isinstance(value, list):
            rest += [(name, item) for item in value]
        elif isinstance(value, dict) and str(value.get("type")) not in _QUOTED:
            rest += value.items()
    return None


def _is_address(value: str) -> bool:
    # Base64 has no colon. Blanks before an address are taken off by many who fetch.
    return ":" in value and value.lstrip(_CONTROLS)[:5].lower() != "data:"


def refuse_address(fields: Fields, url: str, conversation: str) -> GatewayError:
    """The error of an address that can neither be fetched here nor given to the server."""
    param = locate(fields, url) or conversation
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"{param!r} must be an https:// address or a data: URL in a part that is known here, and "
        f"is {show(url)}. The server is given no address.",
        param=param,
    )


@lru_cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[bytes]:
    either = "|".join(map(re.escape, names))
    return re.compile(rf'"(?:{either})"\s*:\s*"https?:'.encode(), re.IGNORECASE)


def conversation_field(dialect: str) -> str:
    """What a dialect calls its messages."""
    return PARAMETERS["messages"].get(dialect, "messages")
