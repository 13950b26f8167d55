"""The conversation to Gemini's `contents`: turns of `user` and `model`, each of whole parts.

Neighbours of one role are one content, but results of tools have one to themselves, before all
else that the user says: a content that mixes them with other parts is not read as the user's. A
result finds its call by its id and the tool's name, so the name is looked up where it was left out.

https://ai.google.dev/gemini-api/docs/function-calling
"""

from typing import Any

import msgspec

from nagara.dialects.codec import AddressField, Target, can_read
from nagara.dialects.fit import cannot_take
from nagara.dialects.google_gemini.parts import ON_TEXT
from nagara.dialects.google_gemini.signatures import STAND_IN
from nagara.dialects.google_gemini.thinking import is_strict
from nagara.dialects.google_gemini.wire import NAME, read
from nagara.dialects.json_fields import Fields
from nagara.domain.abilities import Ability
from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)

_TYPES = {
    MediaKind.IMAGE: "image/png",
    MediaKind.AUDIO: "audio/wav",
    MediaKind.VIDEO: "video/mp4",
    MediaKind.DOCUMENT: "application/pdf",
}
_TYPES_BY_ENDING = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
    "gif": "image/gif", "heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf",
    "txt": "text/plain", "md": "text/markdown", "html": "text/html", "csv": "text/csv",
    "json": "application/json", "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg",
    "flac": "audio/flac", "aac": "audio/aac", "m4a": "audio/mp4", "mp4": "video/mp4",
    "mov": "video/quicktime", "webm": "video/webm", "mpeg": "video/mpeg",
}  # fmt: skip

# A file's MIME type stands beside its address, where its caller has to know it.
ADDRESS_FIELDS: tuple[AddressField, ...] = ()

_fields_decoder = msgspec.json.Decoder(Fields)

Wired = dict[str, Any]


def needs_bytes(media: Media, target: Target) -> bool:
    """Whether Gemini can be given this media only as bytes.

    It fetches pictures, videos and documents, and wants to be told of what type each is. A video
    without a type is a page of YouTube, of which there are no bytes.
    https://ai.google.dev/gemini-api/docs/file-input-methods
    """
    said = media.media_type or _ending_type(media.url or "") or ""
    match media.kind:
        case MediaKind.VIDEO:
            return not target.can(Ability.IMAGE_URLS)
        case MediaKind.AUDIO:
            return True
        case MediaKind.IMAGE:
            return not (target.can(Ability.IMAGE_URLS) and said.startswith("image/"))
    return not (target.can(Ability.FILE_URLS) and said)


class ContentEncoder:
    """Encodes the messages of one request. `dropped` names what had no place."""

    def __init__(self, request: Request, target: Target) -> None:
        self.dropped: list[str] = []
        self._request = request
        self._target = target
        self._is_own = request.dialect == NAME
        self._names: dict[str, str] = {}
        self._contents: list[Wired] = []
        self._stand_ins: list[list[Wired]] = []

    def encode(self) -> tuple[list[Wired], list[Wired]]:
        """The parts of the system instruction, and the contents."""
        messages = self._request.messages
        count = next(
            (i for i, m in enumerate(messages) if m.role not in (Role.SYSTEM, Role.DEVELOPER)),
            len(messages),
        )
        system = [
            self._encode_instruction(part) for message in messages[:count] for part in message.parts
        ]
        turn: list[Message] = []
        for message in messages[count:]:
            if turn and _speaks_as_model(turn[-1]) != _speaks_as_model(message):
                self._add_turn(turn)
                turn = []
            turn.append(message)
        if turn:
            self._add_turn(turn)
        self._put_stand_ins()
        return system, self._contents

    def _encode_instruction(self, part: Part) -> Wired:
        if not isinstance(part, Text | Refusal):
            raise cannot_take(
                "instructions that are not text", self._request, self._target, "system"
            )
        return {"text": part.text}

    def _add_turn(self, turn: list[Message]) -> None:
        parts = [part for message in turn for part in message.parts]
        if _speaks_as_model(turn[0]):
            self._add_model_turn(parts)
            return
        results: list[Wired] = []
        others: list[Wired] = []
        for part in parts:
            if isinstance(part, ToolResult):
                self._encode_result(part, results, others)
            else:
                others += self._encode_part(part)
        if results:
            self._contents.append({"parts": results, "role": "user"})
        if others:
            self._contents.append({"parts": others, "role": "user"})
            if not results:
                # What came before is settled: only calls after it need their signatures.
                self._stand_ins.clear()

    def _add_model_turn(self, parts: list[Part]) -> None:
        made: list[Wired] = []
        calls: list[Wired] = []
        pending: str | None = None
        for part in parts:
            if isinstance(part, Reasoning) and not part.text:
                pending = self._place_signature(part, made, pending)
                continue
            encoded = self._encode_part(part)
            if pending is not None and encoded:
                # Signed by the part before it, in the order of a dialect that puts signatures
                # first.
                encoded[0].setdefault("thoughtSignature", pending)
                pending = None
            if isinstance(part, ToolCall):
                calls += encoded
            made += encoded
        if pending is not None:
            made.append({"text": "", "thoughtSignature": pending})
        if calls:
            self._stand_ins.append(calls)
        if made:
            self._contents.append({"parts": made, "role": "model"})

    def _place_signature(
        self, part: Reasoning, made: list[Wired], pending: str | None
    ) -> str | None:
        """Put a signature back on its text; one that waits for the part after it is given back."""
        if not self._can_read(part.signature):
            if part.signature is not None:
                self.dropped.append("reasoning")
            return pending
        assert part.signature is not None
        value = part.signature.value
        if part.is_redacted:
            made.append({"text": "", "thought": True, "thoughtSignature": value})
        elif part.signature.text != ON_TEXT:
            made.append({"text": "", "thoughtSignature": value})
        elif made and "text" in made[-1] and "thoughtSignature" not in made[-1]:
            made[-1]["thoughtSignature"] = value
        else:
            return value
        return pending

    def _can_read(self, signature: Signature | None) -> bool:
        return can_read(signature, self._request, NAME, self._target)

    def _put_stand_ins(self) -> None:
        """The first call of each step of the current turn must have a signature, or a stand-in.

        https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
        """
        if not is_strict(self._target.model):
            return
        for calls in self._stand_ins:
            if not any("thoughtSignature" in call for call in calls):
                calls[0]["thoughtSignature"] = STAND_IN

    def _encode_part(self, part: Part) -> list[Wired]:
        match part:
            case Text():
                return self._encode_text(part)
            case ToolCall():
                return [self._encode_call(part)]
            case Media():
                return [self._encode_media(part)]
            case Reasoning():
                return self._encode_reasoning(part)
            case Refusal():
                return [{"text": part.text}]
            case HostedCall() | HostedResult():
                return self._encode_hosted(part)
            case Opaque():
                if part.dialect == NAME:
                    return [dict(read(part.raw, _fields_decoder).items())]
                self.dropped.append(part.type)
        return []

    def _encode_text(self, part: Text) -> list[Wired]:
        if part.citations:
            self.dropped.append("citations")
        extras = self._own_extras(part.extras)
        return [{"text": part.text, **extras}] if part.text or self._is_own else []

    def _own_extras(self, extras: Any) -> Any:
        if self._is_own or not extras:
            return extras
        self.dropped.extend(extras)
        return {}

    def _encode_reasoning(self, part: Reasoning) -> list[Wired]:
        made: Wired = {"text": part.text, "thought": True}
        if self._can_read(part.signature):
            assert part.signature is not None
            return [made | {"thoughtSignature": part.signature.value}]
        if self._is_own and part.signature is None:
            return [made]
        self.dropped.append("reasoning")
        return []

    def _encode_call(self, call: ToolCall) -> Wired:
        self._names[call.id] = call.name
        said: Wired = {"name": call.name, "args": _as_object(call.arguments)}
        if call.id:
            said["id"] = call.id
        made: Wired = {"functionCall": said, **self._own_extras(call.extras)}
        if self._can_read(call.signature):
            assert call.signature is not None
            made["thoughtSignature"] = call.signature.value
        return made

    def _encode_result(self, result: ToolResult, results: list[Wired], others: list[Wired]) -> None:
        name = result.name or self._names.get(result.call_id) or result.call_id
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if isinstance(part, Media)]
        said: Wired = {"name": name, "response": self._encode_output(result, "\n".join(texts))}
        if result.call_id:
            said["id"] = result.call_id
        if media and self._is_own:
            said["parts"] = [self._encode_media(part) for part in media]
        elif media:
            # Not every model takes media inside a result, and all of them beside it.
            others.append({"text": f"What the tool {name!r} gave ({result.call_id}):"})
            others += [self._encode_media(part) for part in media]
        self.dropped.extend(p.type for p in result.parts if isinstance(p, Opaque))
        results.append({"functionResponse": said})

    def _encode_output(self, result: ToolResult, text: str) -> Any:
        if self._is_own and (response := result.extras.get("response")) is not None:
            return response
        return {"error" if result.is_error else "output": text}

    def _encode_hosted(self, part: HostedCall | HostedResult) -> list[Wired]:
        if part.dialect != NAME:
            self.dropped.append(part.name)
        elif part.raw is not None:
            fields: Wired = dict(read(part.raw, _fields_decoder).items())
            if part.signature is not None and not self._can_read(part.signature):
                fields.pop("thoughtSignature", None)
            return [fields]
        # Without `raw` it was told from metadata, which Gemini does not want back.
        return []

    def _encode_media(self, media: Media) -> Wired:
        made = self._address(media) | dict(self._own_extras(media.extras))
        if self._can_read(media.signature):
            assert media.signature is not None
            made["thoughtSignature"] = media.signature.value
        if media.detail not in (None, "auto"):
            self.dropped.append("detail")
        if media.filename is not None and media.text is None:
            # Vertex alone takes a `displayName`; the Gemini API refuses it.
            self.dropped.append("filename")
        return made

    def _address(self, media: Media) -> Wired:
        if media.text is not None:
            # A text document is read as text, whichever way it comes; its title stays with it.
            title = f"{media.filename}\n\n" if media.filename else ""
            return {"text": title + media.text}
        if media.data is not None:
            mime = media.media_type or _TYPES[media.kind]
            return {"inlineData": {"mimeType": mime, "data": media.data}}
        address = media.url or media.file_id or ""
        if address.startswith("data:"):
            head, _, data = address[5:].partition(",")
            mime = head.partition(";")[0] or _TYPES[media.kind]
            return {"inlineData": {"mimeType": mime, "data": data}}
        if not address.startswith(("https://", "http://", "gs://")):
            raise cannot_take("a file that another provider keeps", self._request, self._target)
        named: Wired = {"fileUri": address}
        if kind := media.media_type or _type_of_address(address, media.kind):
            named["mimeType"] = kind
        return {"fileData": named}


def _speaks_as_model(message: Message) -> bool:
    return message.role is Role.ASSISTANT


def _type_of_address(address: str, kind: MediaKind) -> str | None:
    """The MIME type that a file's ending tells; a video without one may be a page of YouTube."""
    found = _ending_type(address)
    if kind is MediaKind.IMAGE and found is not None and not found.startswith("image/"):
        # What is held for is an image, and a document would be read as one if it were said to be.
        found = None
    return found if kind is MediaKind.VIDEO else found or _TYPES[kind]


def _ending_type(address: str) -> str | None:
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    return _TYPES_BY_ENDING.get(ending)


def _as_object(arguments: str) -> Any:
    """Arguments as the JSON object that Gemini wants; any other text is put into one."""
    try:
        read(arguments.encode(errors="replace") or b"{}", _fields_decoder)
    except msgspec.DecodeError:
        return {"input": arguments}
    return msgspec.Raw(arguments.encode(errors="replace") or b"{}")
