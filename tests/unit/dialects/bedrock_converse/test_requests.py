"""A conversation and its tools, in the order and form that Converse wants."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.bedrock_converse.asked import (
    CALL,
    HI,
    RESULT,
    TOOL,
    answer,
    contents,
    encode,
    refused,
    say,
)

from nagara.domain.errors import ErrorKind
from nagara.domain.messages import (
    FunctionTool,
    OutputFormat,
    OutputKind,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)


def test_text_and_instructions_and_sampling_have_their_fields() -> None:
    body = encode(
        say(Text("Be brief."), role=Role.SYSTEM),
        say(Text("In French."), role=Role.DEVELOPER),
        HI,
        output_tokens_max=50,
        temperature=0.5,
        stop=("END", ""),
    )
    assert body == {
        "system": [{"text": "Be brief."}, {"text": "In French."}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }


def test_neighbours_of_a_role_are_one_message_with_results_first() -> None:
    body = encode(
        say(Text("a")),
        say(Text("b")),
        answer(Text("c"), CALL),
        say(Text("d"), RESULT),
        say(Text("e")),
        tools=(TOOL,),
    )
    assert contents(body) == [
        ("user", ["text", "text"]),
        ("assistant", ["text", "toolUse"]),
        ("user", ["toolResult", "text", "text"]),
    ]


def test_conversation_that_the_assistant_begins_gets_a_first_turn() -> None:
    assert contents(encode(answer(Text("Hello")), HI)) == [
        ("user", ["text"]),
        ("assistant", ["text"]),
        ("user", ["text"]),
    ]


def test_instructions_alone_are_asked_as_the_user() -> None:
    body = encode(say(Text("Tell a joke."), role=Role.SYSTEM))
    assert body == {"messages": [{"role": "user", "content": [{"text": "Tell a joke."}]}]}


def test_instructions_in_the_middle_stay_where_they_are() -> None:
    body = encode(HI, answer(Text("Hello")), say(Text("Be brief."), role=Role.SYSTEM), HI)
    assert contents(body)[-1] == ("user", ["text", "text"])


def test_blank_text_is_left_out_and_nothing_but_that_is_refused() -> None:
    body = encode(say(Text(" \n"), Text("Hi")), answer(Text("")), say(Text("there")))
    assert contents(body) == [("user", ["text", "text"])]
    error = refused(say(Text(" ")))
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "messages")


def test_call_and_its_result_are_joined_by_an_id_that_converse_takes() -> None:
    odd = "call/" + "x" * 80
    body = encode(
        HI,
        answer(CALL, ToolCall(id=odd, name="f"), ToolCall(id="", name="f")),
        say(
            ToolResult(call_id="", parts=(Text("three"),)),
            ToolResult(call_id=odd, parts=(), is_error=True),
            RESULT,
        ),
        tools=(TOOL,),
    )
    calls = [block["toolUse"] for block in body["messages"][1]["content"]]
    results = [block["toolResult"] for block in body["messages"][2]["content"]]
    assert [call["input"] for call in calls] == [{"a": 1}, {}, {}]
    assert calls[0]["toolUseId"] == "call_1"
    ids = [call["toolUseId"] for call in calls]
    assert [result["toolUseId"] for result in results] == [ids[2], ids[1], ids[0]]
    assert [result.get("status") for result in results] == [None, "error", None]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ('{"a": "\\ud83d"}', {"a": "\ud83d"}),
        ("[1]", {"arguments": "[1]"}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("\ud83d", {"arguments": "\ud83d"}),
    ],
)
def test_arguments_are_always_an_object(arguments: str, given: Any) -> None:
    body = encode(HI, answer(ToolCall(id="c", name="f", arguments=arguments)), tools=(TOOL,))
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == given


@pytest.mark.parametrize("choice", [None, ToolChoice(ToolChoiceMode.NONE)])
def test_calls_of_earlier_turns_are_told_where_no_tools_are_offered(
    choice: ToolChoice | None,
) -> None:
    tools = () if choice is None else (TOOL,)
    drops = {"tools"} if tools else set[str]()
    body = encode(HI, answer(CALL), say(RESULT), tools=tools, tool_choice=choice, drops=drops)
    assert "toolConfig" not in body
    told = json.dumps(body["messages"][1:])
    assert 'f with {\\"a\\": 1}' in told
    assert "one" in told


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, None),
        (ToolChoice(ToolChoiceMode.AUTO), None),
        (ToolChoice(ToolChoiceMode.REQUIRED), {"any": {}}),
        (ToolChoice(ToolChoiceMode.NAMED, "f"), {"tool": {"name": "f"}}),
    ],
)
def test_tool_choice_is_converses(choice: ToolChoice | None, written: Any) -> None:
    config = encode(HI, tools=(TOOL,), tool_choice=choice)["toolConfig"]
    assert config.get("toolChoice") == written
    spec = config["tools"][0]["toolSpec"]
    assert (spec["name"], spec["description"]) == ("f", "Does it.")
    assert spec["inputSchema"]["json"]["properties"] == {"a": {"type": "integer"}}


def test_tool_without_parameters_or_description_has_an_empty_object() -> None:
    spec = encode(HI, tools=(FunctionTool(name="g", description=""),))["toolConfig"]["tools"][0]
    schema = {"json": {"type": "object", "properties": {}}}
    assert spec == {"toolSpec": {"name": "g", "inputSchema": schema}}


def test_strict_tool_says_so_and_has_closed_objects() -> None:
    strict = msgspec.structs.replace(TOOL, is_strict=True)
    spec = encode(HI, tools=(strict,))["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True
    assert spec["inputSchema"]["json"]["additionalProperties"] is False


def test_schema_of_the_answer_is_text_in_its_own_place() -> None:
    schema = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
    wanted = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=schema, name="n", description="d")
    text_format = encode(HI, output_format=wanted)["outputConfig"]["textFormat"]
    definition = text_format["structure"]["jsonSchema"]
    assert (text_format["type"], definition["name"], definition["description"]) == (
        "json_schema",
        "n",
        "d",
    )
    assert json.loads(definition["schema"])["properties"] == {"a": {"type": "string"}}


def test_json_without_a_schema_is_put_into_words_and_named() -> None:
    wanted = OutputFormat(kind=OutputKind.JSON_OBJECT)
    body = encode(HI, output_format=wanted, drops={"response_format"})
    assert "JSON" in body["system"][0]["text"]
