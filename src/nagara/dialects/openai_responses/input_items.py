"""The items of `input` as messages: one item, one message.

An item's `id` and `status` are not carried: they name what the provider stored of an earlier
answer, and a conversation that is sent whole needs neither. A reasoning item is the exception, for
its sealed content is bound to its id. Items of tools that the provider ran become hosted parts;
those that only this dialect's callers know (`shell_call`, `compaction`, …) stay as they are.

Source: https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from nagara.dialects.envelope import disclose
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_responses.content import decode_content, decode_part
from nagara.dialects.openai_responses.hosted import decode_hosted, is_hosted
from nagara.dialects.openai_responses.replay import Restored, restore, sign_call
from nagara.dialects.openai_responses.tools import decode_tools
from nagara.dialects.openai_responses.wire import NAME, Reader
from nagara.dialects.request_fields import wrong_field
from nagara.domain.messages import (
    HostedCall,
    Media,
    Message,
    Opaque,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)

_ROLES = {role.value: role for role in Role}
_UNKEPT = ("id", "status")
# Items that hold tools which the model may call from there on.
_TOOL_ITEMS = frozenset({"additional_tools", "tool_search_output"})


class Conversation(msgspec.Struct, frozen=True):
    """What `input` holds: the messages, and tools that were given in the midst of them."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()


def decode_input(items: Sequence[Reader]) -> Conversation:
    """The conversation. Raises `GatewayError` that names the wrong field by its path."""
    messages: list[Message] = []
    tools: list[Tool] = []
    restored: list[Restored] = []
    places: dict[str, int] = {}
    for item in items:
        kind = _read_kind(item)
        if kind in _TOOL_ITEMS:
            tools += _decode_given_tools(item)
            if kind == "additional_tools":
                # They are among the request's tools from now on, in any dialect.
                continue
        message = _decode_item(item, kind)
        held = _restore(message)
        if held is None:
            _note_place(message, places, len(messages))
            messages.append(message)
        elif held.part is not None:
            _put_back(messages, held, places)
        elif held.call_id is not None:
            restored.append(held)
        elif held.signature is not None:
            part = Reasoning(signature=held.signature, is_redacted=True)
            messages.append(Message(Role.ASSISTANT, (part,)))
    return Conversation(_sign_calls(messages, restored), tuple(tools))


def _read_kind(item: Reader) -> str:
    kind = item.text("type")
    if kind is None:
        if "role" in item.fields:
            return "message"
        if "id" in item.fields:
            return "item_reference"
        raise wrong_field(item.name("type"), "is missing; it says what the item is.")
    # For those that stay as they are.
    item.fields["type"] = encode_raw(kind)
    return kind


def _decode_item(item: Reader, kind: str) -> Message:
    decode = _ITEMS.get(kind)
    if decode is not None:
        item.fields.pop("type", None)
        for name in _UNKEPT:
            if name != "id" or kind != "reasoning":
                item.fields.pop(name, None)
        return decode(item)
    if is_hosted(item):
        return Message(Role.ASSISTANT, decode_hosted(item))
    role = Role.USER if kind.endswith(("_output", "_response")) else Role.ASSISTANT
    return Message(role, (Opaque(dialect=NAME, type=kind, raw=item.whole_raw()),))


def _decode_message(item: Reader) -> Message:
    word = item.needed_text("role")
    role = _ROLES.get(word)
    if role is None:
        raise wrong_field(
            item.name("role"), f"is {word!r}; it may be user, assistant, system or developer."
        )
    if item.shape("content") == "[":
        return Message(role, decode_content(item.objects("content")), extras=item.rest())
    return Message(role, (Text(item.needed_text("content")),), extras=item.rest())


def _decode_call(item: Reader) -> Message:
    call = ToolCall(
        id=item.needed_text("call_id"),
        name=item.needed_text("name"),
        arguments=item.text("arguments") or "",
        namespace=item.text("namespace"),
        extras=item.rest(),
    )
    return Message(Role.ASSISTANT, (call,))


def _decode_custom_call(item: Reader) -> Message:
    call = ToolCall(
        id=item.needed_text("call_id"),
        name=item.needed_text("name"),
        arguments=item.text("input") or "",
        kind=ToolKind.CUSTOM,
        namespace=item.text("namespace"),
        extras=item.rest(),
    )
    return Message(Role.ASSISTANT, (call,))


def _decode_output(item: Reader, kind: ToolKind = ToolKind.FUNCTION) -> Message:
    result = ToolResult(
        call_id=item.needed_text("call_id"),
        parts=_decode_output_parts(item),
        name=item.text("name"),
        kind=kind,
        extras=item.rest(),
    )
    return Message(Role.USER, (result,))


def _decode_custom_output(item: Reader) -> Message:
    return _decode_output(item, ToolKind.CUSTOM)


def _decode_output_parts(item: Reader) -> tuple[Text | Media | Opaque, ...]:
    if item.shape("output") != "[":
        return (Text(item.needed_text("output")),)
    parts = []
    for reader in item.objects("output"):
        part = decode_part(reader)
        if not isinstance(part, Text | Media | Opaque):
            raise wrong_field(reader.path, "may be text, an image or a file.")
        parts.append(part)
    return tuple(parts)


def _decode_reasoning(item: Reader) -> Message:
    summary = [part.text("text") or "" for part in item.objects("summary")]
    content = [part.text("text") or "" for part in item.objects("content")]
    sealed = item.text("encrypted_content")
    signature = None if sealed is None else disclose(sealed)
    text = "\n\n".join(content or summary)
    if signature is not None and signature.text:
        # Signed for exactly this text, whatever became of the summary on its way.
        text = signature.text
        signature = msgspec.structs.replace(signature, text=None)
    reasoning = Reasoning(
        text=text,
        signature=signature,
        is_summary=not content and bool(summary),
        id=item.text("id"),
        extras=item.rest(),
    )
    return Message(Role.ASSISTANT, (reasoning,))


_ITEMS: Mapping[str, Callable[[Reader], Message]] = {
    "message": _decode_message,
    "function_call": _decode_call,
    "custom_tool_call": _decode_custom_call,
    "function_call_output": _decode_output,
    "custom_tool_call_output": _decode_custom_output,
    "reasoning": _decode_reasoning,
}


def _decode_given_tools(item: Reader) -> tuple[Tool, ...]:
    raw = item.fields.get("tools")
    tools = decode_tools(item.objects("tools"))
    if raw is not None:
        item.fields["tools"] = raw
    return tools


def _restore(message: Message) -> Restored | None:
    """What we ourselves put into a reasoning item; None for any other item."""
    part = message.parts[0] if message.parts else None
    if isinstance(part, Reasoning) and part.signature is not None:
        return restore(part.signature)
    return None


def _note_place(message: Message, places: dict[str, int], place: int) -> None:
    first = message.parts[0] if message.parts else None
    if isinstance(first, HostedCall):
        places[first.id] = place


def _put_back(messages: list[Message], held: Restored, places: dict[str, int]) -> None:
    """Put a part in the place of the item that told the caller of it."""
    if held.part is None:
        return
    message = Message(Role.ASSISTANT, (held.part,))
    place = places.get(held.shown_as or "")
    if place is None:
        messages.append(message)
    else:
        messages[place] = message


def _sign_calls(messages: list[Message], restored: list[Restored]) -> tuple[Message, ...]:
    if not restored:
        return tuple(messages)
    signatures = {held.call_id: held.signature for held in restored}
    signed = []
    for message in messages:
        part = message.parts[0] if message.parts else None
        if isinstance(part, ToolCall) and (signature := signatures.get(part.id)) is not None:
            message = Message(message.role, (sign_call(part, signature),), extras=message.extras)
        signed.append(message)
    return tuple(signed)
