"""Responses requests to the hub and back, and what a caller is told of a wrong one."""

from typing import Any

import msgspec
import pytest

from nagara.dialects.codec import Target
from nagara.dialects.envelope import enclose
from nagara.dialects.openai_responses import ABILITIES, decode_request, encode_request
from nagara.dialects.openai_responses.traits import Trait
from nagara.domain.abilities import Abilities
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
    Effort,
    FunctionTool,
    HostedCall,
    HostedKind,
    HostedResult,
    HostedTool,
    Media,
    MediaKind,
    Message,
    Opaque,
    OutputFormat,
    OutputKind,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Role,
    Signature,
    Source,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)
from nagara.providers import PROVIDERS

TARGET = Target(provider="OpenAI", model="gpt-x", maker="openai", abilities=ABILITIES)


def decode(**fields: Any) -> Request:
    return decode_request(msgspec.json.encode({"model": "m", "input": "Hi", **fields}))


def decode_parts(item: dict[str, Any]) -> Any:
    (message,) = decode(input=[item]).messages
    return message.parts


def encode(request: Request, **changes: Any) -> dict[str, Any]:
    wire: dict[str, Any] = msgspec.json.decode(encode_request(request, TARGET).body)
    return wire


def ask(*messages: Message, dialect: str = "openai_chat", **fields: Any) -> Request:
    return Request(dialect=dialect, model="m", messages=messages, **fields)


def refuse(**fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decode(**fields)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    return caught.value


def test_text_input_and_instructions_are_two_messages() -> None:
    request = decode(instructions="Be brief.", input="Hi")
    assert request.messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        Message(Role.USER, (Text("Hi"),)),
    )
    assert encode(request)["instructions"] == "Be brief."
    assert encode(request)["input"] == [{"type": "message", "role": "user", "content": "Hi"}]


def test_parameters_go_to_the_hub_and_the_rest_stays_beside() -> None:
    request = decode(
        temperature=0.5,
        top_p=1,
        max_output_tokens=7,
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "auto", "context": "auto"},
        text={"verbosity": "low", "format": {"type": "json_object"}},
        metadata={"a": "b"},
        safety_identifier="u",
        prompt_cache_key="k",
        service_tier="flex",
        truncation="auto",
        store=False,
        max_tool_calls=None,
    )
    assert (request.temperature, request.top_p, request.output_tokens_max) == (0.5, 1.0, 7)
    assert request.is_parallel is False
    assert request.reasoning is not None
    assert request.reasoning.effort is Effort.HIGH
    assert request.reasoning.summary == "auto"
    assert request.output_format == OutputFormat(kind=OutputKind.JSON_OBJECT)
    assert (request.verbosity, request.user, request.cache_key) == ("low", "u", "k")
    assert request.metadata == {"a": "b"}
    assert sorted(request.extras) == ["store", "truncation"]
    wire = encode(request)
    assert wire["reasoning"] == {"effort": "high", "summary": "auto", "context": "auto"}
    assert (wire["truncation"], wire["store"]) == ("auto", False)


@pytest.mark.parametrize(
    ("include", "count", "asked"),
    [
        (["message.output_text.logprobs"], None, 0),
        (["message.output_text.logprobs"], 3, 3),
        (["web_search_call.action.sources"], 0, None),
        (None, None, None),
    ],
)
def test_logprobs_come_with_the_include_that_names_them(
    include: list[str] | None, count: int | None, asked: int | None
) -> None:
    request = decode(include=include, top_logprobs=count)
    assert request.top_logprobs == asked
    assert encode(request).get("include") == include


def test_images_files_and_audio_are_told_apart() -> None:
    data = "data:image/png;base64,AAAA"
    content = [
        {"type": "input_image", "image_url": data, "detail": "low"},
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_file", "file_data": "https://x/b.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
        {"type": "input_text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ]
    parts = decode_parts({"role": "user", "content": content})
    image, document = MediaKind.IMAGE, MediaKind.DOCUMENT
    assert parts[:4] == (
        Media(kind=image, media_type="image/png", data="AAAA", detail="low"),
        Media(kind=image, url="https://x/y.png"),
        Media(kind=document, media_type="application/pdf", data="BBBB", filename="a"),
        Media(kind=document, url="https://x/a.pdf"),
    )
    assert parts[4].url == "https://x/b.pdf"
    assert parts[5].file_id == "file-1"
    assert parts[6] == Media(kind=MediaKind.AUDIO, media_type="audio/mp3", data="CCCC")
    assert parts[7].cache == CacheMark()
    request = decode(input=[{"role": "user", "content": content}])
    assert decode_request(encode_request(request, TARGET).body).messages == request.messages


def test_calls_and_their_outputs_are_of_assistant_and_user() -> None:
    request = decode(
        input=[
            {
                "type": "function_call",
                "id": "fc_1",
                "status": "completed",
                "call_id": "c1",
                "name": "f",
                "arguments": "{}",
                "namespace": "ns",
            },
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x y"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "2"}],
            },
        ]
    )
    assert [m.parts[0] for m in request.messages] == [
        ToolCall(id="c1", name="f", arguments="{}", namespace="ns"),
        ToolCall(id="c2", name="g", arguments="x y", kind=ToolKind.CUSTOM),
        ToolResult(call_id="c1", parts=(Text("1"),)),
        ToolResult(call_id="c2", parts=(Text("2"),), kind=ToolKind.CUSTOM),
    ]
    assert [m.role.value for m in request.messages] == ["assistant", "assistant", "user", "user"]
    assert decode_request(encode_request(request, TARGET).body).messages == request.messages


def test_tools_of_a_namespace_are_grouped_again() -> None:
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    tools = [
        {"type": "namespace", "name": "ns", "description": "d", "tools": [function]},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {"type": "web_search", "filters": {"allowed_domains": ["a.b"]}},
        {"type": "shell"},
    ]
    request = decode(tools=tools)
    first, second, search, shell = request.tools
    assert isinstance(first, FunctionTool)
    assert (first.namespace, first.name, first.is_strict) == ("ns", "f", True)
    assert isinstance(second, FunctionTool)
    assert second.kind is ToolKind.CUSTOM
    assert isinstance(search, HostedTool)
    assert (search.kind, search.allowed_domains) == (HostedKind.WEB_SEARCH, ("a.b",))
    assert isinstance(shell, HostedTool)
    assert (shell.kind, shell.name) == (HostedKind.OTHER, "shell")
    assert encode(request)["tools"] == tools


@pytest.mark.parametrize(
    ("wire", "choice"),
    [
        ("required", ToolChoice(ToolChoiceMode.REQUIRED)),
        ({"type": "function", "name": "f"}, ToolChoice(ToolChoiceMode.NAMED, "f")),
        ({"type": "custom", "name": "c"}, ToolChoice(ToolChoiceMode.NAMED, "c")),
        (
            {"type": "file_search"},
            ToolChoice(ToolChoiceMode.NAMED, hosted=HostedKind.FILE_SEARCH),
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ToolChoice(ToolChoiceMode.AUTO, allowed=("f", "web_search")),
        ),
    ],
)
def test_a_choice_of_tools_comes_back_as_it_was(wire: Any, choice: ToolChoice) -> None:
    tools = [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "c"},
        {"type": "web_search"},
    ]
    request = decode(tools=tools, tool_choice=wire)
    assert request.tool_choice == choice
    assert encode(request)["tool_choice"] == wire


def test_tools_given_within_the_input_are_among_the_tools() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}}
    given = {"type": "additional_tools", "role": "developer", "tools": [tool, tool]}
    request = decode(tools=[tool], input=[{"role": "user", "content": "Hi"}, given])
    assert [tool.name for tool in request.tools] == ["f"]
    assert len(request.messages) == 1


def test_items_that_only_this_dialect_has_stay_as_they_are() -> None:
    items = [
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "c", "output": []},
        {"type": "compaction", "encrypted_content": "e"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "tool_search_call", "execution": "client", "arguments": {"q": 1}, "call_id": "c"},
    ]
    request = decode(input=items)
    for message, item in zip(request.messages, items, strict=True):
        (part,) = message.parts
        assert isinstance(part, Opaque)
        assert msgspec.json.decode(part.raw) == item
    assert encode(request)["input"] == items


def test_a_hosted_search_is_no_call_of_the_caller_and_comes_back_whole() -> None:
    item = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q", "sources": [{"type": "url", "url": "u"}]},
    }
    call, result = decode_parts(item)
    assert isinstance(call, HostedCall)
    assert (call.kind, call.arguments) == (HostedKind.WEB_SEARCH, '{"query":"q"}')
    assert isinstance(result, HostedResult)
    assert result.sources == (Source("u"),)
    assert encode(decode(input=[item]))["input"] == [item]


def test_reasoning_that_the_target_sealed_goes_back_with_its_id() -> None:
    signature = Signature("rs_1\nsealed", "openai")
    thought = Message(Role.ASSISTANT, (Reasoning(text="t", signature=signature),))
    wire = encode(ask(thought))
    assert wire["input"] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "encrypted_content": "sealed",
            "summary": [{"type": "summary_text", "text": "t"}],
        }
    ]
    assert wire["include"] == ["reasoning.encrypted_content"]
    assert wire["store"] is False


def test_reasoning_of_another_maker_is_dropped_and_named() -> None:
    signature = Signature("s", "anthropic")
    thought = Message(Role.ASSISTANT, (Reasoning(text="t", signature=signature), Text("a")))
    encoded = encode_request(ask(thought), TARGET)
    assert encoded.dropped == ("reasoning",)
    (item,) = msgspec.json.decode(encoded.body)["input"]
    assert item["content"] == "a"


def test_plain_reasoning_goes_to_whom_takes_it() -> None:
    traits = frozenset({Trait.PLAIN_REASONING.value})
    target = msgspec.structs.replace(TARGET, traits=traits)
    body = encode_request(ask(Message(Role.ASSISTANT, (Reasoning(text="t"),))), target).body
    (item,) = msgspec.json.decode(body)["input"]
    assert item["content"] == [{"type": "reasoning_text", "text": "t"}]


def test_an_envelope_gives_back_the_signed_text_whatever_became_of_the_summary() -> None:
    sealed = enclose(Signature("s", "anthropic", "as it was"))
    item = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
    (part,) = decode_parts(item)
    assert part == Reasoning(text="as it was", signature=Signature("s", "anthropic"))


def test_reasoning_is_asked_for_sealed_only_where_the_caller_wants_reasoning() -> None:
    # A model that does not reason refuses the wish with a 400.
    assert "include" not in encode(ask(Message(Role.USER, (Text("Hi"),))))
    wants = ask(reasoning=ReasoningOptions(effort=Effort.LOW, is_shown=True))
    assert encode(wants)["include"] == ["reasoning.encrypted_content"]
    assert encode(wants)["reasoning"] == {"effort": "low", "summary": "auto"}
    none = ask(reasoning=ReasoningOptions(effort=Effort.NONE))
    assert "include" not in encode(none)


def test_functions_of_another_dialect_are_not_made_strict_in_silence() -> None:
    (tool,) = encode(ask(tools=(FunctionTool(name="f"),)))["tools"]
    assert tool["strict"] is False
    assert tool["parameters"] == {"type": "object", "properties": {}}


def test_a_strict_schema_is_closed_or_else_not_called_strict() -> None:
    schema = b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}'
    tools = (
        FunctionTool(name="f", parameters=msgspec.Raw(schema), is_strict=True),
        FunctionTool(
            name="g", parameters=msgspec.Raw(schema.replace(b'["a"]', b"[]")), is_strict=True
        ),
    )
    encoded = encode_request(ask(tools=tools), TARGET)
    closed, optional = msgspec.json.decode(encoded.body)["tools"]
    assert closed["strict"] is True
    assert closed["parameters"]["additionalProperties"] is False
    assert optional["strict"] is False
    assert encoded.dropped == ("tools.strict",)


def test_extras_of_another_dialect_are_named_and_not_sent() -> None:
    extras = {"logit_bias": msgspec.Raw(b"{}")}
    encoded = encode_request(ask(extras=extras), TARGET)
    assert encoded.dropped == ("logit_bias",)
    assert b"logit_bias" not in encoded.body


def test_what_this_api_has_no_field_for_is_named_or_refused() -> None:
    assert encode_request(ask(top_k=5, seed=1), TARGET).dropped == ("top_k", "seed")
    with pytest.raises(GatewayError) as caught:
        encode_request(ask(stop=("x",)), TARGET)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "stop")


def test_a_tier_that_this_api_does_not_know_is_dropped() -> None:
    assert encode_request(ask(service_tier="batch"), TARGET).dropped == ("service_tier",)
    assert encode(ask(service_tier="standard_only"))["service_tier"] == "default"


def test_a_turn_of_many_parts_keeps_its_order() -> None:
    turn = Message(
        Role.USER,
        (
            ToolResult(call_id="a", parts=(Text("1"),), is_error=True),
            Text("and"),
            Media(kind=MediaKind.IMAGE, media_type="image/png", data="AA"),
        ),
    )
    said = Message(Role.ASSISTANT, (Text("x"), ToolCall(id="a", name="f"), Refusal("no")))
    encoded = encode_request(ask(said, turn), TARGET)
    items = msgspec.json.decode(encoded.body)["input"]
    assert [item["type"] for item in items] == [
        "message",
        "function_call",
        "message",
        "function_call_output",
        "message",
    ]
    assert items[2]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert items[1]["arguments"] == "{}"
    assert [part["type"] for part in items[4]["content"]] == ["input_text", "input_image"]
    assert encoded.dropped == ("is_error",)


def test_what_must_not_be_left_out_is_refused() -> None:
    video = Media(kind=MediaKind.VIDEO, url="https://x/y.mp4")
    with pytest.raises(GatewayError) as caught:
        encode_request(ask(Message(Role.USER, (video,))), TARGET)
    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]},
         "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {}}]}]},
         "input[0].content[0].image_url"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"content": "x"}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "name": "f", "parameters": "x"}]},
         "tools[0].parameters"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"temperature": "hot"}, "temperature"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"include": "x"}, "include"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    error = refuse(**fields)
    assert error.param == param
    assert param in error.message


def test_half_a_surrogate_pair_passes() -> None:
    body = b'{"model":"m","input":[{"role":"user","content":"a\\ud83d"}],"user":"\\ude00"}'
    request = decode_request(body)
    assert request.messages[0].parts == (Text("a\ud83d"),)
    assert b"\\ud83d" in encode_request(request, TARGET).body


STRICT = msgspec.structs.replace(
    TARGET,
    abilities=ABILITIES.varied(Abilities(), PROVIDERS["perplexity"].lacks),
    traits=PROVIDERS["perplexity"].traits,
)
USER = Message(role=Role.USER, parts=(Text("Hi"),))


def encode_strictly(*messages: Message, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = encode_request(ask(*messages, **fields), STRICT)
    return msgspec.json.decode(encoded.body), encoded.dropped


def test_form_of_the_answer_stands_where_the_provider_has_it() -> None:
    schema = msgspec.Raw(b'{"type":"object"}')
    form = OutputFormat(kind=OutputKind.JSON_SCHEMA, name="n", schema=schema)
    wire, dropped = encode_strictly(USER, output_format=form)
    assert "text" not in wire
    assert wire["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}},
    }
    assert dropped == ()


def test_json_without_a_schema_is_asked_for_in_words_where_there_is_no_field() -> None:
    system = Message(role=Role.SYSTEM, parts=(Text("Be brief."),))
    form = OutputFormat(kind=OutputKind.JSON_OBJECT)
    wire, dropped = encode_strictly(system, USER, output_format=form)
    assert not {"text", "response_format"} & wire.keys()
    assert wire["instructions"].startswith("Be brief.\n\n")
    assert "JSON" in wire["instructions"]
    assert dropped == ("response_format",)


def test_search_is_narrowed_in_the_providers_own_words() -> None:
    search = HostedTool(
        kind=HostedKind.WEB_SEARCH,
        name="web_search",
        dialect="anthropic_messages",
        allowed_domains=("a.b",),
        blocked_domains=("c.d",),
        location={"city": "Bern", "timezone": "Europe/Zurich"},
    )
    choice = ToolChoice(ToolChoiceMode.NAMED, hosted=HostedKind.WEB_SEARCH)
    wire, dropped = encode_strictly(USER, tools=(search,), tool_choice=choice)
    (tool,) = wire["tools"]
    assert tool == {
        "type": "web_search",
        "filters": {"search_domain_filter": ["a.b", "-c.d"]},
        "user_location": {"city": "Bern"},
    }
    assert wire["tool_choice"] == {"type": "web_search"}
    assert dropped == ("tools.user_location.timezone",)


def test_picture_goes_without_a_detail_where_that_is_refused() -> None:
    picture = Media(kind=MediaKind.IMAGE, url="https://x.y/z.png", detail="high")
    wire, dropped = encode_strictly(Message(role=Role.USER, parts=(picture,)))
    (item,) = wire["input"]
    assert item["content"] == [{"type": "input_image", "image_url": "https://x.y/z.png"}]
    assert dropped == ("detail",)
