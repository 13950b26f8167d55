"""Requests as providers of Chat Completions get them, each in its own ways."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.openai_chat.chat import ask, from_elsewhere, sent, target

from nagara.dialects import openai_chat
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
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
    OutputFormat,
    OutputKind,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)

IMAGE = Media(kind=MediaKind.IMAGE, media_type="image/png", data="QUJD")
IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
TOOL = FunctionTool(name="f", parameters=msgspec.Raw(b'{"type":"object"}'))


def assistant(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


def user(*parts: Part) -> Message:
    return Message(Role.USER, parts)


def result(call_id: str, *parts: Text | Media, **fields: Any) -> ToolResult:
    return ToolResult(call_id=call_id, parts=parts, **fields)


def messages(request: Request, *traits: Trait, **fields: Any) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = sent(request, target(*traits, **fields))["messages"]
    return said


def dropped(request: Request, *traits: Trait) -> tuple[str, ...]:
    return openai_chat.encode_request(request, target(*traits)).dropped


def test_developers_are_the_system_except_where_they_are_known() -> None:
    request = from_elsewhere(Message(Role.DEVELOPER, (Text("a"), Text("b"))), user(Text("hi")))
    assert messages(request)[0] == {"role": "system", "content": "a\n\nb"}
    assert messages(request, Trait.DEVELOPER_ROLE)[0]["role"] == "developer"


@pytest.mark.parametrize(
    ("traits", "name"),
    [((), "max_tokens"), ((Trait.MAX_COMPLETION_TOKENS,), "max_completion_tokens")],
)
def test_the_cap_has_the_providers_name(traits: tuple[Trait, ...], name: str) -> None:
    assert sent(from_elsewhere(output_tokens_max=5), target(*traits))[name] == 5


def test_what_an_assistant_said_in_pieces_is_one_message_with_all_its_calls() -> None:
    request = from_elsewhere(
        user(Text("hi")),
        assistant(Text("let ")),
        assistant(ToolCall(id="a", name="f")),
        assistant(ToolCall(id="b", name="g", arguments='{"x":1}'), Text("me")),
    )
    assert messages(request)[1] == {
        "role": "assistant",
        "content": "let me",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }


def test_results_come_before_what_the_user_says_besides() -> None:
    request = from_elsewhere(
        assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="f")),
        user(Text("and"), result("a", Text("1"))),
        user(result("b", Text("2"), Text("3"))),
    )
    assert messages(request)[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2\n3"},
        {"role": "user", "content": "and"},
    ]


def test_an_image_in_a_result_goes_to_the_users_next_message_with_a_note() -> None:
    request = from_elsewhere(
        assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="f")),
        user(result("a", IMAGE), result("b", Text("2"))),
    )
    _, first, second, moved = messages(request)
    assert first["tool_call_id"] == "a"
    assert "next message" in first["content"]
    assert second["content"] == "2"
    assert moved["role"] == "user"
    note, image = moved["content"]
    assert "a:" in note["text"]
    assert image == IMAGE_PART


def test_an_image_that_the_assistant_made_goes_to_the_users_next_message() -> None:
    request = from_elsewhere(assistant(IMAGE, Text("see")), user(Text("nice")))
    said, answer = messages(request)
    assert said == {"role": "assistant", "content": "see"}
    assert [part["type"] for part in answer["content"]] == ["text", "image_url", "text"]


def test_a_failed_result_is_told_as_text_and_named() -> None:
    request = from_elsewhere(user(result("a", Text("no"), is_error=True)))
    assert messages(request)[0]["content"] == "no"
    assert dropped(request) == ("is_error",)


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (IMAGE, IMAGE_PART),
        (
            Media(kind=MediaKind.IMAGE, url="https://a.example", detail="high"),
            {"type": "image_url", "image_url": {"url": "https://a.example", "detail": "high"}},
        ),
        (
            Media(kind=MediaKind.AUDIO, media_type="audio/mpeg", data="QQ=="),
            {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
        ),
        (
            Media(kind=MediaKind.DOCUMENT, media_type="application/pdf", data="QQ=="),
            {"type": "file", "file": {"filename": "document.pdf",
                                      "file_data": "data:application/pdf;base64,QQ=="}},
        ),
        (
            Media(kind=MediaKind.DOCUMENT, text="words", filename="Title"),
            {"type": "text", "text": "Title\n\nwords"},
        ),
    ],
)  # fmt: skip
def test_media_goes_as_the_dialect_has_it(media: Media, part: dict[str, Any]) -> None:
    assert messages(from_elsewhere(user(media)))[0]["content"] == [part]


@pytest.mark.parametrize(
    ("media", "trait"),
    [
        (Media(kind=MediaKind.VIDEO, url="https://a.example"), Trait.VIDEO_URL),
        (Media(kind=MediaKind.DOCUMENT, url="https://a.example"), Trait.FILE_URL),
        (Media(kind=MediaKind.DOCUMENT, url="https://a.example"), Trait.DOCUMENT_URL),
        (Media(kind=MediaKind.DOCUMENT, file_id="file-1"), None),
        (Media(kind=MediaKind.AUDIO, url="https://a.example"), None),
    ],
)
def test_media_that_a_provider_does_not_take_is_an_error_and_never_left_out(
    media: Media, trait: Trait | None
) -> None:
    request = from_elsewhere(user(media))
    with pytest.raises(GatewayError) as raised:
        sent(request)
    assert raised.value.kind is ErrorKind.UNSUPPORTED
    assert "Them" in raised.value.message
    if trait is not None:
        (part,) = messages(request, trait)[0]["content"]
        assert "https://a.example" in json.dumps(part)


SIGNED = Reasoning(text="hm", signature=Signature('{"type":"reasoning.text","format":"f"}', "them"))


@pytest.mark.parametrize(
    ("trait", "fields"),
    [
        (Trait.EARLIER_REASONING_CONTENT, {"content": "4", "reasoning_content": "hm"}),
        (Trait.EARLIER_REASONING, {"content": "4", "reasoning": "hm"}),
        (
            Trait.REASONING_DETAILS,
            {"content": "4", "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "format": "f"}]},
        ),
        (
            Trait.THINKING_PARTS,
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                         {"type": "text", "text": "4"}]},
        ),
    ],
)  # fmt: skip
def test_reasoning_goes_back_in_the_providers_way(trait: Trait, fields: dict[str, Any]) -> None:
    request = from_elsewhere(assistant(SIGNED, Text("4")))
    assert messages(request, trait) == [{"role": "assistant"} | fields]
    assert dropped(request, trait) == ()


def test_reasoning_that_a_provider_does_not_take_is_named() -> None:
    request = from_elsewhere(assistant(SIGNED, Text("4")))
    assert messages(request) == [{"role": "assistant", "content": "4"}]
    assert dropped(request) == ("reasoning",)


def test_hidden_reasoning_goes_to_its_maker_alone() -> None:
    hidden = Reasoning(is_redacted=True, signature=SIGNED.signature)
    request = from_elsewhere(assistant(hidden, Text("4")))
    (message,) = messages(request, Trait.REASONING_DETAILS)
    assert "reasoning_details" in message
    (message,) = messages(request, Trait.REASONING_DETAILS, maker="others")
    assert "reasoning_details" not in message


@pytest.mark.parametrize(
    ("traits", "options", "fields"),
    [
        ((), ReasoningOptions(effort=Effort.XHIGH), {"reasoning_effort": "high"}),
        ((Trait.ALL_EFFORTS,), ReasoningOptions(effort=Effort.XHIGH),
         {"reasoning_effort": "xhigh"}),
        ((), ReasoningOptions(budget_tokens=9000), {"reasoning_effort": "medium"}),
        ((), ReasoningOptions(is_adaptive=True), {}),
        ((Trait.REASONING_OBJECT,), ReasoningOptions(budget_tokens=9, is_shown=False),
         {"reasoning": {"max_tokens": 9, "exclude": True}}),
        ((Trait.REASONING_OBJECT,), ReasoningOptions(effort=Effort.LOW),
         {"reasoning": {"effort": "low"}}),
        ((Trait.REASONING_OBJECT,), ReasoningOptions(is_adaptive=True),
         {"reasoning": {"enabled": True}}),
        ((Trait.THINKING_SWITCH,), ReasoningOptions(effort=Effort.NONE),
         {"thinking": {"type": "disabled"}}),
        ((Trait.THINKING_SWITCH,), ReasoningOptions(effort=Effort.LOW),
         {"thinking": {"type": "enabled"}}),
        ((Trait.THINKING_SWITCH, Trait.ALL_EFFORTS), ReasoningOptions(effort=Effort.LOW),
         {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
    ],
)  # fmt: skip
def test_reasoning_is_asked_for_in_the_providers_way(
    traits: tuple[Trait, ...], options: ReasoningOptions, fields: dict[str, Any]
) -> None:
    to = target(*traits, abilities=Abilities(frozenset({Ability.REASONING_BUDGET})))
    body = sent(from_elsewhere(reasoning=options), to)
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == fields


def test_ids_that_a_provider_would_refuse_stay_tied_to_their_results() -> None:
    long = "toolu_" + "x" * 60
    request = from_elsewhere(
        assistant(ToolCall(id=long, name="f"), ToolCall(id="abc123XYZ", name="f")),
        user(result(long, Text("1")), result("abc123XYZ", Text("2"))),
    )
    for traits, length in (((), 40), ((Trait.SHORT_CALL_IDS,), 9)):
        said, first, second = messages(request, *traits)
        ids = [call["id"] for call in said["tool_calls"]]
        assert ids == [first["tool_call_id"], second["tool_call_id"]]
        assert all(len(call_id) <= length for call_id in ids)
        assert ids[1] == "abc123XYZ"


def test_tools_and_choices_are_written_out() -> None:
    custom = FunctionTool(name="g", kind=ToolKind.CUSTOM, format=msgspec.Raw(b'{"type":"text"}'))
    choice = ToolChoice(ToolChoiceMode.AUTO, allowed=("f", "g"))
    body = sent(from_elsewhere(tools=(TOOL, custom), tool_choice=choice, is_parallel=False))
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
    ]
    assert body["tool_choice"]["allowed_tools"]["tools"] == [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "g"}},
    ]
    assert body["parallel_tool_calls"] is False


def test_a_choice_without_tools_is_left_out_or_refused_if_it_matters() -> None:
    free = from_elsewhere(tool_choice=ToolChoice(ToolChoiceMode.AUTO), is_parallel=True)
    assert not {"tool_choice", "parallel_tool_calls"} & sent(free).keys()
    with pytest.raises(GatewayError, match="tool_choice"):
        sent(from_elsewhere(tool_choice=ToolChoice(ToolChoiceMode.REQUIRED)))


SEARCH = HostedTool(
    kind=HostedKind.WEB_SEARCH,
    name="web_search",
    dialect="anthropic_messages",
    allowed_domains=("a.example",),
    location={"city": "Kobe"},
)


def test_a_search_is_asked_for_by_options_or_by_a_tool() -> None:
    request = from_elsewhere(tools=(SEARCH,))
    place = {"type": "approximate", "approximate": {"city": "Kobe"}}
    assert sent(request)["web_search_options"] == {"user_location": place}
    assert dropped(request) == ("allowed_domains",)
    (tool,) = sent(request, target(Trait.SERVER_TOOLS))["tools"]
    assert tool["type"] == "openrouter:web_search"
    assert tool["parameters"]["allowed_domains"] == ["a.example"]


def test_what_another_provider_ran_is_never_a_call_and_is_named() -> None:
    ran = HostedCall(id="s", kind=HostedKind.WEB_SEARCH, name="web_search", dialect="other")
    request = from_elsewhere(assistant(ran, Text("found")))
    assert messages(request) == [{"role": "assistant", "content": "found"}]
    assert dropped(request) == ("web_search",)


def test_what_groq_ran_is_not_taken_back_and_is_named() -> None:
    ran = {"index": 0, "type": "search", "output": "x"}
    request = ask({"role": "assistant", "content": "x", "executed_tools": [ran]})
    assert messages(request) == [{"role": "assistant", "content": "x"}]
    assert dropped(request) == ("search",)


def test_caching_marks_go_in_the_providers_way() -> None:
    request = from_elsewhere(
        Message(Role.SYSTEM, (Text("s", cache=CacheMark("1h")),)),
        user(result("a", Text("r"), cache=CacheMark())),
    )
    system, tool = messages(request, Trait.CACHE_CONTROL)
    assert system["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert tool["content"][0]["cache_control"] == {"type": "ephemeral"}
    system, _ = messages(request)
    assert system["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}


def test_texts_are_joined_where_a_provider_takes_only_text() -> None:
    request = from_elsewhere(user(Text("a"), Text("b")))
    assert messages(request, Trait.STRING_CONTENT)[0]["content"] == "a\n\nb"
    assert len(messages(request)[0]["content"]) == 2


def test_refusals_go_back_as_such_or_as_text() -> None:
    request = from_elsewhere(assistant(Refusal("no")))
    assert messages(request) == [{"role": "assistant", "content": "no"}]
    assert messages(request, Trait.REFUSALS)[0]["refusal"] == "no"


def test_extras_go_back_to_their_dialect_and_are_named_elsewhere() -> None:
    raw = msgspec.Raw(b"1")
    assert sent(ask(logit_bias={"1": 2}))["logit_bias"] == {"1": 2}
    foreign = from_elsewhere(Message(Role.USER, (Text("x"),), extras={"b": raw}), extras={"a": raw})
    assert not {"a", "b"} & sent(foreign).keys()
    assert set(dropped(foreign)) == {"a", "b"}


def test_citations_of_earlier_text_are_named() -> None:
    cited = Text("x", citations=(Citation(kind=CitationKind.URL, url="https://a.example"),))
    assert dropped(from_elsewhere(assistant(cited))) == ("citations",)


def test_a_stream_is_asked_for_with_usage_except_where_that_is_refused() -> None:
    request = from_elsewhere(is_streamed=True)
    assert sent(request)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(request, target(Trait.STREAMS_USAGE_UNASKED))


def test_sampling_and_the_rest_have_openais_names() -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    raw = msgspec.Raw(msgspec.json.encode(schema))
    wanted = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=raw, is_strict=True)
    body = sent(
        from_elsewhere(
            temperature=0.0,
            top_k=3,
            seed=1,
            stop=("a",),
            choice_count=2,
            top_logprobs=0,
            output_format=wanted,
            cache_key="k",
            metadata={"a": "b"},
        ),
        target(Trait.RANDOM_SEED),
    )
    del body["messages"]
    assert body == {
        "model": "their-model",
        "temperature": 0.0,
        "top_k": 3,
        "random_seed": 1,
        "stop": ["a"],
        "n": 2,
        "logprobs": True,
        "prompt_cache_key": "k",
        "metadata": {"a": "b"},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }


def test_a_service_tier_goes_in_a_word_that_is_known_or_is_named() -> None:
    assert sent(from_elsewhere(service_tier="standard_only"))["service_tier"] == "default"
    assert dropped(from_elsewhere(service_tier="batch")) == ("service_tier",)
    assert sent(ask(service_tier="on_demand"))["service_tier"] == "on_demand"


def test_unsigned_reasoning_is_plain_text_where_details_are_kept() -> None:
    request = from_elsewhere(assistant(Reasoning(text="hm"), Text("4")))
    (message,) = messages(request, Trait.REASONING_DETAILS)
    assert message == {"role": "assistant", "content": "4", "reasoning": "hm"}


def test_calls_without_ids_are_tied_to_their_results_by_order() -> None:
    request = from_elsewhere(
        assistant(ToolCall(id="", name="f"), ToolCall(id="", name="f")),
        user(result("", Text("1")), result("", Text("2"))),
    )
    said, first, second = messages(request)
    ids = [call["id"] for call in said["tool_calls"]]
    assert ids == [first["tool_call_id"], second["tool_call_id"]]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("age", "is_strict"), [({"type": ["integer", "null"]}, True), ({"type": "integer"}, False)]
)
def test_a_strict_schema_of_others_is_one_for_openai_too_or_not_strict_by_name(
    age: dict[str, Any], is_strict: bool
) -> None:
    schema = {"type": "object", "properties": {"age": age}}
    raw = msgspec.Raw(msgspec.json.encode(schema))
    form = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=raw, is_strict=True)
    asked = from_elsewhere(output_format=form)
    said = sent(asked)["response_format"]["json_schema"]
    closed = schema | {"required": ["age"], "additionalProperties": False}
    assert said["schema"] == (closed if is_strict else schema)
    assert said["strict"] is is_strict
    assert dropped(asked) == (() if is_strict else ("strict",))


def test_a_strict_schema_of_its_own_callers_is_theirs_to_get_right() -> None:
    asked = {"name": "theirs", "schema": {"type": "object"}, "strict": True}
    form = {"type": "json_schema", "json_schema": asked}
    assert sent(ask(response_format=form))["response_format"] == form


def test_a_strict_tool_of_others_is_one_for_openai_too_or_not_strict_by_name() -> None:
    raw = msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer"}}}')
    loose = from_elsewhere(tools=(FunctionTool(name="f", parameters=raw, is_strict=True),))
    assert sent(loose)["tools"][0]["function"]["strict"] is False
    assert dropped(loose) == ("tools.strict",)
    bare = from_elsewhere(tools=(FunctionTool(name="f", is_strict=True),))
    function = sent(bare)["tools"][0]["function"]
    assert function["strict"] is True
    assert function["parameters"]["additionalProperties"] is False
