"""OpenAI's Responses.

A function's call is the caller's to run. The calls of built-in tools are the provider's own, but
for those that act on the caller's machine, or that say `"execution": "client"`.
https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.recordings.neutral import Answer, Counts, Reading, failed
from tests.recordings.oracle.json_values import read_arguments, read_count

RUN_BY_CALLER: Final = frozenset(
    {"local_shell_call", "shell_call", "apply_patch_call", "computer_call"}
)
INCOMPLETE: Final = {"max_output_tokens": "length", "max_tokens": "length"}
ENDS: Final = ("response.completed", "response.incomplete", "response.failed")


def read(body: Mapping[str, Any]) -> Answer:
    """A `response`: its output items in their order."""
    if body.get("status") == "failed":
        return failed(None, (body.get("error") or {}).get("message"))
    reading = Reading()
    for item in body.get("output") or ():
        read_item(item, reading)
    if body.get("status") == "incomplete":
        reason = (body.get("incomplete_details") or {}).get("reason", "")
        finish = INCOMPLETE.get(reason, reason)
    else:
        finish = "tool_calls" if reading.has_calls else "stop"
    return reading.answer(finish, read_usage(body.get("usage")))


def read_item(item: Mapping[str, Any], reading: Reading) -> None:
    """One output item."""
    kind = item["type"]
    if kind == "message":
        for part in item.get("content") or ():
            read_part(part, reading)
    elif kind == "reasoning":
        for part in [*(item.get("summary") or ()), *(item.get("content") or ())]:
            reading.add_reasoning(part.get("text"))
    elif kind == "function_call":
        arguments = read_arguments(item.get("arguments"))
        reading.add_call(item["name"], arguments, item.get("namespace") or "")
    elif kind == "custom_tool_call":
        reading.add_call(item["name"], item["input"], item.get("namespace") or "")
    elif kind in RUN_BY_CALLER or item.get("execution") == "client":
        reading.own_calls.append(kind.removesuffix("_call"))
    elif kind.endswith("_call"):
        reading.server_tools.append(kind.removesuffix("_call"))
        for source in (item.get("action") or {}).get("sources") or ():
            reading.add_citation(source.get("url"), source.get("title"), is_cited=False)


def read_part(part: Mapping[str, Any], reading: Reading) -> None:
    """A part of a message: text with its annotations, or a refusal."""
    if part["type"] == "refusal":
        reading.refusal += part.get("refusal") or ""
        return
    reading.add_text(part.get("text"))
    for annotation in part.get("annotations") or ():
        reading.add_citation(annotation.get("url"), annotation.get("title"))


def read_usage(usage: Any) -> Counts | None:
    """Usage. Input holds the cached tokens, output the reasoning."""
    if not usage:
        return None
    return Counts(
        input=read_count(usage, "input_tokens"),
        output=read_count(usage, "output_tokens"),
        cache_read=read_count(usage, "input_tokens_details", "cached_tokens"),
        cache_write=read_count(usage, "input_tokens_details", "cache_write_tokens"),
        reasoning=read_count(usage, "output_tokens_details", "reasoning_tokens"),
    )


def fold(events: list[Any]) -> Any:
    """The response that the stream's terminal event holds; without one the stream was cut."""
    responses = (event["response"] for event in events if event.get("type") in ENDS)
    return next(responses, {"status": "failed"})
