"""OpenAI's Chat Completions, and what its imitators add to it.

Reasoning has no place in OpenAI's own API; servers give it as `reasoning_content` (DeepSeek),
`reasoning` (Groq, OpenRouter) or blocks of `content` (Mistral).
https://platform.openai.com/docs/api-reference/chat/object
https://api-docs.deepseek.com/guides/reasoning_model
https://docs.mistral.ai/capabilities/reasoning/
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.recordings.neutral import Answer, Counts, Reading
from tests.recordings.oracle.json_values import read_arguments, read_count

FINISHES: Final = {"function_call": "tool_calls"}
JOINED: Final = ("content", "reasoning_content", "reasoning", "refusal")
LISTED: Final = ("annotations", "reasoning_details")


def read(body: Mapping[str, Any]) -> Answer:
    """A `chat.completion`: its first choice."""
    choice = body["choices"][0]
    message = choice["message"]
    reading = Reading()
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    reading.add_reasoning(reasoning or read_details(message.get("reasoning_details")))
    read_content(message.get("content"), reading)
    for call in message.get("tool_calls") or ():
        read_call(call, reading)
    if call := message.get("function_call"):
        reading.add_call(call["name"], read_arguments(call["arguments"]))
    for annotation in message.get("annotations") or ():
        page = annotation.get("url_citation") or {}
        reading.add_citation(page.get("url"), page.get("title"))
    if message.get("images"):
        # OpenRouter's place for what the model drew, which other servers took up.
        reading.server_tools.append("image_generation")
    for tool in message.get("executed_tools") or ():
        reading.server_tools.append(tool["type"])
        for page in (tool.get("search_results") or {}).get("results") or ():
            reading.add_citation(page.get("url"), page.get("title"), is_cited=False)
    reading.refusal = message.get("refusal") or ""
    finish = choice.get("finish_reason") or ""
    return reading.answer(FINISHES.get(finish, finish), read_usage(body))


def read_details(details: Any) -> str:
    """OpenRouter's blocks of reasoning, where the plain text is not given beside them."""
    return "".join(d.get("text") or d.get("summary") or "" for d in details or ())


def read_content(content: Any, reading: Reading) -> None:
    """Text, or Mistral's list of blocks, in which `thinking` holds blocks itself."""
    if not isinstance(content, list):
        reading.add_text(content)
        return
    for block in content:
        if block["type"] == "thinking":
            reading.add_reasoning("".join(part.get("text", "") for part in block["thinking"]))
        else:
            reading.add_text(block.get("text"))


def read_call(call: Mapping[str, Any], reading: Reading) -> None:
    """A function's call, or a custom tool's, whose input is free text."""
    if custom := call.get("custom"):
        reading.add_call(custom["name"], custom["input"])
    else:
        function = call["function"]
        reading.add_call(function["name"], read_arguments(function.get("arguments")))


def read_usage(body: Mapping[str, Any]) -> Counts | None:
    """Usage; Groq's streams have it under `x_groq`.

    Some servers leave reasoning out of `completion_tokens` and count it in `total_tokens` (Google,
    xAI): the total is what was billed. The cached tokens have four names. A token is either read
    from a cache or written to it; OpenRouter has said both of one.
    """
    usage = body.get("usage") or (body.get("x_groq") or {}).get("usage")
    if not usage:
        return None
    inputs = read_count(usage, "prompt_tokens")
    cache_read = (
        read_count(usage, "prompt_tokens_details", "cached_tokens")
        or read_count(usage, "prompt_cache_hit_tokens")
        or read_count(usage, "num_cached_tokens")
        or read_count(usage, "cached_tokens")
    )
    cache_write = read_count(usage, "prompt_tokens_details", "cache_write_tokens")
    return Counts(
        input=inputs,
        output=max(
            read_count(usage, "completion_tokens"), read_count(usage, "total_tokens") - inputs
        ),
        cache_read=cache_read,
        cache_write=min(cache_write, inputs - cache_read),
        reasoning=read_count(usage, "completion_tokens_details", "reasoning_tokens"),
        input_audio=read_count(usage, "prompt_tokens_details", "audio_tokens"),
        output_audio=read_count(usage, "completion_tokens_details", "audio_tokens"),
        input_image=read_count(usage, "prompt_tokens_details", "image_tokens"),
        output_image=read_count(usage, "completion_tokens_details", "image_tokens"),
    )


def fold(events: list[Any]) -> dict[str, Any]:
    """The completion of a stream's chunks: the deltas of choice 0 joined, the last of the rest."""
    message: dict[str, Any] = {}
    choice: dict[str, Any] = {"message": message}
    body: dict[str, Any] = {"choices": [choice]}
    for event in events:
        for name in ("usage", "x_groq"):
            if event.get(name):
                body[name] = event[name]
        for piece in event.get("choices") or ():
            if piece.get("index", 0) != 0:
                continue
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
            fold_delta(message, piece.get("delta") or {})
    return body


def fold_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """One delta added to the message so far."""
    for name in JOINED:
        if delta.get(name):
            message[name] = message[name] + delta[name] if name in message else delta[name]
    for name in LISTED:
        message.setdefault(name, []).extend(delta.get(name) or ())
    calls = message.setdefault("tool_calls", [])
    for piece in delta.get("tool_calls") or ():
        index = piece.get("index", len(calls))
        while len(calls) <= index:
            calls.append({"function": {"name": "", "arguments": ""}})
        for name in ("name", "arguments"):
            calls[index]["function"][name] += (piece.get("function") or {}).get(name) or ""
