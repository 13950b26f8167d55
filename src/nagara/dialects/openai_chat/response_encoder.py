"""Whole answers for callers of Chat Completions.

What the dialect has no place for is kept in `reasoning_details`, where the next turn finds it, and
is named as dropped.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

import msgspec

from nagara.dialects.codec import Encoded, Frame
from nagara.dialects.openai_chat.caller_shapes import (
    encode_audio,
    encode_call,
    encode_image,
    encode_logprobs,
    find_call_id,
    is_legacy,
)
from nagara.dialects.openai_chat.citations import encode_annotation
from nagara.dialects.openai_chat.finish import LEGACY_TOOL_CALL, encode_finish
from nagara.dialects.openai_chat.reasoning_details import encode_for_caller
from nagara.dialects.openai_chat.replay import encode_block, encode_call_signature
from nagara.dialects.openai_chat.usage import encode_usage
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.dialects.service_tier import openai_tier
from nagara.domain.events import Choice, FinishReason, Response
from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)

_encoder = msgspec.json.Encoder()


def encode_response(response: Response, frame: Frame) -> Encoded:
    """The body of a whole answer, and what it could not say."""
    dropped: dict[str, None] = {}
    fields: dict[str, object] = {
        "id": frame.make_id("chatcmpl-"),
        "object": "chat.completion",
        "created": frame.created_s,
        "model": frame.model,
        "choices": [_encode_choice(choice, frame, dropped) for choice in response.choices],
    }
    if response.usage is not None:
        fields["usage"] = encode_usage(response.usage)
    if (tier := openai_tier(response.service_tier)) is not None:
        fields["service_tier"] = tier
    return Encoded(_encoder.encode(fields), tuple(dropped))


def _encode_choice(choice: Choice, frame: Frame, dropped: dict[str, None]) -> dict[str, object]:
    message = _Message(choice.index, frame, dropped)
    for index, part in enumerate(choice.parts):
        message.add(index, part)
    if choice.explanation:
        dropped["explanation"] = None
    has_refusal = any(isinstance(part, Refusal) for part in choice.parts)
    finish = encode_finish(choice.finish, has_refusal=has_refusal)
    if choice.finish is FinishReason.TOOL_CALLS and is_legacy(frame):
        finish = LEGACY_TOOL_CALL
    return {
        "index": choice.index,
        "message": message.fields(),
        "logprobs": encode_logprobs(choice.logprobs) if choice.logprobs else None,
        "finish_reason": finish,
    }


class _Message:
    """Gathers the parts of one choice under the fields of a message."""

    def __init__(self, choice: int, frame: Frame, dropped: dict[str, None]) -> None:
        self._choice = choice
        self._frame = frame
        self._dropped = dropped
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._details: list[DetailWire] = []
        self._calls: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []
        self._images: list[dict[str, object]] = []
        self._audio: dict[str, object] | None = None

    def add(self, index: int, part: Part) -> None:
        """Take the next part."""
        match part:
            case Text():
                self._add_text(part)
            case Reasoning():
                # Twice: as text to read, which most clients show, and as an entry to replay.
                self._thoughts.append(part.text)
                self._details.append(encode_for_caller(part, len(self._details)))
            case ToolCall():
                self._add_call(index, part)
            case Refusal(text=text):
                self._refusals.append(text)
            case Media():
                self._add_media(part)
            case HostedCall() | HostedResult() | Opaque():
                self._keep(part)
            case _:
                self._dropped["tool_result"] = None

    def fields(self) -> dict[str, object]:
        """The message."""
        fields: dict[str, object] = {
            "role": "assistant",
            "content": self._content(),
            "refusal": "".join(self._refusals) if self._refusals else None,
        }
        if thoughts := "".join(self._thoughts):
            fields["reasoning_content"] = thoughts
        if self._calls and is_legacy(self._frame):
            # The deprecated field has room for one.
            fields["function_call"] = self._calls[0]["function"]
        elif self._calls:
            fields["tool_calls"] = self._calls
        if self._audio is not None:
            fields["audio"] = self._audio
        gathered: tuple[tuple[str, list[object]], ...] = (
            ("reasoning_details", list(self._details)),
            ("annotations", list(self._annotations)),
            ("images", list(self._images)),
        )
        fields.update((name, values) for name, values in gathered if values)
        return fields

    def _content(self) -> str | None:
        """The text; null only where something else stands for an answer, as at OpenAI."""
        if self._texts:
            return "".join(self._texts)
        return None if self._calls or self._refusals or self._audio else ""

    def _add_text(self, part: Text) -> None:
        for citation in part.citations:
            annotation = encode_annotation(citation, self._length, len(part.text))
            if annotation is None:
                self._dropped["citations"] = None
            else:
                self._annotations.append(annotation)
        self._texts.append(part.text)
        self._length += len(part.text)

    def _add_call(self, index: int, part: ToolCall) -> None:
        call_id = find_call_id(part, self._frame, self._choice, index)
        self._calls.append(encode_call(part, call_id))
        if (detail := encode_call_signature(part, call_id, len(self._details))) is not None:
            self._details.append(detail)

    def _add_media(self, part: Media) -> None:
        image = None
        if part.kind is MediaKind.AUDIO:
            self._audio = encode_audio(part, self._frame)
            return
        if part.kind is MediaKind.IMAGE:
            image = encode_image(part, len(self._images))
        if image is None:
            self._dropped[str(part.kind)] = None
        else:
            self._images.append(image)

    def _keep(self, part: HostedCall | HostedResult | Opaque) -> None:
        self._dropped[part.type if isinstance(part, Opaque) else part.name] = None
        if (detail := encode_block(part, len(self._details))) is not None:
            self._details.append(detail)
