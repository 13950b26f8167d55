"""Tools under names that a provider takes, and back under the caller's own."""

import json
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects.codec import Target
from nagara.dialects.tool_names import NameRestorer, flatten_tools
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.events import ChoiceEnded, Event, PartBegan, PartDelta, PartEnded, fold
from nagara.domain.messages import (
    FunctionTool,
    Message,
    Request,
    Role,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)

PLAIN = Target(provider="Them", model="m", maker="them")
ABLE = msgspec.structs.replace(
    PLAIN, abilities=Abilities(frozenset({Ability.NAMESPACES, Ability.CUSTOM_TOOLS}))
)
GROUPED = FunctionTool(name="read", namespace="files")
PATCH = FunctionTool(name="patch", kind=ToolKind.CUSTOM, format=msgspec.Raw(b'{"type":"grammar"}'))


def request(*tools: FunctionTool, messages: tuple[Message, ...] = ()) -> Request:
    return Request(dialect="openai_responses", model="m", messages=messages, tools=tools)


def answer(call: ToolCall, *deltas: str) -> list[Event]:
    told = (PartDelta(0, text) for text in deltas)
    return [PartBegan(0, call), *told, PartEnded(0), ChoiceEnded(finish=None)]


def restore(asked: Request, events: list[Event], *, makes_functions: bool = False) -> ToolCall:
    restorer = NameRestorer(flatten_tools(asked, PLAIN)[1], makes_functions=makes_functions)
    restored = [out for event in events for out in restorer.restore(event)]
    (part,) = fold(restored).choices[0].parts
    assert isinstance(part, ToolCall)
    return part


def test_namespaced_tool_is_flattened_and_its_call_comes_back_under_its_own_name() -> None:
    flat, _ = flatten_tools(request(GROUPED), PLAIN)
    assert [tool.name for tool in flat.tools] == ["files__read"]
    call = restore(request(GROUPED), answer(ToolCall(id="1", name="files__read"), "{}"))
    assert call == ToolCall(id="1", name="read", namespace="files", arguments="{}")


def test_tools_of_one_name_in_two_namespaces_stay_apart() -> None:
    other = FunctionTool(name="read", namespace="mail")
    flat, names = flatten_tools(request(GROUPED, other), PLAIN)
    assert len({tool.name for tool in flat.tools}) == 2
    assert {(c.namespace, c.name) for c in names.callers.values()} == {
        ("files", "read"),
        ("mail", "read"),
    }


def test_free_text_tool_becomes_a_function_and_its_text_comes_back() -> None:
    flat, _ = flatten_tools(request(PATCH), PLAIN)
    (tool,) = flat.tools
    assert isinstance(tool, FunctionTool)
    assert tool.kind is ToolKind.FUNCTION
    assert tool.parameters is not None
    assert json.loads(bytes(tool.parameters))["required"] == ["input"]
    assert "grammar" in (tool.description or "")
    events = answer(ToolCall(id="1", name="patch"), '{"inp', 'ut": "*** \\u00e9', '\\n"}')
    call = restore(request(PATCH), events)
    assert (call.kind, call.name, call.arguments) == (ToolKind.CUSTOM, "patch", "*** é\n")


def test_what_is_no_free_text_is_given_as_the_model_wrote_it() -> None:
    call = restore(request(PATCH), answer(ToolCall(id="1", name="patch"), "just text"))
    assert call.arguments == "just text"


def test_free_text_that_goes_on_after_its_part_has_ended_is_whole() -> None:
    began, first, second, ended, over = answer(
        ToolCall(id="1", name="patch"), '{"input":', '"all of it"}'
    )
    call = restore(request(PATCH), [began, first, ended, second, over])
    assert call.arguments == "all of it"


def test_free_text_call_that_a_caller_without_such_tools_never_offered_becomes_a_function() -> None:
    custom = ToolCall(id="1", name="patch", kind=ToolKind.CUSTOM)
    call = restore(request(), answer(custom, '"a', '"\n'), makes_functions=True)
    assert (call.kind, json.loads(call.arguments)) == (ToolKind.FUNCTION, {"input": '"a"\n'})
    assert restore(request(), answer(custom, "a")).kind is ToolKind.CUSTOM


def test_history_is_told_in_the_same_names_and_forms() -> None:
    past = (
        Message(
            Role.ASSISTANT,
            (
                ToolCall(id="1", name="read", namespace="files", arguments="{}"),
                ToolCall(id="2", name="patch", kind=ToolKind.CUSTOM, arguments="a\nb"),
            ),
        ),
        Message(Role.USER, (ToolResult(call_id="2", kind=ToolKind.CUSTOM),)),
    )
    flat, _ = flatten_tools(request(GROUPED, PATCH, messages=past), PLAIN)
    first, second = flat.messages[0].parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.name, first.namespace) == ("files__read", None)
    assert second.kind is ToolKind.FUNCTION
    assert json.loads(second.arguments) == {"input": "a\nb"}
    assert flat.messages[1].parts == (ToolResult(call_id="2"),)


def test_choice_of_a_renamed_tool_is_renamed() -> None:
    asked = msgspec.structs.replace(
        request(GROUPED), tool_choice=ToolChoice(ToolChoiceMode.NAMED, "read", namespace="files")
    )
    flat, _ = flatten_tools(asked, PLAIN)
    assert flat.tool_choice == ToolChoice(ToolChoiceMode.NAMED, "files__read")


def test_target_that_can_gets_them_as_they_are() -> None:
    asked = request(GROUPED, PATCH)
    assert flatten_tools(asked, ABLE)[0] is asked


def test_plain_tools_cost_nothing() -> None:
    asked = request(FunctionTool(name="read"))
    assert flatten_tools(asked, PLAIN)[0] is asked


@given(st.text(min_size=1, max_size=200))
def test_any_name_is_made_fit_and_comes_back(name: str) -> None:
    asked = request(FunctionTool(name=name))
    (tool,) = flatten_tools(asked, PLAIN)[0].tools
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", tool.name)
    assert restore(asked, answer(ToolCall(id="1", name=tool.name))).name == name


def test_what_a_namespace_is_for_is_told_with_each_of_its_tools() -> None:
    grouped = FunctionTool(
        name="find", namespace="maps", namespace_description="Maps.", description="Finds a place."
    )
    (flat,) = flatten_tools(request(grouped), PLAIN)[0].tools
    assert isinstance(flat, FunctionTool)
    assert flat.description == "Maps.\n\nFinds a place."


def test_a_tool_of_any_text_is_told_no_format() -> None:
    free = msgspec.structs.replace(
        PATCH, description="Changes a file.", format=msgspec.Raw(b'{"type":"text"}')
    )
    (flat,) = flatten_tools(request(free), PLAIN)[0].tools
    assert isinstance(flat, FunctionTool)
    assert flat.description == "Changes a file."
