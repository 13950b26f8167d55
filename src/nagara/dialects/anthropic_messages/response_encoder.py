"""The canonical answer for a Messages caller, whole.

`AnswerBlocks` says for both, whole and streamed, which blocks a part stands for: the SDK's stream
must come to the same message. What came from this dialect goes out as it was; what another
provider signed goes out in an envelope, and what this dialect cannot show is hidden for replay.

Source: https://docs.anthropic.com/en/api/messages
"""

from typing import Any

from nagara.dialects import envelope
from nagara.dialects.anthropic_messages.block_encoder import Block, read_arguments
from nagara.dialects.anthropic_messages.citations import encode_citation
from nagara.dialects.anthropic_messages.finish import encode_finish
from nagara.dialects.anthropic_messages.hidden import hide
from nagara.dialects.anthropic_messages.shown import show_call, show_result
from nagara.dialects.anthropic_messages.usage import (
    encode_cache_creation,
    encode_service_tier,
    encode_usage,
)
from nagara.dialects.anthropic_messages.wire import NAME, encode_body
from nagara.dialects.codec import Encoded, Frame
from nagara.domain.events import Choice, Response
from nagara.domain.messages import (
    Citation,
    HostedCall,
    HostedResult,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Usage

NO_SIGNATURE = Signature("")
"""Thinking always has a signature here; the envelope of an empty one keeps it from Anthropic."""


class AnswerBlocks:
    """The blocks of one answer's parts. `dialect` is the answer's."""

    def __init__(self, frame: Frame, dialect: str) -> None:
        self.dropped: list[str] = []
        self._frame = frame
        self._is_own = dialect == NAME

    def encode(self, part: Part, index: int) -> list[Block]:
        """The blocks that a whole part stands for; none where this dialect has no place."""
        match part:
            case Text(text=text, citations=citations):
                return [self.encode_text(text, citations)]
            case Refusal(text=text):
                return [self.encode_text(text, ())]
            case Reasoning():
                return [] if is_nothing(part) else [self.encode_reasoning(part)]
            case ToolCall():
                call = self.begin_call(part, index) | {"input": read_arguments(part.arguments)}
                return [*self.encode_signature(part.signature), call]
            case HostedCall() | HostedResult() | Opaque():
                return self._encode_foreign(part)
            case Media():
                return self._encode_media(part)
            case _:
                # A result is said by the caller, never by the model.
                self.dropped.append("tool_result")
                return []

    def encode_text(self, text: str, citations: tuple[Citation, ...]) -> dict[str, Any]:
        """A text block."""
        block: dict[str, Any] = {"type": "text", "text": text}
        if citations:
            block["citations"] = [encode_citation(citation) for citation in citations]
        return block

    def encode_reasoning(self, part: Reasoning) -> dict[str, Any]:
        """A block of thinking, or of thinking that is not shown."""
        value = self.seal(part.signature)
        if part.is_redacted:
            return {"type": "redacted_thinking", "data": value}
        return {"type": "thinking", "thinking": part.text, "signature": value}

    def begin_call(self, part: ToolCall, index: int) -> dict[str, Any]:
        """A `tool_use` whose input is still to come."""
        id_ = part.id or self._frame.make_id("toolu_", index)
        block: dict[str, Any] = {"type": "tool_use", "id": id_, "name": part.name, "input": {}}
        return {**block, **part.extras} if self._is_own else block

    def encode_signature(self, signature: Signature | None) -> list[Block]:
        """The hidden block of a signature that belongs to the block after it."""
        if signature is None:
            return []
        return [{"type": "redacted_thinking", "data": hide(signature)}]

    def seal(self, signature: Signature | None) -> str:
        """The signature as this caller keeps it."""
        if self._is_own and signature is not None:
            return signature.value
        return envelope.enclose(signature or NO_SIGNATURE)

    def _encode_foreign(self, part: HostedCall | HostedResult | Opaque) -> list[Block]:
        if part.dialect == NAME and part.raw is not None:
            return [part.raw]
        # The next turn needs it whole, or its provider misses what stood beside its reasoning.
        hidden = {"type": "redacted_thinking", "data": hide(part)}
        shown = None
        if isinstance(part, HostedCall):
            shown = show_call(part)
        elif isinstance(part, HostedResult):
            shown = show_result(part)
        if shown is None:
            self.dropped.append(part.type if isinstance(part, Opaque) else part.kind.value)
            return [hidden]
        return [hidden, shown]

    def _encode_media(self, part: Media) -> list[Block]:
        """An answer has no media here; what a voice says can be read at least."""
        self.dropped.append(part.kind.value)
        return [self.encode_text(part.transcript, ())] if part.transcript else []


def encode_response(response: Response, frame: Frame) -> Encoded:
    """The message."""
    blocks = AnswerBlocks(frame, response.dialect)
    choice = response.choices[0] if response.choices else Choice(parts=())
    content = [
        block
        for index, part in enumerate(choice.parts)
        for block in blocks.encode(part, index)
        if not is_empty_text(block)
    ]
    # There is no block for it: text, and the reason why the message ended.
    has_refusal = any(isinstance(part, Refusal) for part in choice.parts)
    is_own = response.dialect == NAME
    id_ = response.id if is_own else None
    end = encode_end(choice, has_refusal=has_refusal)
    if is_unexplained(choice, end):
        blocks.dropped.append("explanation")
    message = begin_message(frame, id_, response.usage, response.service_tier) | {
        "content": content,
        **end,
        **(response.extras if is_own else {}),
    }
    return Encoded(encode_body(message), tuple(dict.fromkeys(blocks.dropped)))


def is_empty_text(block: Block) -> bool:
    """Whether a block says nothing: an empty text, which a stream would not begin."""
    return isinstance(block, dict) and block["type"] == "text" and not block["text"]


def is_nothing(part: Reasoning) -> bool:
    """Whether reasoning neither says nor keeps anything."""
    return not part.text and part.signature is None


def begin_message(
    frame: Frame, id_: str | None, usage: Usage | None, service_tier: str | None
) -> dict[str, Any]:
    """A message with no content yet. `id_` is the answer's own, if it came from this dialect."""
    return {
        "id": id_ or frame.make_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            **encode_usage(usage),
            "cache_creation": encode_cache_creation(usage),
            "service_tier": encode_service_tier(service_tier),
        },
    }


def is_unexplained(choice: Any, end: dict[str, Any]) -> bool:
    """Whether the provider's sentence about the end found no place in it."""
    return bool(choice.explanation) and end["stop_details"] is None


def encode_end(choice: Any, *, has_refusal: bool) -> dict[str, Any]:
    """Why the message ended, of a `Choice` or a `ChoiceEnded`."""
    reason = encode_finish(
        choice.finish,
        has_refusal=has_refusal,
        has_stop_sequence=choice.stop_sequence is not None,
    )
    details: Any = choice.extras.get("stop_details")
    if details is None and reason == "refusal" and choice.explanation is not None:
        # Only refusals are explained here. https://docs.anthropic.com/en/api/messages
        details = {"type": "refusal", "category": None, "explanation": choice.explanation}
    return {
        "stop_reason": reason,
        "stop_sequence": choice.stop_sequence,
        "stop_details": details,
    }
