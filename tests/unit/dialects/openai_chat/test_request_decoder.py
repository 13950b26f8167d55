"""Requests of callers of Chat Completions: what they mean, and what is wrong with them."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.openai_chat.chat import ask

from nagara.dialects import openai_chat
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
    Effort,
    FunctionTool,
    HostedKind,
    HostedTool,
    Media,
    MediaKind,
    Message,
    Opaque,
    OutputKind,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def user(part: dict[str, Any]) -> Part:
    (message,) = ask({"role": "user", "content": [part]}).messages
    return message.parts[0]


def assistant(**fields: Any) -> tuple[Part, ...]:
    (message,) = ask({"role": "assistant", **fields}).messages
    return message.parts


def error_of(**fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        ask(**fields) if "messages" not in fields else openai_chat.decode_request(
            json.dumps({"model": "m"} | fields).encode()
        )
    return raised.value


def test_roles_keep_who_speaks() -> None:
    roles = ["system", "developer", "user", "assistant"]
    request = ask(*({"role": role, "content": "x", "name": "n"} for role in roles))
    assert [message.role for message in request.messages] == roles
    assert {message.name for message in request.messages} == {"n"}


@pytest.mark.parametrize(
    ("part", "media"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/x", "detail": "low"}},
            Media(kind=MediaKind.IMAGE, url="https://a.example/x", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": "data:image/png;base64,QUJD"},
            Media(kind=MediaKind.IMAGE, media_type="image/png", data="QUJD"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
            Media(kind=MediaKind.AUDIO, media_type="audio/mpeg", data="QUJD"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==",
                                      "filename": "a.pdf"}},
            Media(kind=MediaKind.DOCUMENT, media_type="application/pdf", data="QQ==",
                  filename="a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "https://a.example/a.pdf"}},
            Media(kind=MediaKind.DOCUMENT, url="https://a.example/a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            Media(kind=MediaKind.DOCUMENT, file_id="file-1"),
        ),
        (
            {"type": "document_url", "document_url": "https://a.example/a.pdf"},
            Media(kind=MediaKind.DOCUMENT, url="https://a.example/a.pdf"),
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://a.example/v"}},
            Media(kind=MediaKind.VIDEO, url="https://a.example/v"),
        ),
    ],
)  # fmt: skip
def test_media_comes_in_every_shape(part: dict[str, Any], media: Media) -> None:
    assert user(part) == media


def test_a_part_of_an_unknown_type_is_kept_as_it_came() -> None:
    part = user({"type": "hologram", "hologram": {"x": 1}})
    assert isinstance(part, Opaque)
    assert (part.dialect, part.type) == ("openai_chat", "hologram")
    assert msgspec.json.decode(part.raw) == {"type": "hologram", "hologram": {"x": 1}}


@pytest.mark.parametrize(
    "mark",
    [
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "1h"}},
    ],
)
def test_caching_marks_of_either_kind_are_marks(mark: dict[str, Any]) -> None:
    assert user({"type": "text", "text": "x"} | mark) == Text("x", cache=CacheMark("1h"))


def test_an_assistants_turn_is_reasoning_then_text_then_calls() -> None:
    function = {"name": "f", "arguments": "{}"}
    parts = assistant(
        content="x",
        reasoning_content="hm",
        tool_calls=[
            {"id": "a", "type": "function", "function": function},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
        ],
    )
    assert parts == (
        Reasoning(text="hm"),
        Text("x"),
        ToolCall(id="a", name="f", arguments="{}"),
        ToolCall(id="b", name="g", arguments="free", kind=ToolKind.CUSTOM),
    )


def test_openrouters_details_are_reasoning_whose_signature_names_no_maker() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "f", "index": 0}
    (part,) = assistant(reasoning="hm", reasoning_details=[detail])
    assert isinstance(part, Reasoning)
    assert part.text == "hm"
    assert part.signature is not None
    assert part.signature.maker == ""


def test_plain_reasoning_beside_details_without_text_is_kept_too() -> None:
    detail = {"type": "reasoning.encrypted", "data": "D", "index": 0}
    plain, hidden = assistant(reasoning_content="hm", reasoning_details=[detail])
    assert plain == Reasoning(text="hm")
    assert isinstance(hidden, Reasoning)
    assert hidden.is_redacted


def test_an_earlier_refusal_and_audio_are_parts() -> None:
    assert assistant(refusal="no", content=None) == (Refusal("no"),)
    audio = Media(kind=MediaKind.AUDIO, file_id="audio_1")
    assert assistant(audio={"id": "audio_1"}, content=None) == (audio,)


def test_a_thought_signature_of_gemini_stays_with_its_call() -> None:
    (call,) = assistant(
        tool_calls=[
            {
                "id": "a",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "S"}},
            }
        ]
    )
    assert isinstance(call, ToolCall)
    assert call.signature == Signature("S")


def test_a_tool_message_is_a_result_that_the_user_gives() -> None:
    request = ask(
        {"role": "assistant", "tool_calls": [{"id": "b", "custom": {"name": "g", "input": ""}}]},
        {"role": "tool", "tool_call_id": "a", "content": "text"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "x"}]},
    )
    assert request.messages[1:] == (
        Message(Role.USER, (ToolResult(call_id="a", parts=(Text("text"),)),)),
        Message(Role.USER, (ToolResult(call_id="b", parts=(Text("x"),), kind=ToolKind.CUSTOM),)),
    )


def test_deprecated_calls_and_results_find_each_other() -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    result = {"role": "function", "name": "f", "content": "x"}
    messages = ask(HI, call, result, call, result).messages
    ids = [getattr(m.parts[0], "id", None) or getattr(m.parts[0], "call_id", "") for m in messages]
    assert ids[1] == ids[2]
    assert ids[3] == ids[4]
    assert ids[1] != ids[3]


def test_tools_of_every_kind() -> None:
    request = ask(
        tools=[
            TOOL | {"cache_control": {"type": "ephemeral"}},
            {"function": {"name": "g", "strict": True}},
            {"type": "custom", "custom": {"name": "h", "format": {"type": "text"}}},
            {"type": "openrouter:web_search",
             "parameters": {"max_uses": 2, "allowed_domains": ["a.example"]}},
        ]
    )  # fmt: skip
    first, second, custom, search = request.tools
    assert isinstance(first, FunctionTool)
    assert first.parameters is not None
    assert msgspec.json.decode(first.parameters) == {"type": "object"}
    assert first.cache == CacheMark()
    assert isinstance(second, FunctionTool)
    assert (second.is_strict, second.parameters) == (True, None)
    assert isinstance(custom, FunctionTool)
    assert custom.kind is ToolKind.CUSTOM
    assert isinstance(search, HostedTool)
    assert (search.kind, search.uses_max) == (HostedKind.WEB_SEARCH, 2)
    assert search.allowed_domains == ("a.example",)


def test_empty_search_options_ask_for_a_search() -> None:
    (tool,) = ask(web_search_options={}).tools
    assert isinstance(tool, HostedTool)
    assert tool.kind is HostedKind.WEB_SEARCH
    assert ask(web_search_options=None).tools == ()


def test_where_the_searcher_is() -> None:
    place = {"type": "approximate", "approximate": {"city": "Kobe", "country": "JP"}}
    (tool,) = ask(web_search_options={"user_location": place}).tools
    assert isinstance(tool, HostedTool)
    assert tool.location == {"city": "Kobe", "country": "JP"}


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("auto", ToolChoice(ToolChoiceMode.AUTO)),
        ("none", ToolChoice(ToolChoiceMode.NONE)),
        ("required", ToolChoice(ToolChoiceMode.REQUIRED)),
        ("any", ToolChoice(ToolChoiceMode.REQUIRED)),
        ({"type": "function", "function": {"name": "f"}},
         ToolChoice(ToolChoiceMode.NAMED, name="f")),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice(ToolChoiceMode.NAMED, name="f")),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}]}},
         ToolChoice(ToolChoiceMode.REQUIRED, allowed=("f",))),
    ],
)  # fmt: skip
def test_choices_among_tools(said: object, choice: ToolChoice) -> None:
    assert ask(tools=[TOOL], tool_choice=said).tool_choice == choice


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"reasoning_effort": "xhigh"}, ReasoningOptions(effort=Effort.XHIGH)),
        ({"reasoning": {"effort": "low", "exclude": True}},
         ReasoningOptions(effort=Effort.LOW, is_shown=False)),
        ({"reasoning": {"max_tokens": 2000}}, ReasoningOptions(budget_tokens=2000)),
        ({"reasoning": {"enabled": True}}, ReasoningOptions(is_adaptive=True)),
        ({"reasoning": {"enabled": False}}, ReasoningOptions(effort=Effort.NONE)),
        ({"thinking": {"type": "enabled"}}, ReasoningOptions(is_adaptive=True)),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(effort=Effort.NONE)),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
         ReasoningOptions(effort=Effort.HIGH)),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, ReasoningOptions(budget_tokens=9)),
        ({}, None),
    ],
)  # fmt: skip
def test_reasoning_is_asked_for_in_many_ways(
    fields: dict[str, Any], options: ReasoningOptions | None
) -> None:
    assert ask(**fields).reasoning == options


def test_everything_else_that_the_hub_knows() -> None:
    request = ask(
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        n=2,
        temperature=1,
        top_p=0.5,
        top_k=3,
        frequency_penalty=0.1,
        presence_penalty=-1,
        seed=7,
        stop="END",
        logprobs=True,
        top_logprobs=2,
        parallel_tool_calls=False,
        verbosity="low",
        service_tier="flex",
        prompt_cache_key="k",
        user="u",
        metadata={"a": "b"},
    )
    assert request == msgspec.structs.replace(
        ask(),
        is_streamed=True,
        has_usage_request=True,
        output_tokens_max=5,
        choice_count=2,
        temperature=1.0,
        top_p=0.5,
        top_k=3,
        frequency_penalty=0.1,
        presence_penalty=-1.0,
        seed=7,
        stop=("END",),
        top_logprobs=2,
        is_parallel=False,
        verbosity="low",
        service_tier="flex",
        cache_key="k",
        user="u",
        metadata={"a": "b"},
    )


def test_the_newer_cap_wins_and_usage_is_asked_for_only_when_it_is() -> None:
    request = ask(max_tokens=5, max_completion_tokens=6)
    assert request.output_tokens_max == 6
    assert not request.has_usage_request


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"type": "text"}, OutputKind.TEXT),
        ({"type": "json_object"}, OutputKind.JSON_OBJECT),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
         OutputKind.JSON_SCHEMA),
        ({"type": "json_object", "schema": {}}, OutputKind.JSON_SCHEMA),
    ],
)  # fmt: skip
def test_output_formats(said: dict[str, Any], kind: OutputKind) -> None:
    wanted = ask(response_format=said).output_format
    assert wanted is not None
    assert wanted.kind is kind
    assert (wanted.schema is not None) is (kind is OutputKind.JSON_SCHEMA)


def test_fields_that_the_hub_does_not_know_are_kept_raw_and_nulls_are_not() -> None:
    request = ask(logit_bias={"1": 2}, store=None, prediction={"type": "content"})
    assert {name: msgspec.json.decode(raw) for name, raw in request.extras.items()} == {
        "logit_bias": {"1": 2},
        "prediction": {"type": "content"},
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [HI, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
         "messages[0].content[0].text"),
        ({"messages": [HI, HI, {"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[2].content[0].image_url"),
        ({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": 3}}]}]},
         "messages[0].content[1].image_url.url"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
         "messages[0].tool_calls[0].function"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [TOOL, {"type": "function"}]}, "tools[1].function"),
        ({"tools": [{"type": "function", "function": {"name": 3}}]}, "tools[0].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream_options": 3}, "stream_options"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    error = error_of(**fields)
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.param == param
    assert param in error.message


def test_half_an_emoji_is_replaced_and_the_rest_read() -> None:
    body = rb'{"model":"m","messages":[{"role":"user","content":"a\ud83d"}]}'
    (message,) = openai_chat.decode_request(body).messages
    assert message.parts == (Text("a\ufffd"),)


def test_line_separators_inside_text_are_text() -> None:
    text = "a\u2028b\u0085c"
    assert ask({"role": "user", "content": text}).messages[0].parts == (Text(text),)
