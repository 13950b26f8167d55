"""Messages of Chat Completions requests: turns of the canonical conversation.

A `tool` message is a result that the user gives. The deprecated `function_call` and the `function`
message that answers it have no id, so theirs is made of their place; a call and its result are
found together by the function's name.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import msgspec

from nagara.dialects import envelope
from nagara.dialects.openai_chat.citations import decode_annotation
from nagara.dialects.openai_chat.hosted import decode_executed, executed_decoder
from nagara.dialects.openai_chat.media import decode_image
from nagara.dialects.openai_chat.part_decoder import decode_part, read_extras
from nagara.dialects.openai_chat.reasoning_details import decode_detail
from nagara.dialects.openai_chat.replay import BLOCK_FORMAT, CALL_FORMAT, decode_block
from nagara.dialects.openai_chat.request_wire import (
    MESSAGE_FIELDS,
    EarlierCallWire,
    MessageInWire,
    decode_at,
    wrong_value,
)
from nagara.domain.messages import (
    NO_EXTRAS,
    Extras,
    Media,
    MediaKind,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)

_message_decoder = msgspec.json.Decoder(MessageInWire)
_call_decoder = msgspec.json.Decoder(EarlierCallWire)
_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.USER,
    "function": Role.USER,
}


def decode_messages(raws: list[msgspec.Raw]) -> tuple[Message, ...]:
    """The conversation. Raises `GatewayError` that names the wrong field by its path."""
    reader = _Reader()
    return tuple(reader.read(raw, f"messages[{index}]") for index, raw in enumerate(raws))


class _Reader:
    """Reads messages in order, and remembers the ids it made for calls that had none."""

    def __init__(self) -> None:
        self._made_ids: dict[str, str] = {}
        self._made_count = 0
        self._custom_ids: set[str] = set()

    def read(self, raw: msgspec.Raw, path: str) -> Message:
        said = decode_at(raw, _message_decoder, path)
        known = MESSAGE_FIELDS.get(said.role)
        if known is None:
            roles = ", ".join(MESSAGE_FIELDS)
            raise wrong_value(f"{path}.role", f"unknown role {said.role!r}. It is one of {roles}.")
        extras = read_extras(raw, known)
        if said.role == "assistant":
            parts = self._read_assistant(said, path)
        elif said.role in ("tool", "function"):
            parts, extras = (self._read_result(said, path, extras),), NO_EXTRAS
        else:
            parts = _read_content(said, path)
        is_result = said.role in ("tool", "function")
        return Message(_ROLES[said.role], parts, None if is_result else said.name, extras)

    def _read_result(self, said: MessageInWire, path: str, extras: Extras) -> ToolResult:
        call_id = said.tool_call_id
        if said.role == "function":
            if said.name is None:
                raise wrong_value(f"{path}.name", "a function message must name its function.")
            call_id = self._made_ids.get(said.name, "")
        elif call_id is None:
            what = "a tool message must name the call that it answers."
            raise wrong_value(f"{path}.tool_call_id", what)
        parts = tuple(
            part for part in _read_content(said, path) if isinstance(part, Text | Media | Opaque)
        )
        return ToolResult(
            call_id=call_id or "",
            parts=parts,
            name=said.name,
            kind=ToolKind.CUSTOM if call_id in self._custom_ids else ToolKind.FUNCTION,
            extras=extras,
        )

    def _read_assistant(self, said: MessageInWire, path: str) -> tuple[Part, ...]:
        parts: list[Part] = list(_read_reasoning(said))
        for index, raw in enumerate(said.executed_tools or ()):
            executed = decode_at(raw, executed_decoder, f"{path}.executed_tools[{index}]")
            parts += decode_executed(executed, raw)
        content = _read_content(said, path)
        parts += _cite(content, said)
        if said.refusal:
            parts.append(Refusal(said.refusal))
        parts += (decode_image(x.image_url.url) for x in said.images or () if x.image_url)
        if said.audio is not None:
            parts.append(Media(kind=MediaKind.AUDIO, file_id=said.audio.id))
        signatures = _read_call_signatures(said)
        for index, raw in enumerate(said.tool_calls or ()):
            call_path = f"{path}.tool_calls[{index}]"
            call = _read_call(decode_at(raw, _call_decoder, call_path), call_path)
            if call.kind is ToolKind.CUSTOM:
                self._custom_ids.add(call.id)
            signature = call.signature or signatures.get(call.id)
            parts.append(msgspec.structs.replace(call, signature=signature) if signature else call)
        if said.function_call is not None:
            called = said.function_call
            self._made_ids[called.name] = call_id = f"call_{self._made_count}"
            self._made_count += 1
            parts.append(ToolCall(id=call_id, name=called.name, arguments=called.arguments))
        return tuple(parts)


def _read_content(said: MessageInWire, path: str) -> tuple[Part, ...]:
    content = said.content
    if isinstance(content, str):
        # An assistant's empty text beside its calls says nothing.
        return (Text(content),) if content or said.role != "assistant" else ()
    if content is None:
        if said.role == "assistant":
            return ()
        raise wrong_value(f"{path}.content", f"a message of role {said.role!r} must have it.")
    return tuple(decode_part(raw, f"{path}.content[{i}]") for i, raw in enumerate(content))


def _cite(content: tuple[Part, ...], said: MessageInWire) -> tuple[Part, ...]:
    """The content with the annotations that clients send back with it."""
    citations = tuple(
        citation
        for annotation in said.annotations or ()
        if (citation := decode_annotation(annotation)) is not None
    )
    # Their positions count the whole content, so only a single text can have them.
    if citations and len(content) == 1 and isinstance(content[0], Text):
        return (msgspec.structs.replace(content[0], citations=citations),)
    return content


def _read_reasoning(said: MessageInWire) -> list[Part]:
    """Reasoning, and blocks that were kept with it. Plain text counts where no detail has any."""
    parts: list[Part] = []
    has_text = False
    for detail in said.reasoning_details or ():
        if detail.format == BLOCK_FORMAT:
            if (block := decode_block(detail)) is not None:
                parts.append(block)
        elif detail.format != CALL_FORMAT:
            parts.append(decode_detail(detail, ""))
            has_text = has_text or bool(detail.text or detail.summary)
    # Clients that keep the plain text often keep the details too, which say the same.
    plain = said.reasoning_content or said.reasoning
    if plain and not has_text:
        parts.insert(0, Reasoning(text=plain))
    return parts


def _read_call_signatures(said: MessageInWire) -> dict[str, Signature]:
    return {
        detail.id: envelope.disclose(detail.data)
        for detail in said.reasoning_details or ()
        if detail.format == CALL_FORMAT and detail.id and detail.data
    }


def _read_call(said: EarlierCallWire, path: str) -> ToolCall:
    google = said.extra_content.google if said.extra_content is not None else None
    signed = google.thought_signature if google is not None else None
    if said.custom is not None:
        return ToolCall(
            id=said.id,
            name=said.custom.name,
            arguments=said.custom.input,
            kind=ToolKind.CUSTOM,
        )
    if said.function is None:
        raise wrong_value(f"{path}.function", "a tool call must have it.")
    return ToolCall(
        id=said.id,
        name=said.function.name,
        arguments=said.function.arguments,
        signature=Signature(signed) if signed else None,
    )
