"""Writes replies as OpenAI's Responses: one object, or the stream of its events.

Shapes and the order of events are those of
https://platform.openai.com/docs/api-reference/responses-streaming: every item is added, grows by
deltas, and is done, under one running `sequence_number`. The stream ends with its terminal event;
this API has no `[DONE]`.
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nagara.sandbox.conversation import Call, Conversation, Finish, Ids, Reply, ToolKind
from nagara.sandbox.reply import compose, find_prompt
from nagara.sandbox.request import Field
from nagara.sandbox.responses_request import read_responses
from nagara.sandbox.script import (
    Answered,
    encode_event,
    make_json_script,
    make_stream_script,
)
from nagara.sandbox.text import split_deltas

ENCRYPTED: Final = "reasoning.encrypted_content"

ECHOED: Final[dict[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that the response repeats, with what stands there when they are absent."""

Event = tuple[str, dict[str, Any]]


def answer_responses(body: Field, model: str, now_s: int, ids: Ids) -> Answered:
    """The script for a response. Raises `BadRequest`."""
    conversation = read_responses(body)
    [reply] = compose(conversation)
    items = list(render_items(body, reply, ids))
    begun = render_frame(body, model, now_s, ids)
    ended = begun | render_end(conversation, reply, items, now_s)
    headers = [("x-request-id", ids.make("req_"))]
    if conversation.is_stream:
        return Answered(
            make_stream_script(stream_events(begun, ended, items), headers),
            find_prompt(conversation),
        )
    return Answered(make_json_script(ended, headers=headers), find_prompt(conversation))


def render_frame(body: Field, model: str, now_s: int, ids: Ids) -> dict[str, Any]:
    """The response as it is at its start."""
    echoed = {
        name: default if body[name].is_absent else body[name].value
        for name, default in ECHOED.items()
    }
    asked_text, asked_reasoning = body["text"], body["reasoning"]
    text = {"format": {"type": "text"}, "verbosity": "medium"}
    reasoning = {"effort": None, "summary": None}
    return {
        "id": ids.make("resp_", digits=48),
        "object": "response",
        "created_at": now_s,
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "service_tier": "default",
        "text": text if asked_text.is_absent else text | asked_text.read_object(),
        "reasoning": reasoning
        if asked_reasoning.is_absent
        else reasoning | asked_reasoning.read_object(),
        "usage": None,
        **echoed,
    }


def render_end(
    conversation: Conversation, reply: Reply, items: list[dict[str, Any]], now_s: int
) -> dict[str, Any]:
    """What is different in the response once it has ended."""
    is_whole = reply.finish is not Finish.LENGTH
    return {
        "status": "completed" if is_whole else "incomplete",
        "completed_at": now_s if is_whole else None,
        "incomplete_details": None if is_whole else {"reason": "max_output_tokens"},
        "output": items,
        "usage": {
            "input_tokens": conversation.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
            "total_tokens": conversation.input_tokens + reply.output_tokens,
        },
    }


def render_items(body: Field, reply: Reply, ids: Ids) -> Iterator[dict[str, Any]]:
    """The output: reasoning, then a message or calls."""
    if reply.reasoning:
        yield render_reasoning(body, reply.reasoning, ids)
    for number, call in enumerate(reply.calls):
        yield render_call(call, number, ids)
    if reply.text or not (reply.calls or reply.reasoning):
        is_whole = reply.finish is not Finish.LENGTH
        yield {
            "id": ids.make("msg_", digits=48),
            "type": "message",
            "status": "completed" if is_whole else "incomplete",
            "role": "assistant",
            "content": [render_text(reply.text)],
        }


def render_text(text: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def render_reasoning(body: Field, thought: str, ids: Ids) -> dict[str, Any]:
    """A reasoning item: its summary and its encrypted form, each where it was asked for."""
    is_summarised = not body["reasoning"]["summary"].is_absent
    summary = [{"type": "summary_text", "text": thought}] if is_summarised else []
    item = {"id": ids.make("rs_", digits=48), "type": "reasoning", "summary": summary}
    include = body["include"]
    if isinstance(include.value, list) and ENCRYPTED in include.value:
        secret = hashlib.sha512(thought.encode()).digest()
        item["encrypted_content"] = base64.urlsafe_b64encode(secret).decode()
    return item


def render_call(call: Call, number: int, ids: Ids) -> dict[str, Any]:
    """A call item, in the form of the tool's kind."""
    call_id = ids.make("call_", number)
    place = {} if call.tool.namespace is None else {"namespace": call.tool.namespace}
    head = {"status": "completed", "call_id": call_id}
    match call.tool.kind:
        case ToolKind.CUSTOM:
            item = {"id": ids.make("ctc_", number, digits=48), "type": "custom_tool_call"}
            return item | head | {"name": call.tool.name, "input": call.input} | place
        case ToolKind.LOCAL_SHELL:
            item = {"id": ids.make("lsh_", number, digits=48), "type": "local_shell_call"}
            return item | head | {"action": render_action(call.input)}
        case ToolKind.FUNCTION:
            item = {"id": ids.make("fc_", number, digits=48), "type": "function_call"}
            return item | head | {"name": call.tool.name, "arguments": call.input} | place


def render_action(arguments: str) -> dict[str, Any]:
    """What the local shell is to run; a single string is given to a shell."""
    asked: dict[str, Any] = msgspec.json.decode(arguments)
    command = asked.get("command")
    if not isinstance(command, list):
        asked["command"] = ["bash", "-lc", command if isinstance(command, str) else "true"]
    asked["command"] = [str(word) for word in asked["command"]]
    return {"type": "exec", "env": {}} | asked


def stream_events(
    begun: dict[str, Any], ended: dict[str, Any], items: list[dict[str, Any]]
) -> Iterator[bytes]:
    """All events of a stream, numbered."""
    for number, (name, fields) in enumerate(list_events(begun, ended, items)):
        yield encode_event({"type": name, "sequence_number": number, **fields}, name)


def list_events(
    begun: dict[str, Any], ended: dict[str, Any], items: list[dict[str, Any]]
) -> Iterator[Event]:
    """All events of a stream in their order."""
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(items):
        yield "response.output_item.added", {"output_index": index, "item": empty_item(item)}
        place = {"item_id": item["id"], "output_index": index}
        for name, fields in list_item_events(item):
            yield name, place | fields
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{ended['status']}", {"response": ended}


def empty_item(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it is when it is added."""
    started = {"status": "in_progress", "content": [], "summary": [], "arguments": "", "input": ""}
    return {key: started.get(key, value) for key, value in item.items()}


def list_item_events(item: dict[str, Any]) -> Iterator[Event]:
    """The events between an item's start and its end."""
    match item["type"]:
        case "message":
            yield from list_text_events(item["content"][0])
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from list_summary_events(index, part)
        case "function_call":
            yield from list_growth("response.function_call_arguments", "arguments", item)
        case "custom_tool_call":
            yield from list_growth("response.custom_tool_call_input", "input", item)


def list_growth(name: str, field: str, whole: dict[str, Any], **place: Any) -> Iterator[Event]:
    """A text that grows by deltas and is then repeated whole."""
    for piece in split_deltas(whole[field]):
        yield f"{name}.delta", {**place, "delta": piece}
    yield f"{name}.done", {**place, field: whole[field]}


def list_text_events(part: dict[str, Any]) -> Iterator[Event]:
    """The events of a message's one text part."""
    place = {"content_index": 0}
    yield "response.content_part.added", {**place, "part": part | {"text": ""}}
    yield from list_growth("response.output_text", "text", part, **place, logprobs=[])
    yield "response.content_part.done", {**place, "part": part}


def list_summary_events(index: int, part: dict[str, Any]) -> Iterator[Event]:
    """The events of one part of a reasoning summary."""
    place = {"summary_index": index}
    yield "response.reasoning_summary_part.added", {**place, "part": part | {"text": ""}}
    yield from list_growth("response.reasoning_summary_text", "text", part, **place)
    yield "response.reasoning_summary_part.done", {**place, "part": part}
