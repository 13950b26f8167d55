"""Gemini's `generateContent`, of AI Studio and of Vertex.

A `functionCall` is the caller's to run; `executableCode` and `toolCall` were run by Google. What
tools read into the prompt (`toolUsePromptTokenCount`) is beside the prompt's count, thoughts are
beside the candidates'. https://ai.google.dev/api/generate-content
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.recordings.neutral import Answer, Counts, Reading
from tests.recordings.oracle.json_values import read_count

FINISHES: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    # The model called a tool that was not declared; the call is there all the same.
    "UNEXPECTED_TOOL_CALL": "stop",
}
BLOCKED: Final = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "LANGUAGE",
    }
)  # fmt: skip
INPUTS: Final = ("promptTokensDetails", "toolUsePromptTokensDetails")
CACHED: Final = ("cacheTokensDetails",)
"""What was audio or an image among the cached tokens: billed as cached, and counted only there."""
OUTPUTS: Final = ("candidatesTokensDetails",)


def read(body: Mapping[str, Any]) -> Answer:
    """A `GenerateContentResponse`: its first candidate, or none if the prompt was blocked."""
    reading = Reading()
    candidate: Mapping[str, Any] = (body.get("candidates") or [{"finishReason": "SAFETY"}])[0]
    for part in (candidate.get("content") or {}).get("parts") or ():
        read_part(part, reading)
    read_grounding(candidate.get("groundingMetadata") or {}, reading)
    for source in (candidate.get("citationMetadata") or {}).get("citations") or ():
        reading.add_citation(source.get("uri"), source.get("title"), is_cited=False)
    reason = candidate.get("finishReason") or ""
    finish = "content_filter" if reason in BLOCKED else FINISHES.get(reason, reason)
    if finish == "stop" and reading.has_calls:
        finish = "tool_calls"
    return reading.answer(finish, read_usage(body.get("usageMetadata")))


def read_part(part: Mapping[str, Any], reading: Reading) -> None:
    """One part of the content."""
    if part.get("thought"):
        reading.add_reasoning(part.get("text"))
    elif call := part.get("functionCall"):
        reading.add_call(call["name"], call.get("args") or {})
    elif "executableCode" in part:
        reading.server_tools.append("code_execution")
    elif call := part.get("toolCall"):
        reading.server_tools.append(call.get("toolType", "tool"))
    elif "inlineData" in part:
        # What others have a tool for, the model itself does here.
        reading.server_tools.append("image_generation")
    else:
        reading.add_text(part.get("text"))


def read_grounding(grounding: Mapping[str, Any], reading: Reading) -> None:
    """The pages found; those that a segment of the text refers to are cited."""
    if grounding.get("webSearchQueries") or grounding.get("groundingChunks"):
        reading.server_tools.append("search")
    referred = {
        index
        for support in grounding.get("groundingSupports") or ()
        for index in support.get("groundingChunkIndices") or ()
    }
    for index, chunk in enumerate(grounding.get("groundingChunks") or ()):
        page = chunk.get("web") or {}
        reading.add_citation(page.get("uri"), page.get("title"), is_cited=index in referred)


def read_usage(usage: Any) -> Counts | None:
    """Usage. https://ai.google.dev/api/generate-content#UsageMetadata"""
    if not usage:
        return None
    thoughts = read_count(usage, "thoughtsTokenCount")
    prompt = read_count(usage, "promptTokenCount")
    return Counts(
        input=prompt + read_count(usage, "toolUsePromptTokenCount"),
        output=read_count(usage, "candidatesTokenCount") + thoughts,
        cache_read=read_count(usage, "cachedContentTokenCount"),
        reasoning=thoughts,
        # What was cached is counted as that alone, whatever it is of.
        input_audio=read_modality(usage, INPUTS, "AUDIO") - read_modality(usage, CACHED, "AUDIO"),
        input_image=read_modality(usage, INPUTS, "IMAGE") - read_modality(usage, CACHED, "IMAGE"),
        output_audio=read_modality(usage, OUTPUTS, "AUDIO"),
        output_image=read_modality(usage, OUTPUTS, "IMAGE"),
    )


def read_modality(usage: Mapping[str, Any], names: tuple[str, ...], modality: str) -> int:
    """The tokens of one modality in these lists."""
    return sum(
        read_count(detail, "tokenCount")
        for name in names
        for detail in usage.get(name) or ()
        if detail.get("modality") == modality
    )


def fold(events: list[Any]) -> dict[str, Any]:
    """The answer of a stream: all parts, and what was said last of the rest."""
    body: dict[str, Any] = {}
    parts: list[Any] = []
    candidate: dict[str, Any] = {}
    for event in events:
        for piece in (event.get("candidates") or ())[:1]:
            parts += (piece.get("content") or {}).get("parts") or ()
            candidate |= {name: value for name, value in piece.items() if value is not None}
        body |= {name: value for name, value in event.items() if value is not None}
    if candidate:
        body["candidates"] = [candidate | {"content": {"parts": merge_thoughts(parts)}}]
    return body


def merge_thoughts(parts: list[Any]) -> list[Any]:
    """Pieces of one thought as one part: a stream cuts it anywhere."""
    merged: list[Any] = []
    for part in parts:
        before = merged[-1] if merged else {}
        if part.get("thought") and before.get("thought"):
            merged[-1] = before | {"text": before.get("text", "") + (part.get("text") or "")}
        else:
            merged.append(part)
    return merged
