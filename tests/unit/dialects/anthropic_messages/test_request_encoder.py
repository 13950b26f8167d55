"""Requests for an Anthropic server: its rules of order, thinking, sampling and tools."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.anthropic_messages.messages_requests import (
    HELLO,
    SIGNED,
    chat,
    decode,
    encode,
)

from nagara.dialects.anthropic_messages.generations import Thinking, find_generation
from nagara.dialects.effort import DEFAULT_EFFORT, EFFORTS
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
    ToolResult,
)

CALL = ToolCall(id="call_1", name="f", arguments='{"a":1}')
RESULT = ToolResult(call_id="call_1", parts=(Text("42"),))
RAW = msgspec.Raw(b'{"type":"x"}')


def user(*parts: Part | str) -> Message:
    return Message(Role.USER, tuple(Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Part | str) -> Message:
    return Message(Role.ASSISTANT, tuple(Text(p) if isinstance(p, str) else p for p in parts))


def system(text: str) -> Message:
    return Message(Role.SYSTEM, (Text(text),))


def messages_of(*messages: Message, model: str = "claude-sonnet-4-5") -> Any:
    return encode(chat(*messages), model)[0]["messages"]


def test_a_cap_on_the_output_is_always_there() -> None:
    assert encode(chat())[0]["max_tokens"] == 32_000
    assert encode(chat(), "claude-3-haiku-20240307")[0]["max_tokens"] == 4096
    assert encode(chat(output_tokens_max=7))[0]["max_tokens"] == 7


def test_instructions_lead_and_neighbours_become_one_turn() -> None:
    sent, _ = encode(
        chat(
            system("One."),
            Message(Role.DEVELOPER, (Text("Two."),)),
            user("a"),
            user("b"),
            assistant("c"),
        )
    )
    assert [block["text"] for block in sent["system"]] == ["One.", "Two."]
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        ("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ("assistant", "c"),
    ]


def test_instructions_in_the_middle_are_native_where_the_model_takes_them() -> None:
    said = (user("a"), assistant("b"), user("c"), system("Shout."))
    assert messages_of(*said, model="claude-opus-4-8")[-1] == {
        "role": "system",
        "content": "Shout.",
    }
    last = messages_of(*said)[-1]
    assert last["role"] == "user"
    assert last["content"][1]["text"] == "<system>\nShout.\n</system>"


def test_instructions_between_two_turns_of_the_user_are_the_users() -> None:
    said = messages_of(user("a"), system("Shout."), user("b"), model="claude-opus-4-8")
    assert [m["role"] for m in said] == ["user"]


def test_with_instructions_alone_they_are_what_is_answered() -> None:
    sent, _ = encode(chat(system("Tell a joke.")))
    assert "system" not in sent
    assert sent["messages"] == [{"role": "user", "content": "Tell a joke."}]


def test_results_come_first_in_the_turn_after_their_calls() -> None:
    said = messages_of(user("a"), assistant("b", CALL), user("Also this", RESULT))
    assert [block["type"] for block in said[2]["content"]] == ["tool_result", "text"]
    assert said[2]["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "call_1",
        "content": "42",
    }


@pytest.mark.parametrize(
    "said",
    [
        (user("a"), assistant(CALL)),
        (user("a"), assistant(CALL), user("b")),
        (user("a"), assistant("b"), user(RESULT)),
        (user(RESULT),),
    ],
)
def test_a_call_without_its_result_or_the_reverse_is_the_callers_mistake(said: Any) -> None:
    with pytest.raises(GatewayError, match="'call_1'") as caught:
        messages_of(*said)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_ids_that_anthropic_refuses_are_changed_alike_for_call_and_result() -> None:
    call = msgspec.structs.replace(CALL, id="functions.f:0")
    result = msgspec.structs.replace(RESULT, call_id="functions.f:0")
    said = messages_of(user("a"), assistant(call), user(result))
    id_ = said[1]["content"][0]["id"]
    assert id_.startswith("toolu_")
    assert said[2]["content"][0]["tool_use_id"] == id_


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_input_is_always_an_object(arguments: str, expected: Any) -> None:
    call = msgspec.structs.replace(CALL, arguments=arguments)
    assert (
        messages_of(user("a"), assistant(call), user(RESULT))[1]["content"][0]["input"] == expected
    )


def test_blank_texts_are_left_out_and_the_last_answer_ends_without_blanks() -> None:
    assert messages_of(user("a", " \n"), assistant(""), user("b"), assistant("c \n")) == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "assistant", "content": "c"},
    ]


def test_signed_thinking_goes_back_to_its_maker_alone() -> None:
    own = Reasoning(text="Hm.", signature=Signature("c2ln", "anthropic"))
    foreign = Reasoning(text="Hm.", signature=Signature("c2ln", "openai"))
    sent, encoded = encode(chat(user("a"), assistant(own, foreign, Reasoning(text="Hm."), "b")))
    assert sent["messages"][1]["content"] == [SIGNED, {"type": "text", "text": "b"}]
    assert encoded.dropped == ("reasoning",)


def test_what_only_others_have_is_dropped_and_named_and_never_called() -> None:
    hosted = HostedCall(
        id="ws", kind=HostedKind.WEB_SEARCH, name="web_search", dialect="openai_responses", raw=RAW
    )
    opaque = Opaque(dialect="openai_responses", type="item_reference", raw=RAW)
    sent, encoded = encode(chat(user("a"), assistant(hosted, opaque, Refusal("No."))))
    assert sent["messages"][1]["content"] == "No."
    assert encoded.dropped == ("web_search", "item_reference")


def test_own_hosted_blocks_go_back_as_they_came() -> None:
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    said = [*HELLO, {"role": "assistant", "content": [block]}]
    assert encode(decode(messages=said))[0]["messages"][1]["content"] == [block]


def test_citations_without_proof_are_not_given_back() -> None:
    cited = Text("b", (Citation(kind=CitationKind.URL, url="https://a"),))
    sent, encoded = encode(chat(user("a"), assistant(cited)))
    assert (sent["messages"][1]["content"], encoded.dropped) == ("b", ("citations",))


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(kind=MediaKind.IMAGE, data="iVBORw0K"),
            {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"},
        ),
        (
            Media(kind=MediaKind.IMAGE, url="https://a/b.png"),
            {"type": "url", "url": "https://a/b.png"},
        ),
        (
            Media(kind=MediaKind.DOCUMENT, data="JVBE", media_type="application/pdf"),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        ),
        (
            Media(kind=MediaKind.DOCUMENT, data="aGk=", media_type="text/csv"),
            {"type": "text", "media_type": "text/plain", "data": "hi"},
        ),
    ],
)
def test_media_that_anthropic_takes(media: Media, source: Any) -> None:
    assert messages_of(user("Look", media))[0]["content"][1]["source"] == source


@pytest.mark.parametrize(
    "media",
    [
        Media(kind=MediaKind.AUDIO, data="aGk=", media_type="audio/wav"),
        Media(kind=MediaKind.IMAGE, data="aGk=", media_type="image/tiff"),
        Media(kind=MediaKind.IMAGE, file_id="file-of-openai"),
        Media(kind=MediaKind.DOCUMENT, data="aGk=", media_type="application/msword"),
        Media(kind=MediaKind.IMAGE, url="gs://bucket/b.png"),
    ],
)
def test_media_that_it_does_not_take_is_refused(media: Media) -> None:
    with pytest.raises(GatewayError, match="Anthropic") as caught:
        messages_of(user(media))
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_a_picture_that_the_model_made_is_shown_by_the_user() -> None:
    image = Media(kind=MediaKind.IMAGE, url="https://a/b.png")
    said = messages_of(user("Draw"), assistant("Here.", image), user("Bluer"))
    assert [m["role"] for m in said] == ["user", "assistant", "user"]
    assert [block["type"] for block in said[2]["content"]] == ["image", "text"]


EFFORT = {"reasoning": ReasoningOptions(effort=Effort.HIGH)}


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 16_384}, None),
        ("us.anthropic.claude-3-7-sonnet", {"type": "enabled", "budget_tokens": 16_384}, None),
        ("claude-opus-4-6", {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-opus-5", {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-sonnet-9", {"type": "adaptive", "display": "summarized"}, "high"),
        ("kimi-k2", {"type": "enabled", "budget_tokens": 7168}, None),
    ],
)
def test_an_effort_is_asked_for_as_the_model_takes_it(
    model: str, thinking: Any, effort: str | None
) -> None:
    sent, encoded = encode(chat(**EFFORT), model)
    assert (sent["thinking"], sent.get("output_config", {}).get("effort")) == (thinking, effort)
    assert encoded.dropped == ()


def test_an_effort_that_a_model_lacks_is_the_one_below() -> None:
    asked = chat(reasoning=ReasoningOptions(effort=Effort.XHIGH))
    assert encode(asked, "claude-opus-4-6")[0]["output_config"]["effort"] == "high"
    assert encode(asked, "claude-opus-4-7")[0]["output_config"]["effort"] == "xhigh"


@pytest.mark.parametrize("model", ["anthropic.claude-v2:1", "claude-2.1", "claude-instant-1.2"])
def test_the_first_models_of_all_are_not_taken_for_the_newest(model: str) -> None:
    assert find_generation(model).thinking is Thinking.NEVER


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    sent, encoded = encode(chat(**EFFORT), "claude-3-5-haiku-latest")
    assert "thinking" not in sent
    assert encoded.dropped == ("reasoning_effort",)


def test_no_effort_stops_the_thinking() -> None:
    none = chat(reasoning=ReasoningOptions(effort=Effort.NONE))
    assert encode(none, "claude-opus-4-6")[0]["thinking"] == {"type": "disabled"}
    sent, encoded = encode(none, "claude-fable-5")
    assert (sent.get("thinking"), encoded.dropped) == (None, ("reasoning_effort",))


@pytest.mark.parametrize(
    ("cap", "budget"), [(20_000, 16_384), (10_000, 8976), (1500, 1024), (1024, None)]
)
def test_a_budget_leaves_room_for_the_answer(cap: int, budget: int | None) -> None:
    sent, encoded = encode(chat(output_tokens_max=cap, **EFFORT))
    assert sent.get("thinking", {}).get("budget_tokens") == budget
    assert sent["max_tokens"] == cap
    assert encoded.dropped == (() if budget else ("reasoning_effort",))


def test_thinking_is_off_where_the_turn_that_goes_on_lacks_it() -> None:
    said = (user("a"), assistant(CALL), user(RESULT))
    sent, encoded = encode(chat(*said, **EFFORT))
    assert "thinking" not in sent
    assert encoded.dropped == ("reasoning_effort",)
    signed = Reasoning(text="Hm.", signature=Signature("c2ln", "anthropic"))
    sent, encoded = encode(chat(user("a"), assistant(signed, CALL), user(RESULT), **EFFORT))
    assert sent["thinking"]["type"] == "enabled"
    assert "thinking" in encode(chat(*said, **EFFORT), "claude-opus-4-6")[0]


def test_a_forced_tool_and_a_budget_do_not_go_together() -> None:
    choice = ToolChoice(ToolChoiceMode.REQUIRED)
    asked = chat(tools=(FunctionTool(name="f"),), tool_choice=choice, **EFFORT)
    sent, encoded = encode(asked)
    assert ("thinking" in sent, encoded.dropped) == (False, ("reasoning_effort",))
    assert "thinking" in encode(asked, "claude-opus-4-6")[0]


@pytest.mark.parametrize(
    ("model", "given", "sent", "dropped"),
    [
        ("claude-sonnet-4-0", {"temperature": 1.5}, {"temperature": 1.0}, ("temperature",)),
        (
            "claude-sonnet-4-0",
            {"temperature": 0.5, "top_p": 0.9},
            {"temperature": 0.5, "top_p": 0.9},
            (),
        ),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5}, ()),
        ("claude-opus-4-7", {"temperature": 0.5, "top_k": 3}, {}, ("temperature", "top_k")),
        ("claude-opus-4-7", {"temperature": 1.0}, {}, ()),
    ],
)
def test_sampling_is_what_the_model_takes(
    model: str, given: Any, sent: Any, dropped: tuple[str, ...]
) -> None:
    body, encoded = encode(chat(**given), model)
    assert {k: body[k] for k in ("temperature", "top_p", "top_k") if k in body} == sent
    assert encoded.dropped == dropped


def test_thinking_leaves_no_freedom_of_sampling() -> None:
    sent, encoded = encode(chat(temperature=0.2, top_k=5, **EFFORT))
    assert "temperature" not in sent
    assert encoded.dropped == ("temperature", "top_k")


def test_a_stop_sequence_of_blanks_is_refused() -> None:
    assert encode(chat(stop=("END",)))[0]["stop_sequences"] == ["END"]
    with pytest.raises(GatewayError, match="white space"):
        encode(chat(stop=("\n\n",)))


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    asked = chat(output_format=OutputFormat(kind=OutputKind.JSON_OBJECT))
    sent, encoded = encode(asked)
    assert "JSON object" in sent["system"]
    assert encoded.dropped == ("response_format",)


def test_a_schema_is_told_in_anthropics_words_and_what_is_lost_is_named() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1},
            "of": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {}}]},
        },
    }
    raw = msgspec.Raw(json.dumps(schema).encode())
    asked = chat(output_format=OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=raw))
    sent, encoded = encode(asked)
    closed = sent["output_config"]["format"]["schema"]
    assert closed["additionalProperties"] is False
    assert "minimum" not in closed["properties"]["n"]
    assert closed["properties"]["of"]["anyOf"][1]["additionalProperties"] is False
    assert encoded.dropped == (
        "response_format.properties.n.minimum",
        "response_format.properties.of.anyOf[1].additionalProperties",
    )


def test_a_strict_tool_is_held_to_the_same_rules() -> None:
    raw = msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer","maximum":3}}}')
    sent, encoded = encode(chat(tools=(FunctionTool(name="f", parameters=raw, is_strict=True),)))
    assert sent["tools"][0]["strict"] is True
    assert sent["tools"][0]["input_schema"]["additionalProperties"] is False
    assert encoded.dropped == ("tools.f.properties.n.maximum",)


def test_tools_and_their_choice() -> None:
    raw = msgspec.Raw(b'{"properties":{"a":{"type":"string"}}}')
    tools = (
        FunctionTool(name="f", description="Does.", parameters=raw),
        HostedTool(
            kind=HostedKind.WEB_SEARCH,
            name="web_search_preview",
            dialect="openai_responses",
            raw=RAW,
            allowed_domains=("a.com",),
            location={"city": "Riga"},
        ),
    )
    choice = ToolChoice(ToolChoiceMode.NAMED, hosted=HostedKind.WEB_SEARCH)
    sent, _ = encode(chat(tools=tools, tool_choice=choice, is_parallel=False))
    assert sent["tools"] == [
        {
            "name": "f",
            "description": "Does.",
            "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "allowed_domains": ["a.com"],
            "user_location": {"type": "approximate", "city": "Riga"},
        },
    ]
    assert sent["tool_choice"] == {
        "type": "tool",
        "name": "web_search",
        "disable_parallel_tool_use": True,
    }


def test_calls_at_once_are_forbidden_where_the_choice_is() -> None:
    asked = chat(tools=(FunctionTool(name="f"),), is_parallel=False)
    assert encode(asked)[0]["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in encode(chat(is_parallel=False))[0]


def test_tools_of_a_version_go_back_as_they_were() -> None:
    bash = {"type": "bash_20250124", "name": "bash"}
    assert encode(decode(tools=[bash]))[0]["tools"] == [bash]


def test_extras_go_back_in_their_own_dialect_and_are_named_in_any_other() -> None:
    sent, encoded = encode(decode(container="c_1", output_config={"effort": "low", "x": 1}))
    assert (sent["container"], encoded.dropped) == ("c_1", ("output_config.effort",))
    assert sent["output_config"] == {"x": 1}
    foreign = chat(extras={"logit_bias": RAW})
    assert encode(foreign)[1].dropped == ("logit_bias",)


@pytest.mark.parametrize(
    ("tier", "sent", "dropped"),
    [("auto", "auto", ()), ("default", "standard_only", ()), ("flex", None, ("service_tier",))],
)
def test_service_tiers(tier: str, sent: str | None, dropped: tuple[str, ...]) -> None:
    body, encoded = encode(chat(service_tier=tier))
    assert (body.get("service_tier"), encoded.dropped) == (sent, dropped)


def test_what_a_schema_is_for_is_said_at_its_top() -> None:
    own = msgspec.Raw(b'{"type":"object","properties":{},"description":"A person."}')
    form = OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=own, description="Who is meant.")
    sent, _ = encode(chat(output_format=form))
    said = sent["output_config"]["format"]["schema"]["description"]
    assert said == "Who is meant.\n\nA person."


@pytest.mark.parametrize("asked", [{"summary": "auto"}, {"is_shown": True}])
def test_who_asks_to_see_the_thinking_means_the_usual_effort(asked: Any) -> None:
    seen = chat(reasoning=ReasoningOptions(**asked), output_tokens_max=32_000)
    usual = EFFORTS[DEFAULT_EFFORT].budget_tokens
    budgeted = encode(seen, "claude-sonnet-4-5")[0]["thinking"]
    assert budgeted == {"type": "enabled", "budget_tokens": usual}
    # Newer models choose for themselves.
    assert encode(seen, "claude-opus-4-6")[0]["thinking"]["type"] == "adaptive"
    sent, encoded = encode(seen, "claude-3-5-haiku-20241022")
    assert (sent.get("thinking"), encoded.dropped) == (None, ("reasoning_effort",))
