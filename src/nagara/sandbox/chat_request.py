"""Reads a Chat Completions request into a conversation, and refuses what OpenAI would refuse.

https://platform.openai.com/docs/api-reference/chat/create is the reference. Fields that change
nothing about a sandbox answer are left unread, so that new ones pass.
"""

from typing import Final

from nagara.sandbox.conversation import (
    Conversation,
    JsonFormat,
    Speaker,
    Tool,
    ToolKind,
    ToolMode,
    ToolPolicy,
    Turn,
)
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.text import Tally

CHOICES_MAX: Final = 128
STOPS_MAX: Final = 4
TOOLS_MAX: Final = 1_000
SPEAKERS: Final = {
    "developer": Speaker.SYSTEM,
    "system": Speaker.SYSTEM,
    "user": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
    "tool": Speaker.TOOL,
    "function": Speaker.TOOL,
}
TEXT_PARTS: Final = {"text": "text", "refusal": "refusal"}
MEDIA_PARTS: Final = ("image_url", "input_audio", "file")
ELSEWHERE: Final = {"audio": "/v1/audio/speech", "image": "/v1/images/generations"}
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def read_chat(body: Field) -> Conversation:
    """The conversation of a request. Raises `BadRequest`."""
    tally = Tally()
    turns = tuple(read_message(item, tally) for item in body["messages"].read_items(least=1))
    tools = read_tools(body["tools"], tally)
    check_sampling(body)
    check_modalities(body["modalities"])
    limit = body["max_completion_tokens"].find_integer(1)
    legacy_limit = body["max_tokens"].find_integer(1)
    effort = read_effort(body["reasoning_effort"])
    return Conversation(
        turns=turns,
        tools=tools,
        policy=read_policy(body, tools),
        format=read_format(body["response_format"], tally),
        output_tokens_max=limit if limit is not None else legacy_limit,
        stops=read_stops(body["stop"]),
        is_reasoning=effort not in (None, "none"),
        is_stream=body["stream"].read_flag(),
        choices=body["n"].find_integer(1, CHOICES_MAX) or 1,
        input_tokens=tally.tokens,
    )


def check_sampling(body: Field) -> None:
    """Refuse sampling parameters that are out of range; they change nothing else here."""
    body["temperature"].check_number(0, 2)
    body["top_p"].check_number(0, 1)
    body["presence_penalty"].check_number(-2, 2)
    body["frequency_penalty"].check_number(-2, 2)


def wants_usage(body: Field) -> bool:
    """Whether a stream ends with a chunk that holds the usage."""
    options = body["stream_options"]
    if options.is_absent:
        return False
    if not body["stream"].read_flag():
        raise options.refuse("it is only allowed when 'stream' is true")
    return options["include_usage"].read_flag()


def read_effort(field: Field) -> str | None:
    """The reasoning effort, or None where it was not given."""
    return None if field.is_absent else field.read_choice(EFFORTS)


def read_message(message: Field, tally: Tally) -> Turn:
    """One message as a turn; the calls of an assistant are counted but not kept."""
    speaker = SPEAKERS[message["role"].read_choice(tuple(SPEAKERS))]
    content = message["content"]
    calls = message["tool_calls"]
    if content.is_absent and speaker is not Speaker.ASSISTANT:
        raise content.fail(Problem.MISSING)
    for call in [] if calls.is_absent else calls.read_items():
        tally.add_json(call.read_object())
    texts = () if content.is_absent else read_content(content, tally)
    return Turn(speaker, texts)


def check_modalities(field: Field) -> None:
    """Sounds and pictures are not made in conversations: an answer without them would break."""
    if field.is_absent:
        return
    for item in field.read_items():
        if (path := ELSEWHERE.get(item.read_text())) is not None:
            raise item.refuse(f"the sandbox answers chats in text alone; call {path} for it")


def read_content(content: Field, tally: Tally) -> tuple[str, ...]:
    """A string, or the texts among the parts of an array."""
    if isinstance(content.value, str):
        tally.add_text(content.value)
        return (content.value,)
    if not isinstance(content.value, list):
        raise content.fail(Problem.TYPE, "a string or an array of objects")
    texts: list[str] = []
    for part in content.read_items():
        kind = part["type"].read_choice((*TEXT_PARTS, *MEDIA_PARTS))
        if kind in TEXT_PARTS:
            texts.append(part[TEXT_PARTS[kind]].read_text())
            tally.add_text(texts[-1])
        else:
            part[kind].read_object()
            tally.add_media()
    return tuple(texts)


def read_tools(field: Field, tally: Tally) -> tuple[Tool, ...]:
    """The offered tools; OpenAI nests each one under its type."""
    if field.is_absent:
        return ()
    tools: list[Tool] = []
    for item in field.read_items(most=TOOLS_MAX):
        kind = ToolKind(item["type"].read_choice(("function", "custom")))
        definition = item[kind.value]
        parameters = definition["parameters"]
        if not parameters.is_absent:
            parameters.read_object()
        tools.append(Tool(definition["name"].read_text(), kind, parameters.value))
        tally.add_json(item.value)
    return tuple(tools)


def read_policy(body: Field, tools: tuple[Tool, ...]) -> ToolPolicy:
    """`tool_choice` and `parallel_tool_calls`."""
    is_parallel = body["parallel_tool_calls"].read_flag(default=True)
    choice = body["tool_choice"]
    if choice.is_absent:
        return ToolPolicy(is_parallel=is_parallel)
    if not tools and choice.value not in ("none", "auto"):
        raise choice.refuse("it is only allowed when 'tools' are specified")
    if isinstance(choice.value, str):
        mode = ToolMode(choice.read_choice([mode.value for mode in ToolMode]))
        return ToolPolicy(mode, is_parallel=is_parallel)
    kind = choice["type"].read_choice(("function", "custom", "allowed_tools"))
    if kind == "allowed_tools":
        allowed = choice[kind]
        mode = ToolMode(allowed["mode"].read_choice(("auto", "required")))
        names = (item[item["type"].read_text()]["name"] for item in allowed["tools"].read_items())
        return ToolPolicy(
            mode, allowed=frozenset(name.read_text() for name in names), is_parallel=is_parallel
        )
    name = check_offered(choice[kind]["name"], tools)
    return ToolPolicy(ToolMode.REQUIRED, name, is_parallel=is_parallel)


def check_offered(name: Field, tools: tuple[Tool, ...]) -> str:
    """The name of a tool that must be among those offered."""
    if name.read_text() not in {tool.name for tool in tools}:
        raise name.refuse(f"no tool called '{name.read_text()[:100]}' is among the tools")
    return name.read_text()


def read_format(field: Field, tally: Tally) -> JsonFormat | None:
    """`response_format`, where it asks for JSON."""
    if field.is_absent:
        return None
    kind = field["type"].read_choice(("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return JsonFormat(None, field.path) if kind == "json_object" else None
    definition = field["json_schema"]
    definition["name"].read_text()
    schema = definition["schema"]
    tally.add_json(schema.value)
    wanted = {} if schema.is_absent else schema.read_object()
    return JsonFormat(wanted, schema.path)


def read_stops(field: Field) -> tuple[str, ...]:
    """One stop sequence or a few."""
    if field.is_absent:
        return ()
    if isinstance(field.value, str):
        return (field.value,)
    return tuple(item.read_text() for item in field.read_items(most=STOPS_MAX))
