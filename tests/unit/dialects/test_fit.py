"""What a provider cannot be asked for: refused, rewritten or dropped, never silently."""

from typing import Any

import msgspec
import pytest

from nagara.dialects.codec import Target
from nagara.dialects.fit import fit
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
    FunctionTool,
    HostedKind,
    HostedTool,
    Message,
    OutputFormat,
    OutputKind,
    Request,
    Role,
    Text,
    ToolChoice,
    ToolChoiceMode,
)

SEARCH = HostedTool(kind=HostedKind.WEB_SEARCH, name="web_search")
READ, WRITE = FunctionTool(name="read"), FunctionTool(name="write", is_strict=True)


def target(*features: Ability, hosted: tuple[HostedKind, ...] = ()) -> Target:
    abilities = Abilities(frozenset(features), frozenset(hosted))
    return Target(provider="Them", model="m1", maker="them", abilities=abilities)


def request(dialect: str = "openai_chat", **fields: Any) -> Request:
    messages = fields.pop("messages", (Message(Role.USER, (Text("Hi"),)),))
    return Request(dialect=dialect, model="mini", messages=messages, **fields)


@pytest.mark.parametrize(
    ("fields", "dialect", "param"),
    [
        ({"choice_count": 2}, "openai_chat", "n"),
        ({"choice_count": 2}, "google_gemini", "generationConfig.candidateCount"),
        ({"top_logprobs": 0}, "openai_chat", "logprobs"),
        ({"top_logprobs": 5}, "openai_responses", "top_logprobs"),
        ({"stop": ("END",)}, "anthropic_messages", "stop_sequences"),
        (
            {"output_format": OutputFormat(kind=OutputKind.JSON_SCHEMA)},
            "openai_chat",
            "response_format",
        ),
        ({"tool_choice": ToolChoice(ToolChoiceMode.REQUIRED)}, "openai_chat", "tool_choice"),
        (
            {
                "tools": (SEARCH, READ),
                "tool_choice": ToolChoice(ToolChoiceMode.NAMED, hosted=HostedKind.WEB_SEARCH),
            },
            "openai_responses",
            "tool_choice",
        ),
        (
            {
                "tools": (SEARCH,),
                "tool_choice": ToolChoice(ToolChoiceMode.NAMED, name="web_search"),
            },
            "anthropic_messages",
            "tool_choice",
        ),
    ],
)
def test_what_changes_the_meaning_is_refused_by_parameter_and_provider(
    fields: dict[str, Any], dialect: str, param: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        fit(request(dialect, **fields), target())
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.status == 400
    assert caught.value.param == param
    assert "Them" in caught.value.message
    assert repr(param) in caught.value.message


def test_tool_that_nobody_offered_cannot_be_required() -> None:
    choice = ToolChoice(ToolChoiceMode.NAMED, name="walk")
    with pytest.raises(GatewayError, match="'walk', which is not among the tools: read") as caught:
        fit(request(tools=(READ,), tool_choice=choice), target())
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("field", "value", "ability", "name"),
    [
        ("top_k", 3, Ability.TOP_K, "top_k"),
        ("seed", 7, Ability.SEED, "seed"),
        ("frequency_penalty", 0.5, Ability.PENALTIES, "frequency_penalty"),
        ("verbosity", "low", Ability.VERBOSITY, "verbosity"),
        ("service_tier", "flex", Ability.SERVICE_TIER, "service_tier"),
        ("metadata", {"a": "b"}, Ability.METADATA, "metadata"),
        ("user", "u", Ability.USER, "user"),
        ("cache_key", "k", Ability.CACHE_KEY, "prompt_cache_key"),
        ("is_parallel", False, Ability.PARALLEL_SWITCH, "parallel_tool_calls"),
    ],
)
def test_what_only_tunes_is_dropped_and_named(
    field: str, value: object, ability: Ability, name: str
) -> None:
    fields: dict[str, Any] = {field: value}
    asked = request(**fields)
    fitted = fit(asked, target())
    assert fitted.dropped == (name,)
    assert getattr(fitted.request, field) == getattr(request(), field)
    able = fit(asked, target(ability))
    assert able.dropped == ()
    assert getattr(able.request, field) == value


def test_nothing_is_dropped_of_a_request_that_asks_for_nothing() -> None:
    fitted = fit(request(tools=(READ,)), target())
    assert fitted.dropped == ()
    assert fitted.request == request(tools=(READ,))


def test_parallel_calls_need_no_switch_where_they_are_wanted() -> None:
    assert fit(request(is_parallel=True), target()).dropped == ()


def test_hosted_tool_goes_only_to_whoever_runs_it() -> None:
    asked = request(tools=(SEARCH, READ))
    fitted = fit(asked, target())
    assert fitted.request.tools == (READ,)
    assert fitted.dropped == ("tools.web_search",)
    able = fit(asked, target(hosted=(HostedKind.WEB_SEARCH,)))
    assert able.request.tools == (SEARCH, READ)


def test_list_of_allowed_tools_becomes_the_list_of_tools() -> None:
    choice = ToolChoice(ToolChoiceMode.REQUIRED, allowed=("read",))
    asked = request(tools=(READ, FunctionTool(name="write")), tool_choice=choice)
    fitted = fit(asked, target())
    assert fitted.request.tools == (READ,)
    assert fitted.request.tool_choice == ToolChoice(ToolChoiceMode.REQUIRED)
    assert fitted.dropped == ()
    assert fit(asked, target(Ability.ALLOWED_TOOLS)).request == asked


def test_marks_and_names_are_taken_off_every_part() -> None:
    marked = Message(Role.USER, (Text("a", cache=CacheMark()), Text("b")), name="ann")
    tool = msgspec.structs.replace(READ, cache=CacheMark("1h"))
    fitted = fit(request(messages=(marked,), tools=(tool, WRITE)), target())
    assert fitted.request.messages == (Message(Role.USER, (Text("a"), Text("b"))),)
    assert fitted.request.tools == (READ, FunctionTool(name="write"))
    assert set(fitted.dropped) == {"cache_control", "messages.name", "tools.strict"}


def test_who_asks_is_named_as_responses_callers_say_it_now() -> None:
    assert fit(request("openai_responses", user="u"), target()).dropped == ("safety_identifier",)
