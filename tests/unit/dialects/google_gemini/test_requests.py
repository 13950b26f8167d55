"""Requests for Gemini, and requests in Gemini's dialect."""

import json
from typing import Any

import msgspec
import pytest

from nagara.dialects import google_gemini
from nagara.dialects.codec import Encoded, Target
from nagara.dialects.google_gemini.signatures import STAND_IN
from nagara.dialects.google_gemini.thinking import write_thinking
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    Citation,
    CitationKind,
    Effort,
    FunctionTool,
    HostedCall,
    HostedKind,
    HostedTool,
    Media,
    MediaKind,
    Message,
    Opaque,
    OutputFormat,
    OutputKind,
    Reasoning,
    ReasoningOptions,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

TARGET = Target(provider="Google", model="gemini-3-flash-preview", maker="google")
OLDER = msgspec.structs.replace(TARGET, model="gemini-2.5-flash")


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def user(*parts: Any) -> Message:
    return Message(Role.USER, parts)


def model(*parts: Any) -> Message:
    return Message(Role.ASSISTANT, parts)


def give(call_id: str, *parts: Any, is_error: bool = False) -> ToolResult:
    return ToolResult(call_id=call_id, parts=parts, is_error=is_error)


def encode(*messages: Message, target: Target = TARGET, **fields: Any) -> tuple[Any, Encoded]:
    request = Request(dialect="openai_chat", model="m", messages=messages, **fields)
    encoded = google_gemini.encode_request(request, target)
    return json.loads(encoded.body), encoded


def decode(**body: Any) -> Request:
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    return google_gemini.decode_request(json.dumps({"contents": contents, **body}).encode())


def test_results_of_tools_have_a_content_of_their_own_before_the_rest() -> None:
    body, _ = encode(
        user(Text("go")),
        model(ToolCall(id="1", name="f", arguments="{}")),
        user(Text("note"), ToolResult(call_id="1", parts=(Text("ok"),))),
        target=OLDER,
    )
    assert body["contents"][2:] == [
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"output": "ok"}}}],
        },
        {"role": "user", "parts": [{"text": "note"}]},
    ]


def test_a_failed_result_says_error() -> None:
    body, _ = encode(model(ToolCall(id="1", name="f")), user(give("1", Text("no"), is_error=True)))
    response = body["contents"][1]["parts"][0]["functionResponse"]
    assert response["response"] == {"error": "no"}


def test_media_of_a_result_come_after_it() -> None:
    image = Media(kind=MediaKind.IMAGE, media_type="image/png", data="aGk=")
    body, _ = encode(model(ToolCall(id="1", name="f")), user(give("1", image)))
    assert body["contents"][2]["parts"][1] == {
        "inlineData": {"mimeType": "image/png", "data": "aGk="}
    }


def test_signatures_return_to_the_very_part_they_came_on() -> None:
    maker = "google"
    body, _ = encode(
        user(Text("go")),
        model(
            Text("a"),
            Reasoning(signature=Signature("ON_TEXT", maker, "")),
            ToolCall(id="1", name="f", signature=Signature("ON_CALL", maker)),
            ToolCall(id="2", name="g"),
            Reasoning(signature=Signature("ALONE", maker)),
        ),
    )
    parts = body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["ON_TEXT", "ON_CALL", None, "ALONE"]
    assert parts[3] == {"text": "", "thoughtSignature": "ALONE"}


def test_anothers_reasoning_is_left_out_and_named() -> None:
    body, encoded = encode(
        user(Text("go")),
        model(Reasoning(text="hm", signature=Signature("S", "anthropic")), Text("a")),
    )
    assert body["contents"][1]["parts"] == [{"text": "a"}]
    assert encoded.dropped == ("reasoning",)


def test_a_call_of_the_current_turn_without_a_signature_gets_a_stand_in() -> None:
    body, _ = encode(
        user(Text("first")),
        model(ToolCall(id="1", name="f")),
        user(give("1", Text("ok"))),
        model(Text("done")),
        user(Text("second")),
        model(ToolCall(id="2", name="f"), ToolCall(id="3", name="f")),
        user(give("2", Text("ok")), give("3", Text("ok"))),
    )
    signs = [
        part.get("thoughtSignature")
        for content in body["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]
    assert signs == [None, STAND_IN, None]


def test_older_models_get_no_stand_in() -> None:
    body, _ = encode(user(Text("a")), model(ToolCall(id="1", name="f")), target=OLDER)
    assert "thoughtSignature" not in body["contents"][1]["parts"][0]


def test_hosted_blocks_of_others_are_never_calls() -> None:
    call = HostedCall(id="h", kind=HostedKind.WEB_SEARCH, name="web_search", dialect="x")
    opaque = Opaque(dialect="x", type="compaction", raw=raw({}))
    body, encoded = encode(user(Text("a")), model(call, opaque, Text("b")))
    assert body["contents"][1]["parts"] == [{"text": "b"}]
    assert encoded.dropped == ("web_search", "compaction")


def test_instructions_are_one_system_instruction_and_later_ones_the_users() -> None:
    body, _ = encode(
        Message(Role.SYSTEM, (Text("one"),)),
        Message(Role.DEVELOPER, (Text("two"),)),
        user(Text("hi")),
        Message(Role.SYSTEM, (Text("three"),)),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}, {"text": "three"}]}]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media(kind=MediaKind.IMAGE, url="https://x.example/a.webp?s=1"),
            {"fileData": {"fileUri": "https://x.example/a.webp?s=1", "mimeType": "image/webp"}},
        ),
        (
            Media(kind=MediaKind.IMAGE, url="data:image/gif;base64,aGk="),
            {"inlineData": {"mimeType": "image/gif", "data": "aGk="}},
        ),
        (
            Media(kind=MediaKind.VIDEO, url="https://youtu.be/x"),
            {"fileData": {"fileUri": "https://youtu.be/x"}},
        ),
        (
            Media(kind=MediaKind.DOCUMENT, text="hi"),
            {"text": "hi"},
        ),
    ],
)
def test_media_in_every_form(media: Media, part: Any) -> None:
    assert encode(user(media))[0]["contents"][0]["parts"] == [part]


def test_a_file_of_another_provider_cannot_be_carried() -> None:
    with pytest.raises(GatewayError) as caught:
        encode(user(Media(kind=MediaKind.DOCUMENT, file_id="file-abc")))
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_functions_beside_a_search_say_so_only_where_that_is_known() -> None:
    tools = (
        FunctionTool(name="f", parameters=raw({"type": "object", "properties": {}})),
        HostedTool(kind=HostedKind.WEB_SEARCH, name="web_search", allowed_domains=("x.example",)),
    )
    body, encoded = encode(user(Text("a")), tools=tools)
    assert body["tools"][0] == {"googleSearch": {}}
    assert "toolConfig" not in body
    assert encoded.dropped == ("tools.web_search.allowed_domains",)
    told = msgspec.structs.replace(TARGET, traits=frozenset({"server_tool_invocations"}))
    body, _ = encode(user(Text("a")), tools=tools, target=told)
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}


def test_models_before_gemini_3_get_a_search_only_by_itself() -> None:
    search = HostedTool(kind=HostedKind.WEB_SEARCH, name="web_search", uses_max=1)
    function = FunctionTool(name="f", parameters=raw({"type": "object", "properties": {}}))
    body, encoded = encode(user(Text("a")), tools=(function, search), target=OLDER)
    assert [list(tool) for tool in body["tools"]] == [["functionDeclarations"]]
    assert encoded.dropped == ("tools.web_search",)
    body, _ = encode(user(Text("a")), tools=(search,), target=OLDER)
    assert body["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        ({"output": "a"}, False),
        ({"error": "a"}, False),
        ({"result": "a"}, True),
        ({"output": {"b": 1}}, True),
        ({"output": "a", "b": "c"}, True),
    ],
)
def test_a_results_object_is_kept_only_where_its_text_does_not_make_it_again(
    response: Any, kept: bool
) -> None:
    result = {"functionResponse": {"name": "f", "response": response}}
    part = decode(contents=[{"role": "user", "parts": [result]}]).messages[0].parts[0]
    assert isinstance(part, ToolResult)
    assert ("response" in part.extras) == kept


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice(ToolChoiceMode.REQUIRED), {"mode": "ANY"}),
        (
            ToolChoice(ToolChoiceMode.NAMED, "f"),
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            ToolChoice(ToolChoiceMode.AUTO, allowed=("f", "g")),
            {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, config: Any) -> None:
    body, _ = encode(user(Text("a")), tools=(FunctionTool(name="f"),), tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": config}


def test_a_schemas_loss_is_named_in_the_callers_words() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 2}}}
    asked = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=raw(schema))
    body, encoded = encode(user(Text("a")), output_format=asked)
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert encoded.dropped == ("response_format.properties.n.multipleOf",)


def test_too_many_stop_sequences_are_refused() -> None:
    with pytest.raises(GatewayError, match="stop sequences"):
        encode(user(Text("a")), stop=tuple("abcdef"))


def test_citations_and_details_without_a_place_are_named() -> None:
    cited = Text("a", (Citation(kind=CitationKind.URL, url="u"),))
    image = Media(kind=MediaKind.IMAGE, data="aGk=", detail="high", filename="a.png")
    _, encoded = encode(user(image), model(cited))
    assert set(encoded.dropped) == {"detail", "filename", "citations"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("gemini-3-flash", {"effort": Effort.NONE}, {"thinkingLevel": "minimal"}),
        ("gemini-3-pro-preview", {"effort": Effort.MINIMAL}, {"thinkingLevel": "low"}),
        ("gemini-3-pro-preview", {"effort": Effort.MAX}, {"thinkingLevel": "high"}),
        ("gemini-3-flash", {"budget_tokens": 9_000}, {"thinkingLevel": "medium"}),
        ("models/gemini-2.5-flash", {"effort": Effort.LOW}, {"thinkingBudget": 2_048}),
        ("gemini-2.5-flash", {"effort": Effort.NONE}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"effort": Effort.NONE}, {"thinkingBudget": 128}),
        ("gemini-2.5-flash", {"budget_tokens": 99_000}, {"thinkingBudget": 24_576}),
        ("gemini-2.5-flash", {"is_adaptive": True}, {"thinkingBudget": -1}),
    ],
)
def test_every_family_is_told_to_think_in_its_own_way(name: str, options: Any, said: Any) -> None:
    told = write_thinking(ReasoningOptions(**options, is_shown=True), name)
    assert told == {**said, "includeThoughts": True}


def test_openapi_schemas_become_json_schemas() -> None:
    parameters = {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING", "nullable": True, "maxLength": "5"}},
    }
    (tool,) = decode(
        tools=[{"functionDeclarations": [{"name": "f", "parameters": parameters}]}]
    ).tools
    assert isinstance(tool, FunctionTool)
    assert tool.parameters is not None
    assert json.loads(bytes(tool.parameters)) == {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "maxLength": 5}},
    }


def test_calls_without_ids_are_matched_by_name_and_order() -> None:
    def call(name: str) -> Any:
        return {"functionCall": {"name": name, "args": {}}}

    def result(name: str, text: str) -> Any:
        return {"functionResponse": {"name": name, "response": {"output": text}}}

    request = decode(
        contents=[
            {"role": "model", "parts": [call("f"), call("g"), call("f")]},
            {"role": "user", "parts": [result("f", "1"), result("f", "2"), result("g", "3")]},
        ]
    )
    calls, results = request.messages
    ids = [part.id for part in calls.parts if isinstance(part, ToolCall)]
    given = [part.call_id for part in results.parts if isinstance(part, ToolResult)]
    assert len(set(ids)) == 3
    assert given == [ids[0], ids[2], ids[1]]


def test_a_thoughts_signature_in_a_piece_of_its_own_belongs_to_the_thought() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "S"},
    ]
    request = decode(contents=[{"role": "model", "parts": parts}])
    assert request.messages[0].parts == (Reasoning(text="hm", signature=Signature("S")),)


def test_fields_beyond_the_hub_are_kept_under_their_path() -> None:
    request = decode(
        safetySettings=[], generationConfig={"speechConfig": {}, "topK": 3}, labels={"a_b": "c"}
    )
    assert set(request.extras) == {"safetySettings", "generationConfig.speechConfig", "labels"}
    assert request.top_k == 3
    body = json.loads(google_gemini.encode_request(request, TARGET).body)
    assert body["generationConfig"] == {"speechConfig": {}, "topK": 3}
    assert body["labels"] == {"a_b": "c"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        ({"generationConfig": {"topP": "x"}}, "generationConfig.topP"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools"),
        ({"generation_config": {"candidate_count": 0}}, "generationConfig.candidateCount"),
    ],
)
def test_a_callers_mistake_is_named_by_its_path(body: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        decode(**body)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param == param


def test_properties_are_in_the_order_that_the_caller_wants_them_written() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"b": {"type": "STRING"}, "c": {"type": "STRING"}, "a": {"type": "STRING"}},
        "propertyOrdering": ["a", "b", "unknown", 7],
    }
    asked = decode(generationConfig={"responseSchema": schema})
    assert asked.output_format is not None
    assert asked.output_format.schema is not None
    assert list(json.loads(bytes(asked.output_format.schema))["properties"]) == ["a", "b", "c"]


def test_an_answer_is_held_to_its_schema_as_google_holds_it() -> None:
    config = {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}
    asked = decode(generationConfig=config)
    assert asked.output_format is not None
    assert asked.output_format.is_strict


def test_what_a_schema_is_for_is_said_at_its_top() -> None:
    form = OutputFormat(
        kind=OutputKind.JSON_SCHEMA, schema=raw({"type": "object"}), description="Someone."
    )
    sent, _ = encode(user(Text("Hi")), output_format=form)
    said = sent["generationConfig"]["responseJsonSchema"]
    assert said == {"type": "object", "description": "Someone."}


def test_a_text_document_keeps_its_title() -> None:
    document = Media(kind=MediaKind.DOCUMENT, text="Deep.", filename="fjords.txt")
    body, encoded = encode(user(document))
    assert body["contents"][0]["parts"] == [{"text": "fjords.txt\n\nDeep."}]
    assert encoded.dropped == ()
