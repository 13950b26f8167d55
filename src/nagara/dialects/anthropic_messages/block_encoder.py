"""Parts to content blocks, for an Anthropic server.

Blocks without text are left out, since Anthropic refuses them. What only its maker can read
(signed thinking, hosted tools and their results) goes back to its maker unchanged, and to no one
else. A hosted tool never becomes a call for the caller to run.

Source: https://docs.anthropic.com/en/api/messages
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.citations import encode_own_citations
from nagara.dialects.anthropic_messages.media import encode_media
from nagara.dialects.anthropic_messages.wire import NAME, encode_mark
from nagara.dialects.codec import Target, can_read
from nagara.dialects.fit import cannot_take
from nagara.domain.messages import (
    Extras,
    HostedCall,
    HostedResult,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any] | msgspec.Raw

_FIT_ID = re.compile(r"[a-zA-Z0-9_-]+")
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class BlockEncoder:
    """Writes the parts of one request. `dropped` names what had no place."""

    def __init__(self, request: Request, target: Target) -> None:
        self.dropped: list[str] = []
        self._request = request
        self._target = target
        self._is_own = request.dialect == NAME

    def encode_parts(self, parts: Iterable[Part]) -> list[Block]:
        """The blocks. Raises `GatewayError` for what must not be left out."""
        blocks = (self.encode(part) for part in parts)
        return [block for block in blocks if block is not None]

    def encode_instructions(self, parts: Sequence[Part]) -> list[Block]:
        """As `encode_parts`, for what only may be text. Raises `GatewayError` for media.

        `system` is text blocks alone (`TextBlockParam`), and the middle of a conversation likewise.
        """
        if any(isinstance(part, Media) for part in parts):
            raise cannot_take(
                "instructions that are not text", self._request, self._target, "system"
            )
        return self.encode_parts(parts)

    def encode(self, part: Part) -> Block | None:
        """The block of a part; None where there is none."""
        match part:
            case Text():
                return self._encode_text(part)
            case ToolCall():
                return self._encode_call(part)
            case ToolResult():
                return self._encode_result(part)
            case Media():
                return encode_media(part, self._request, self._target, self.dropped)
            case Reasoning():
                return self._encode_reasoning(part)
            case Refusal(text=text):
                return {"type": "text", "text": text} if text.strip() else None
            case HostedCall() | HostedResult():
                return self._put_back(part.dialect, part.raw, part.kind.value)
            case Opaque():
                return self._put_back(part.dialect, part.raw, part.type)

    def _encode_text(self, part: Text) -> Block | None:
        # "text content blocks must contain non-whitespace text", says Anthropic's 400.
        if not part.text.strip():
            return None
        block: dict[str, Any] = {"type": "text", "text": part.text}
        if part.citations:
            citations, has_others = encode_own_citations(part.citations)
            if citations:
                block["citations"] = citations
            if has_others:
                self.dropped.append("citations")
        if part.cache is not None:
            block["cache_control"] = encode_mark(part.cache)
        return self._with_extras(block, part.extras)

    def _encode_reasoning(self, part: Reasoning) -> Block | None:
        if part.signature is None or not can_read(
            part.signature, self._request, NAME, self._target
        ):
            self.dropped.append("reasoning")
            return None
        value = part.signature.value
        # Text and order must be what they were, or the signature does not fit.
        # https://platform.claude.com/docs/en/build-with-claude/extended-thinking
        if part.is_redacted:
            return {"type": "redacted_thinking", "data": value}
        text = part.text or part.signature.text or ""
        return {"type": "thinking", "thinking": text, "signature": value}

    def _encode_call(self, part: ToolCall) -> Block:
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": fit_id(part.id),
            "name": part.name,
            "input": read_arguments(part.arguments),
        }
        if part.cache is not None:
            block["cache_control"] = encode_mark(part.cache)
        return self._with_extras(block, part.extras)

    def _encode_result(self, part: ToolResult) -> Block:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": fit_id(part.call_id)}
        match part.parts:
            case ():
                pass
            # A bare text as a string: every server that speaks this dialect reads that.
            case (Text(text=text, citations=(), cache=None, extras=extras),) if not extras:
                block["content"] = text
            case parts:
                block["content"] = self.encode_parts(parts)
        if part.is_error:
            block["is_error"] = True
        if part.cache is not None:
            block["cache_control"] = encode_mark(part.cache)
        return self._with_extras(block, part.extras)

    def _put_back(self, dialect: str, raw: msgspec.Raw | None, name: str) -> Block | None:
        if dialect == NAME and raw is not None:
            return raw
        self.dropped.append(name)
        return None

    def _with_extras(self, block: dict[str, Any], extras: Extras) -> dict[str, Any]:
        if not extras:
            return block
        if self._is_own:
            return {**block, **extras}
        self.dropped += extras
        return block


def fit_id(id_: str) -> str:
    """The id of a call in the characters that Anthropic takes: the same for call and result."""
    if _FIT_ID.fullmatch(id_):
        return id_
    digest = hashlib.blake2b(id_.encode(errors="surrogatepass"), digest_size=12)
    return f"toolu_{digest.hexdigest()}"


def read_arguments(arguments: str) -> msgspec.Raw | dict[str, Any]:
    """Arguments as the object that `input` must be.

    A model may have written what is no object, and the caller replays it: then it is the only
    member of one, since a conversation that holds it must be able to go on.
    """
    text = arguments.strip()
    if not text:
        return {}
    try:
        encoded = text.encode()
        _object_decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"arguments": arguments}
    return msgspec.Raw(encoded)
