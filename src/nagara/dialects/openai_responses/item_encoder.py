"""Messages of the hub as the items of `input`.

One message may become several items: its text is a message item, each call, result and thought an
item of its own, in their order. What was made by a provider whose signatures the target knows goes
back exactly as it came; what it cannot read, or has no item for, is dropped and named.

The assistant's plain text goes as a string, which is good without an id; parts that only an output
message can hold (a refusal, annotations) need one, and get it from their place.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.codec import Target, can_read, cannot_carry
from nagara.dialects.fit import name_parameter
from nagara.dialects.identifiers import fit_identifier
from nagara.dialects.openai_responses.content import (
    CONTENT,
    encode_audio,
    encode_cache,
    encode_citation,
    encode_file,
    encode_image,
)
from nagara.dialects.openai_responses.hosted import encode_image_item
from nagara.dialects.openai_responses.response_decoder import split_sealed
from nagara.dialects.openai_responses.traits import Trait
from nagara.dialects.openai_responses.wire import NAME
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
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)

Item = dict[str, Any] | msgspec.Raw


class ItemEncoder:
    """Writes the items of one request; `dropped` names what had no place."""

    def __init__(self, request: Request, target: Target) -> None:
        self.items: list[Item] = []
        self.dropped: list[str] = []
        self.has_sealed = False
        """Whether reasoning that the target sealed goes back to it."""
        self._request = request
        self._target = target
        self._is_own = request.dialect == NAME
        self._place = name_parameter("messages", request)
        self._marks_cache = self._is_own or target.can(Ability.CACHE_MARKS)
        self._custom_calls: set[str] = set()

    def add(self, message: Message) -> None:
        """The items of the next message. Raises `GatewayError` for what must not be left out."""
        content: list[Text | Media | Refusal | Opaque] = []
        for part in message.parts:
            match part:
                case Text() | Refusal():
                    content.append(part)
                case Media() if message.role is not Role.ASSISTANT:
                    content.append(part)
                case Opaque() if part.dialect == NAME and part.type.startswith(CONTENT):
                    content.append(part)
                case _:
                    self._end_message(message, content)
                    content = []
                    self._add_part(part)
        if content or not message.parts:
            self._end_message(message, content, is_whole=True)

    def _end_message(
        self,
        message: Message,
        content: Sequence[Text | Media | Refusal | Opaque],
        *,
        is_whole: bool = False,
    ) -> None:
        if not content and not is_whole:
            return
        item: dict[str, Any] = {"type": "message", "role": message.role.value}
        if message.role is Role.ASSISTANT:
            self._write_answer(item, content)
        elif len(content) == 1 and isinstance(content[0], Text) and self._is_plain(content[0]):
            item["content"] = content[0].text
        else:
            item["content"] = [self._encode_content(part) for part in content]
        self.items.append(item | self._own(message.extras))

    def _write_answer(
        self, item: dict[str, Any], content: Sequence[Text | Media | Refusal | Opaque]
    ) -> None:
        texts = [part.text for part in content if isinstance(part, Text) and self._is_plain(part)]
        if len(texts) == len(content) and (len(texts) == 1 or not self._is_own):
            item["content"] = "".join(texts)
            return
        item["id"] = f"msg_{len(self.items):024x}"
        item["status"] = "completed"
        item["content"] = [self._encode_answer(part) for part in content]

    def _is_plain(self, text: Text) -> bool:
        if text.citations and not self._is_own:
            # Whom it cited is told to the caller; the model has it in its text.
            self.dropped.append("citations")
            return True
        return not text.citations and not self._own(text.extras) and not self._cache(text)

    def _encode_answer(self, part: Text | Media | Refusal | Opaque) -> Item:
        match part:
            case Text():
                found = [
                    encode_citation(citation, len(part.text), is_own=self._is_own)
                    for citation in part.citations
                ]
                annotations = [citation for citation in found if citation is not None]
                wire = {"type": "output_text", "text": part.text, "annotations": annotations}
                return wire | self._own(part.extras)
            case Refusal():
                return {"type": "refusal", "refusal": part.text} | self._own(part.extras)
            case Opaque():
                return part.raw
            case Media():
                raise cannot_carry("media in an answer", self._place, self._target)

    def _encode_content(self, part: Text | Media | Refusal | Opaque) -> Item:
        match part:
            case Text():
                wire: dict[str, Any] = {"type": "input_text", "text": part.text}
                return wire | self._cache(part) | self._own(part.extras)
            case Media():
                return self._encode_media(part) | self._cache(part) | self._own(part.extras)
            case Refusal():
                return {"type": "input_text", "text": part.text}
            case Opaque():
                return part.raw

    def _encode_media(self, media: Media) -> dict[str, Any]:
        match media.kind:
            case MediaKind.IMAGE:
                return self._encode_image(media)
            case MediaKind.DOCUMENT:
                if media.has_citations:
                    self.dropped.append("citations")
                return encode_file(media)
            case MediaKind.AUDIO if media.data is not None and (
                self._is_own or Trait.AUDIO_INPUT in self._target.traits
            ):
                return encode_audio(media)
            case _:
                raise cannot_carry(media.kind.value, self._place, self._target)

    def _encode_image(self, media: Media) -> dict[str, Any]:
        wire = encode_image(media)
        if Trait.NO_IMAGE_DETAIL in self._target.traits:
            del wire["detail"]
            if media.detail is not None:
                self.dropped.append("detail")
        return wire

    def _add_part(self, part: Part) -> None:
        match part:
            case ToolCall():
                self._add_call(part)
            case ToolResult():
                self._add_result(part)
            case Reasoning():
                self._add_reasoning(part)
            case HostedCall() | HostedResult() | Opaque():
                self._add_foreign(part)
            case Media() if part.kind is MediaKind.IMAGE and part.data is not None:
                self.items.append(encode_image_item(part, f"ig_{len(self.items):024x}"))
            case Media():
                self.dropped.append(part.kind.value)
            case _:
                # Text and refusals are content, and never come here.
                pass

    def _add_call(self, call: ToolCall) -> None:
        call_id = fit_identifier(call.id)
        item: dict[str, Any] = {"type": "function_call", "call_id": call_id, "name": call.name}
        if call.kind is ToolKind.CUSTOM:
            self._custom_calls.add(call.id)
            item |= {"type": "custom_tool_call", "input": call.arguments}
        else:
            item["arguments"] = call.arguments or "{}"
        if call.namespace is not None:
            item["namespace"] = call.namespace
        self.items.append(item | self._own(call.extras))

    def _add_result(self, result: ToolResult) -> None:
        is_custom = result.kind is ToolKind.CUSTOM or result.call_id in self._custom_calls
        kind = "custom_tool_call_output" if is_custom else "function_call_output"
        item: dict[str, Any] = {"type": kind, "call_id": fit_identifier(result.call_id)}
        item["output"] = self._encode_output(result)
        if result.is_error:
            # What went wrong is in the text; there is no flag to set.
            self.dropped.append("is_error")
        self.items.append(item | self._own(result.extras))

    def _encode_output(self, result: ToolResult) -> str | list[Item]:
        parts = [part for part in result.parts if self._has_place(part)]
        if not parts:
            return ""
        first = parts[0]
        if len(parts) == 1 and isinstance(first, Text) and self._is_plain(first):
            return first.text
        return [self._encode_content(part) for part in parts]

    def _has_place(self, part: Text | Media | Opaque) -> bool:
        if isinstance(part, Opaque) and part.dialect != NAME:
            self.dropped.append(part.type)
            return False
        return True

    def _add_reasoning(self, part: Reasoning) -> None:
        item: dict[str, Any] = {"type": "reasoning"}
        if part.signature is not None and can_read(
            part.signature, self._request, NAME, self._target
        ):
            item_id, sealed = split_sealed(part.signature.value)
            self.has_sealed = True
            # A text that is only a sign that there was a thought is no summary of it.
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            item |= {"id": part.id or item_id or self._item_id(), "encrypted_content": sealed}
            item["summary"] = summary
            if not part.is_summary and part.text and self._is_own:
                item |= {"summary": [], "content": [_reasoning_text(part.text)]}
        elif self._is_own and part.signature is None:
            key = "summary" if part.is_summary else "content"
            item |= {"id": part.id or self._item_id(), "summary": []}
            if part.text:
                kind = "summary_text" if part.is_summary else "reasoning_text"
                item[key] = [{"type": kind, "text": part.text}]
        elif part.text and Trait.PLAIN_REASONING in self._target.traits:
            content = [_reasoning_text(part.text)]
            item |= {"id": self._item_id(), "summary": [], "content": content}
        else:
            self.dropped.append("reasoning")
            return
        self.items.append(item | self._own(part.extras))

    def _add_foreign(self, part: HostedCall | HostedResult | Opaque) -> None:
        if part.dialect == NAME:
            if part.raw is not None:
                self.items.append(part.raw)
            return
        self.dropped.append(part.type if isinstance(part, Opaque) else part.name)

    def _item_id(self) -> str:
        return f"rs_{len(self.items):024x}"

    def _cache(self, part: Text | Media) -> dict[str, Any]:
        if part.cache is None or not self._marks_cache:
            return {}
        return {"prompt_cache_breakpoint": encode_cache(part.cache)}

    def _own(self, extras: Any) -> dict[str, Any]:
        """The extras where they are of this dialect; others are named."""
        if self._is_own or not extras:
            return dict(extras)
        self.dropped.extend(extras)
        return {}


def _reasoning_text(text: str) -> dict[str, str]:
    return {"type": "reasoning_text", "text": text}
