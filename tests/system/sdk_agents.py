"""Small agents, one for each official SDK, that run tools over as many turns as the model wants.

Each keeps the conversation as users of its SDK do: what the SDK gave goes back as it is. One of
Chat Completions keeps all of a message, and one only its text and its calls, as many programs do.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import anthropic
import openai
from google import genai
from google.genai import types

from tests.system.gateway import GatewayProcess
from tests.system.played_stage import PROMPT

OUTPUT_TOKENS_MAX: Final = 8000
TURNS_MAX: Final = 6
TOOL_TIMEOUT_S: Final = 10.0


def _schema(argument: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
        "additionalProperties": False,
    }


TOOLS: Final[Mapping[str, dict[str, Any]]] = {
    "run_command": _schema("command"),
    "read_file": _schema("file_path"),
}


Models = Sequence[str]


class Heard(NamedTuple):
    """What the user of an agent sees: the thoughts and texts of all turns, and the calls made."""

    thoughts: list[str]
    texts: list[str]
    calls: list[str]


class Agent(Protocol):
    """Asks the model, runs its tools, and so on until it calls none.

    Each turn asks the next of the models, and after the last one the first again.
    """

    def __call__(
        self, gateway: GatewayProcess, models: Models, folder: Path, *, is_streamed: bool
    ) -> Heard: ...


def run_tool(name: str, arguments: Mapping[str, Any], folder: Path) -> str:
    """What the tool gives, really run."""
    if name == "read_file":
        return Path(arguments["file_path"]).read_text()
    assert name == "run_command", name
    done = subprocess.run(
        ["bash", "-c", arguments["command"]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TOOL_TIMEOUT_S,
        check=True,
    )
    return done.stdout


def run_chat(
    gateway: GatewayProcess,
    models: Models,
    folder: Path,
    *,
    is_streamed: bool,
    keeps_all: bool = True,
) -> Heard:
    """Chat Completions; a message goes back whole, or with its text and its calls alone."""
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": schema}}
        for name, schema in TOOLS.items()
    ]
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    heard = Heard([], [], [])
    with openai.OpenAI(base_url=gateway.openai_url, api_key=gateway.key, max_retries=0) as client:
        for turn in range(TURNS_MAX):
            asked: Any = {"model": models[turn % len(models)], "messages": messages, "tools": tools,
                          "reasoning_effort": "medium"}  # fmt: skip
            if is_streamed:
                with client.chat.completions.stream(**asked) as stream:
                    message: Any = stream.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**asked).choices[0].message
            heard.thoughts.append(getattr(message, "reasoning_content", None) or "")
            heard.texts.append(message.content or "")
            if not message.tool_calls:
                return heard
            kept = message.model_dump(exclude_none=True)
            for call in kept["tool_calls"]:
                # What the SDK parsed for its own user is not of the API.
                call["function"].pop("parsed_arguments", None)
                call.pop("index", None)
            kept.pop("parsed", None)
            plain = {name: kept[name] for name in ("role", "content", "tool_calls") if name in kept}
            messages.append(kept if keeps_all else plain)
            for call in message.tool_calls:
                heard.calls.append(call.function.name)
                result = run_tool(call.function.name, json.loads(call.function.arguments), folder)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    raise AssertionError(f"no end: {heard}")


def run_forgetful_chat(
    gateway: GatewayProcess, models: Models, folder: Path, *, is_streamed: bool
) -> Heard:
    """Chat Completions by a client that knows of no reasoning."""
    return run_chat(gateway, models, folder, is_streamed=is_streamed, keeps_all=False)


def run_responses(
    gateway: GatewayProcess, models: Models, folder: Path, *, is_streamed: bool
) -> Heard:
    """Responses with nothing stored; the output goes back as input."""
    tools: Any = [
        {"type": "function", "name": name, "parameters": schema, "strict": True}
        for name, schema in TOOLS.items()
    ]
    items: list[Any] = [{"role": "user", "content": PROMPT}]
    heard = Heard([], [], [])
    with openai.OpenAI(base_url=gateway.openai_url, api_key=gateway.key, max_retries=0) as client:
        for turn in range(TURNS_MAX):
            asked: Any = {"model": models[turn % len(models)], "input": items, "tools": tools,
                          "store": False, "include": ["reasoning.encrypted_content"],
                          "reasoning": {"effort": "medium", "summary": "auto"}}  # fmt: skip
            if is_streamed:
                with client.responses.stream(**asked) as stream:
                    response: Any = stream.get_final_response()
            else:
                response = client.responses.create(**asked)
            thoughts = [item for item in response.output if item.type == "reasoning"]
            heard.thoughts.append(
                "".join(part.text for t in thoughts for part in [*t.summary, *(t.content or ())])
            )
            heard.texts.append(response.output_text)
            calls = [item for item in response.output if item.type == "function_call"]
            if not calls:
                return heard
            for item in response.output:
                kept = item.model_dump(exclude_none=True)
                kept.pop("parsed_arguments", None)
                items.append(kept)
            for call in calls:
                heard.calls.append(call.name)
                result = run_tool(call.name, json.loads(call.arguments), folder)
                items.append(
                    {"type": "function_call_output", "call_id": call.call_id, "output": result}
                )
    raise AssertionError(f"no end: {heard}")


def run_messages(
    gateway: GatewayProcess, models: Models, folder: Path, *, is_streamed: bool
) -> Heard:
    """Messages; the content goes back as it came."""
    tools: Any = [{"name": name, "input_schema": schema} for name, schema in TOOLS.items()]
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    heard = Heard([], [], [])
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        for turn in range(TURNS_MAX):
            asked: Any = {"model": models[turn % len(models)], "messages": messages, "tools": tools,
                          "max_tokens": OUTPUT_TOKENS_MAX,
                          "thinking": {"type": "enabled", "budget_tokens": 2000}}  # fmt: skip
            if is_streamed:
                with client.messages.stream(**asked) as stream:
                    message: Any = stream.get_final_message()
            else:
                message = client.messages.create(**asked)
            thoughts = [block.thinking for block in message.content if block.type == "thinking"]
            heard.thoughts.append("".join(thoughts))
            texts = [block.text for block in message.content if block.type == "text"]
            heard.texts.append("".join(texts))
            calls = [block for block in message.content if block.type == "tool_use"]
            assert (message.stop_reason == "tool_use") == bool(calls), message
            if not calls:
                return heard
            messages.append({"role": "assistant", "content": message.content})
            results = []
            for call in calls:
                heard.calls.append(call.name)
                result = run_tool(call.name, call.input, folder)
                results.append({"type": "tool_result", "tool_use_id": call.id, "content": result})
            messages.append({"role": "user", "content": results})
    raise AssertionError(f"no end: {heard}")


def run_gemini(
    gateway: GatewayProcess, models: Models, folder: Path, *, is_streamed: bool
) -> Heard:
    """Google's SDK with its own chat, which keeps the conversation itself."""
    functions = [
        types.FunctionDeclaration(name=name, parameters_json_schema=schema)
        for name, schema in TOOLS.items()
    ]
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=functions)],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    heard = Heard([], [], [])
    options = types.HttpOptions(base_url=gateway.url)
    with genai.Client(api_key=gateway.key, http_options=options) as client:
        history: Any = []
        message: Any = PROMPT
        for turn in range(TURNS_MAX):
            model = models[turn % len(models)]
            chat = client.chats.create(model=model, config=config, history=history)
            answers: Any
            if is_streamed:
                answers = list(chat.send_message_stream(message))
            else:
                answers = [chat.send_message(message)]
            contents: Any = [answer.candidates[0].content for answer in answers]
            parts = [part for content in contents if content for part in content.parts or ()]
            heard.thoughts.append("".join(p.text for p in parts if p.text and p.thought))
            heard.texts.append("".join(p.text for p in parts if p.text and not p.thought))
            calls = [part.function_call for part in parts if part.function_call]
            if not calls:
                return heard
            history, message = chat.get_history(curated=True), []
            for call in calls:
                heard.calls.append(call.name)
                output = {"output": run_tool(call.name, call.args, folder)}
                response = types.FunctionResponse(id=call.id, name=call.name, response=output)
                message.append(types.Part(function_response=response))
    raise AssertionError(f"no end: {heard}")


AGENTS: Final[Mapping[str, Agent]] = {
    "chat": run_chat,
    "forgetful_chat": run_forgetful_chat,
    "responses": run_responses,
    "messages": run_messages,
    "gemini": run_gemini,
}
