"""Pieces of an answer as a Chat Completions caller gets them, in a message and in a stream alike.

Both encoders stand on these, so that what a client puts together from a stream is what it gets at
once without one.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

from collections.abc import Iterable

from nagara.dialects.codec import Frame
from nagara.dialects.openai_chat.media import join_data_url
from nagara.domain.events import TokenLogprob
from nagara.domain.messages import FunctionTool, Media, ToolCall, ToolKind

CALLS_PER_CHOICE = 0x1000
"""Parts of one choice that get ids of their own, before they would meet those of the next."""

AUDIO_LIFETIME_S = 3600
"""How long OpenAI keeps an audio answer. Nobody keeps ours, but clients want a time there."""

LEGACY_MARK = "functions"
"""In the extras of a tool that came in the deprecated field, whose calls are told likewise."""


def is_legacy(frame: Frame) -> bool:
    """Whether the caller offered its tools as the deprecated `functions`."""
    tools = frame.request.tools
    return any(isinstance(tool, FunctionTool) and LEGACY_MARK in tool.extras for tool in tools)


def find_call_id(call: ToolCall, frame: Frame, choice: int, part: int) -> str:
    """The call's id, or one made of its place where the provider gave none."""
    return call.id or frame.make_id("call_", choice * CALLS_PER_CHOICE + part)


def encode_call(call: ToolCall, call_id: str) -> dict[str, object]:
    """One of `tool_calls`."""
    if call.kind is ToolKind.CUSTOM:
        custom = {"name": call.name, "input": call.arguments}
        return {"id": call_id, "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call_id, "type": "function", "function": function}


def encode_audio(media: Media, frame: Frame) -> dict[str, object]:
    """`audio` of a message."""
    return {
        "id": media.file_id or frame.make_id("audio_"),
        "data": media.data or "",
        "transcript": media.transcript or "",
        "expires_at": frame.created_s + AUDIO_LIFETIME_S,
    }


def encode_image(media: Media, index: int) -> dict[str, object] | None:
    """One of `images`, in the shape that OpenRouter gave them; None if it has no address."""
    url = media.url
    if media.data is not None:
        url = join_data_url(media.media_type or "image/png", media.data)
    if url is None:
        return None
    return {"type": "image_url", "image_url": {"url": url}, "index": index}


def encode_logprobs(logprobs: Iterable[TokenLogprob]) -> dict[str, object]:
    """`logprobs` of a choice."""
    content = [
        _encode_token(token) | {"top_logprobs": [_encode_token(top) for top in token.top]}
        for token in logprobs
    ]
    return {"content": content, "refusal": None}


def _encode_token(token: TokenLogprob) -> dict[str, object]:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
