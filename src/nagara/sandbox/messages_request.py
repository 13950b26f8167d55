"""Reads a request of Anthropic's Messages into a conversation, and refuses what that API would.

https://docs.claude.com/en/api/messages is the reference. A `system` role among the messages is
taken, since current agents send it. Kinds of blocks that are not known are passed over.
"""

from typing import Final

from nagara.sandbox.conversation import (
    Conversation,
    JsonFormat,
    Speaker,
    Tool,
    ToolMode,
    ToolPolicy,
    Turn,
)
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.text import Tally

SPEAKERS: Final = {
    "user": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
    "system": Speaker.SYSTEM,
}
MEDIA_BLOCKS: Final = ("image", "document")
MODES: Final = {
    "auto": ToolMode.AUTO,
    "any": ToolMode.REQUIRED,
    "tool": ToolMode.REQUIRED,
    "none": ToolMode.NONE,
}
THINKING_TOKENS_MIN: Final = 1_024


def read_messages(body: Field) -> Conversation:
    """The conversation of a request. Raises `BadRequest`."""
    limit = body["max_tokens"].read_integer(0)
    for name, most in (("temperature", 1), ("top_p", 1)):
        body[name].check_number(0, most)
    stops = body["stop_sequences"]
    return read_prompt(body, limit, () if stops.is_absent else read_stops(stops))


def read_prompt(body: Field, limit: int | None, stops: tuple[str, ...] = ()) -> Conversation:
    """The part that counting tokens needs as well: messages, system, tools, format."""
    tally = Tally()
    if not body["system"].is_absent:
        read_content(body["system"], tally)
    turns = [
        turn
        for message in body["messages"].read_items(least=1)
        for turn in read_message(message, tally)
    ]
    tools = read_tools(body["tools"], tally)
    return Conversation(
        turns=tuple(turns),
        tools=tools,
        policy=read_policy(body["tool_choice"], tools),
        format=read_format(body, tally),
        output_tokens_max=limit,
        stops=stops,
        is_reasoning=is_thinking(body["thinking"], limit),
        is_stream=body["stream"].read_flag(),
        input_tokens=tally.tokens,
    )


def read_stops(field: Field) -> tuple[str, ...]:
    """The stop sequences."""
    return tuple(item.read_text() for item in field.read_items())


def read_message(message: Field, tally: Tally) -> list[Turn]:
    """One message as turns: each run of tool results in it is a turn of its own."""
    speaker = SPEAKERS[message["role"].read_choice(tuple(SPEAKERS))]
    content = message["content"]
    if not isinstance(content.value, list):
        return [Turn(speaker, read_content(content, tally))]
    turns: list[Turn] = []
    for block in content.read_items():
        is_result = block["type"].read_text() == "tool_result"
        texts = read_block(block, tally)
        who = Speaker.TOOL if is_result else speaker
        if turns and turns[-1].speaker is who and not is_result:
            texts = turns.pop().texts + texts
        turns.append(Turn(who, texts))
    return turns


def read_content(content: Field, tally: Tally) -> tuple[str, ...]:
    """A string, or the texts among the blocks of an array."""
    if content.is_absent:
        raise content.fail(Problem.MISSING)
    if isinstance(content.value, str):
        tally.add_text(content.value)
        return (content.value,)
    if not isinstance(content.value, list):
        raise content.fail(Problem.TYPE, "a valid string or list")
    return tuple(text for block in content.read_items() for text in read_block(block, tally))


def read_block(block: Field, tally: Tally) -> tuple[str, ...]:
    """The texts of one block; everything else in it is only counted."""
    kind = block["type"].read_text()
    if kind == "text":
        text = block["text"].read_text()
        tally.add_text(text)
        return (text,)
    if kind == "tool_result":
        block["tool_use_id"].read_text()
        content = block["content"]
        return () if content.is_absent else read_content(content, tally)
    if kind == "tool_use":
        tally.add_text(block["name"].read_text())
        tally.add_json(block["input"].value)
    elif kind == "thinking":
        tally.add_text(block["thinking"].read_text())
    elif kind in MEDIA_BLOCKS:
        block["source"].read_object()
        tally.add_media()
    else:
        tally.add_json(block.value)
    return ()


def read_tools(field: Field, tally: Tally) -> tuple[Tool, ...]:
    """The offered tools. Tools that Anthropic runs itself have a type and no schema."""
    if field.is_absent:
        return ()
    tools: list[Tool] = []
    for item in field.read_items():
        kind = item["type"].find_text()
        schema = item["input_schema"]
        if kind in (None, "custom"):
            schema.read_object()
            tools.append(Tool(item["name"].read_text(), parameters=schema.value))
        elif (name := item["name"].find_text()) is not None:
            tools.append(Tool(name, parameters=schema.value))
        tally.add_json(item.value)
    return tuple(tools)


def read_policy(choice: Field, tools: tuple[Tool, ...]) -> ToolPolicy:
    """`tool_choice`, which holds the parallel switch here."""
    if choice.is_absent:
        return ToolPolicy()
    kind = choice["type"].read_choice(tuple(MODES))
    is_parallel = not choice["disable_parallel_tool_use"].read_flag()
    if not tools and kind != "none":
        raise choice.refuse("may only be specified while providing tools")
    name = None
    if kind == "tool":
        name = choice["name"].read_text()
        if name not in {tool.name for tool in tools}:
            raise choice.refuse(f"Tool '{name[:100]}' not found in provided tools")
    return ToolPolicy(MODES[kind], name, is_parallel=is_parallel)


def read_format(body: Field, tally: Tally) -> JsonFormat | None:
    """`output_config.format`, or `output_format` as it was called in its beta."""
    field = body["output_format"]
    if not body["output_config"].is_absent and not body["output_config"]["format"].is_absent:
        field = body["output_config"]["format"]
    if field.is_absent:
        return None
    field["type"].read_choice(("json_schema",))
    schema = field["schema"]
    tally.add_json(schema.read_object())
    return JsonFormat(schema.value, schema.path)


def is_thinking(thinking: Field, limit: int | None) -> bool:
    """Whether the answer begins with a thinking block."""
    if thinking.is_absent:
        return False
    kind = thinking["type"].read_text()
    if kind == "enabled":
        budget = thinking["budget_tokens"]
        if budget.read_integer(THINKING_TOKENS_MIN) >= (limit or budget.value + 1):
            raise budget.refuse("`max_tokens` must be greater than `thinking.budget_tokens`")
    return kind != "disabled"
