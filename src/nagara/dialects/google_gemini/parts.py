"""One part of Gemini's, of a request or of an answer, as parts of the hub.

A signature may stand on a part of any kind and must come back on that very part. The hub's text has
no place for one, so a signed text is followed by a reasoning part without text that holds the
signature, marked `ON_TEXT`; one that came with an empty text is such a part without the mark.

What Google ran itself (code, searches) is kept whole, and never becomes a call for the caller.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Callable

import msgspec

from nagara.dialects.base import NOTHING
from nagara.dialects.google_gemini.signatures import STAND_IN
from nagara.dialects.google_gemini.wire import (
    NAME,
    BlobWire,
    CallWire,
    CodeWire,
    FileWire,
    PartWire,
    ResultWire,
    read,
    write,
)
from nagara.dialects.json_fields import NULL, Fields
from nagara.domain.messages import (
    Extras,
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)

ON_TEXT = ""
"""`Signature.text` of a signature that stood on the text beside it."""

HOSTED_KINDS = {
    "GOOGLE_SEARCH_WEB": HostedKind.WEB_SEARCH,
    "URL_CONTEXT": HostedKind.WEB_FETCH,
    "FILE_SEARCH": HostedKind.FILE_SEARCH,
}

_BESIDE = frozenset({"videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing"})
"""What may stand beside any kind of part, and is kept as the part's extras."""

_part_decoder = msgspec.json.Decoder(PartWire)
_fields_decoder = msgspec.json.Decoder(Fields)
_queries_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_texts_decoder = msgspec.json.Decoder(list[str])

ReadSignature = Callable[[str], Signature]


class PartReader:
    """Reads the parts of one request or answer; ids that nobody gave are made from position."""

    def __init__(self, read_signature: ReadSignature, *, makes_ids: bool) -> None:
        self._read_signature = read_signature
        self._makes_ids = makes_ids
        self._call_count = 0
        self._hosted_count = 0
        self._last_hosted_id = ""
        self._waiting: dict[str, list[str]] = {}
        """Ids of calls without a result, by the tool's name: Gemini matches by name and order."""

    def read(self, raw: msgspec.Raw) -> tuple[Part, ...]:
        """The hub's parts for one of Gemini's. Raises `msgspec.DecodeError` for a wrong one."""
        try:
            part = _part_decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # It mends what it can.
            part = read(raw, _part_decoder)
        signed = part.thought_signature
        signature = self._read_signature(signed) if signed and signed != STAND_IN else None
        if part.text is not None:
            return self._read_text(part, part.text, signature, raw)
        if part.function_call is not None:
            return (self._read_call(part.function_call, signature, raw),)
        if part.function_response is not None:
            return (self._read_result(part.function_response),)
        if part.inline_data is not None or part.file_data is not None:
            if part.thought:
                # A draft of an image: no part of what was asked for.
                return (Opaque(dialect=NAME, type="thought", raw=msgspec.Raw(raw)),)
            return (read_media(part, signature, _extras(raw)),)
        return (self._read_hosted(part, signature, raw),)

    def _read_text(
        self, part: PartWire, text: str, signature: Signature | None, raw: msgspec.Raw
    ) -> tuple[Part, ...]:
        if part.thought:
            is_redacted = not text and signature is not None
            return (Reasoning(text=text, signature=signature, is_redacted=is_redacted),)
        if signature is None:
            return (Text(text, extras=_extras(raw)),)
        if not text:
            return (Reasoning(signature=signature),)
        mark = msgspec.structs.replace(signature, text=ON_TEXT)
        return (Text(text, extras=_extras(raw)), Reasoning(signature=mark))

    def _read_call(self, call: CallWire, signature: Signature | None, raw: msgspec.Raw) -> ToolCall:
        id_ = call.id or ""
        if not id_ and self._makes_ids:
            id_ = f"call_{self._call_count}"
        self._call_count += 1
        self._waiting.setdefault(call.name, []).append(id_)
        return ToolCall(
            id=id_,
            name=call.name,
            arguments=bytes(args).decode() if (args := _present(call.args)) else "{}",
            signature=signature,
            extras=_extras(raw),
        )

    def _read_result(self, result: ResultWire) -> ToolResult:
        waiting = self._waiting.get(result.name, [])
        call_id = result.id or (waiting[0] if waiting else result.name)
        if call_id in waiting:
            waiting.remove(call_id)
        response = _present(result.response)
        text, is_error = _read_output(response)
        # The very object goes back to Gemini, where the text alone would not make it again.
        extras: Extras = {}
        if response and not _makes(text or "", response, is_error=is_error):
            extras = {"response": msgspec.Raw(response)}
        parts: list[Text | Media | Opaque] = [Text(text)] if text is not None else []
        for raw_part in result.parts or ():
            part = read(raw_part, _part_decoder)
            if part.inline_data is None and part.file_data is None:
                parts.append(Opaque(dialect=NAME, type="part", raw=msgspec.Raw(raw_part)))
            else:
                parts.append(read_media(part, None, _extras(raw_part)))
        return ToolResult(
            call_id=call_id,
            name=result.name,
            parts=tuple(parts),
            is_error=is_error,
            extras=extras,
        )

    def _read_hosted(self, part: PartWire, signature: Signature | None, raw: msgspec.Raw) -> Part:
        kept = msgspec.Raw(raw)
        if (code := part.executable_code) is not None:
            said = {"code": code.code or "", "language": (code.language or "PYTHON").lower()}
            return HostedCall(
                id=self._hosted_id(code.id),
                kind=HostedKind.CODE_EXECUTION,
                name="code_execution",
                arguments=write(said).decode(),
                dialect=NAME,
                raw=kept,
                signature=signature,
            )
        if (done := part.code_execution_result) is not None:
            return self._read_code_result(done, signature, kept)
        if (call := part.tool_call) is not None:
            return HostedCall(
                id=self._hosted_id(call.id),
                kind=HOSTED_KINDS.get(call.tool_type or "", HostedKind.OTHER),
                name=(call.tool_type or "tool").lower(),
                arguments=_read_query(_present(call.args)),
                dialect=NAME,
                raw=kept,
                signature=signature,
            )
        if (result := part.tool_response) is not None:
            return HostedResult(
                call_id=result.id or self._last_hosted_id,
                kind=HOSTED_KINDS.get(result.tool_type or "", HostedKind.OTHER),
                name=(result.tool_type or "tool").lower(),
                output=bytes(given).decode() if (given := _present(result.response)) else None,
                dialect=NAME,
                raw=kept,
                signature=signature,
            )
        if signature is not None and len(read(raw, _fields_decoder)) == 1:
            return Reasoning(signature=signature)
        return Opaque(dialect=NAME, type=_type_of(raw), raw=kept)

    def _read_code_result(
        self, done: CodeWire, signature: Signature | None, raw: msgspec.Raw
    ) -> HostedResult:
        return HostedResult(
            call_id=done.id or self._last_hosted_id,
            kind=HostedKind.CODE_EXECUTION,
            name="code_execution",
            output=done.output or "",
            is_error=done.outcome not in (None, "OUTCOME_OK"),
            dialect=NAME,
            raw=raw,
            signature=signature,
        )

    def _hosted_id(self, given: str | None) -> str:
        self._hosted_count += 1
        self._last_hosted_id = given or f"hosted_{self._hosted_count}"
        return self._last_hosted_id


def read_media(part: PartWire, signature: Signature | None, extras: Extras) -> Media:
    """The media of a part that has some."""
    held: BlobWire | FileWire | None = part.inline_data or part.file_data
    mime = held.mime_type if held is not None else None
    data = url = file_id = None
    if part.inline_data is not None:
        # Google's own SDK writes the alphabet of URLs, and Gemini reads both; all others read the
        # standard one alone (RFC 4648, sections 4 and 5).
        data = part.inline_data.data.replace("-", "+").replace("_", "/")
    elif part.file_data is not None:
        address = part.file_data.file_uri
        # What lies in Google's own storage can be fetched by Google alone.
        is_held = address.startswith("gs://") or "generativelanguage.googleapis.com/" in address
        file_id, url = (address, None) if is_held else (None, address)
    return Media(
        kind=kind_of(mime, url),
        media_type=mime,
        data=data,
        url=url,
        file_id=file_id,
        filename=held.display_name if held is not None else None,
        signature=signature,
        extras=extras,
    )


def kind_of(media_type: str | None, url: str | None) -> MediaKind:
    """What a MIME type is of; an address without one is a video, as those of YouTube are."""
    if media_type is None:
        return MediaKind.VIDEO if url else MediaKind.DOCUMENT
    family = media_type.partition("/")[0]
    return MediaKind(family) if family in ("image", "audio", "video") else MediaKind.DOCUMENT


def _present(raw: msgspec.Raw) -> msgspec.Raw:
    """An object that may be null, which says no more than nothing."""
    return NOTHING if raw == NULL else raw


def _extras(raw: msgspec.Raw) -> Extras:
    """What stands beside a part's kind. Nearly no part has any, so the bytes are asked first."""
    data = bytes(raw)
    if b"Metadata" not in data and b"media" not in data:
        return {}
    return {key: value for key, value in read(raw, _fields_decoder).items() if key in _BESIDE}


def _type_of(raw: msgspec.Raw) -> str:
    fields = read(raw, _fields_decoder)
    return next((name for name in fields if name not in ("thought", "thoughtSignature")), "part")


def _read_output(response: msgspec.Raw) -> tuple[str | None, bool]:
    """A tool's result as text: the `output`, `result` or `error` of it, or all of it."""
    if not response:
        return None, False
    try:
        fields = read(response, _fields_decoder)
    except msgspec.DecodeError:
        fields = {}
    if len(fields) == 1:
        name, raw = next(iter(fields.items()))
        if name in ("output", "result", "error"):
            return _plain_text(raw), name == "error"
    return bytes(response).decode(), False


def _makes(text: str, response: msgspec.Raw, *, is_error: bool) -> bool:
    """Whether the object is what is made of the text for Gemini."""
    said = {"error" if is_error else "output": text}
    try:
        return read(response, _texts_by_name_decoder) == said
    except msgspec.DecodeError:
        return False


def _plain_text(raw: msgspec.Raw) -> str:
    try:
        return read(raw, _text_decoder)
    except msgspec.DecodeError:
        return bytes(raw).decode()


_text_decoder = msgspec.json.Decoder(str)
_texts_by_name_decoder = msgspec.json.Decoder(dict[str, str])


def _read_query(args: msgspec.Raw) -> str:
    """A search's arguments with its first query under the name that the hub gives it."""
    if not args:
        return "{}"
    fields = read(args, _queries_decoder)
    try:
        queries = read(fields.get("queries", msgspec.Raw(b"[]")), _texts_decoder)
    except msgspec.DecodeError:
        queries = []
    return write({"query": queries[0], **fields} if queries else fields).decode()
