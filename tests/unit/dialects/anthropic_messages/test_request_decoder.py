"""Requests of Messages callers: what each kind of block becomes, and how mistakes are told."""

import json
from typing import Any

import pytest
from tests.unit.dialects.anthropic_messages.messages_requests import HELLO, SIGNED, body, decode

from nagara.dialects import anthropic_messages, envelope
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
    Citation,
    CitationKind,
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
    OutputKind,
    Part,
    Reasoning,
    ReasoningOptions,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}
MARK = CacheMark("1h")


def part_of(block: Any, role: str = "user") -> Part:
    request = decode(messages=[{"role": role, "content": [block]}])
    (part,) = request.messages[0].parts
    return part


def test_strings_and_blocks_of_text_say_the_same() -> None:
    blocks = decode(
        system=[{"type": "text", "text": "Be brief."}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    )
    assert blocks == decode(system="Be brief.", messages=HELLO)
    assert blocks.messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        Message(Role.USER, (Text("Hello"),)),
    )


def test_a_system_message_in_the_middle_stays_there() -> None:
    request = decode(messages=[*HELLO, {"role": "system", "content": "Now shout."}])
    assert [message.role for message in request.messages] == [Role.USER, Role.SYSTEM]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "aGk="},
            Media(kind=MediaKind.IMAGE, media_type="image/png", data="aGk=", cache=MARK),
        ),
        (
            {"type": "url", "url": "https://a/b.png"},
            Media(kind=MediaKind.IMAGE, url="https://a/b.png", cache=MARK),
        ),
        (
            {"type": "file", "file_id": "file_1"},
            Media(kind=MediaKind.IMAGE, file_id="file_1", cache=MARK),
        ),
    ],
)
def test_images_come_in_three_ways(source: Any, expected: Media) -> None:
    assert part_of({"type": "image", "source": source, "cache_control": EPHEMERAL}) == expected


def test_documents_keep_their_title_and_whether_to_cite() -> None:
    part = part_of(
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Grass is green."},
            "title": "Facts",
            "context": "Old.",
            "citations": {"enabled": True},
        }
    )
    assert isinstance(part, Media)
    assert (part.kind, part.text, part.filename) == (
        MediaKind.DOCUMENT,
        "Grass is green.",
        "Facts",
    )
    assert part.has_citations
    assert list(part.extras) == ["context"]


def test_a_document_of_blocks_is_its_text_or_its_parts() -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    image = {"type": "image", "source": {"type": "url", "url": "https://a/b"}}
    whole = part_of({"type": "document", "source": {"type": "content", "content": texts}})
    assert isinstance(whole, Media)
    assert whole.text == "a\nb"
    mixed = {"type": "document", "source": {"type": "content", "content": [*texts, image]}}
    request = decode(messages=[{"role": "user", "content": [mixed]}])
    assert [type(part) for part in request.messages[0].parts] == [Text, Text, Media]


def test_a_search_result_is_a_document_that_says_where_it_is_from() -> None:
    part = part_of(
        {
            "type": "search_result",
            "source": "https://a/b",
            "title": "T",
            "content": [{"type": "text", "text": "Found."}],
        }
    )
    assert isinstance(part, Media)
    assert part.text == "Source: https://a/b\n\nFound."


def test_thinking_keeps_its_signature_and_says_whose_it_is_if_it_came_in_an_envelope() -> None:
    own = part_of(SIGNED, "assistant")
    assert own == Reasoning(text="Hm.", signature=Signature("c2ln"))
    foreign = envelope.enclose(Signature("sealed", "openai"))
    assert part_of(SIGNED | {"signature": foreign}, "assistant") == Reasoning(
        text="Hm.", signature=Signature("sealed", "openai")
    )
    unsigned = envelope.enclose(Signature(""))
    assert part_of(SIGNED | {"signature": unsigned}, "assistant") == Reasoning(text="Hm.")
    assert part_of({"type": "redacted_thinking", "data": "eA=="}, "assistant") == Reasoning(
        signature=Signature("eA=="), is_redacted=True
    )


def test_calls_and_results_of_tools_are_told_apart_from_those_the_provider_ran() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2]}}
    assert part_of(call | {"caller": {"type": "direct"}}, "assistant") == ToolCall(
        id="toolu_1", name="f", arguments='{"a": [1, 2]}'
    )
    hosted = part_of(call | {"type": "server_tool_use", "name": "web_search"}, "assistant")
    assert isinstance(hosted, HostedCall)
    assert (hosted.kind, hosted.arguments) == (HostedKind.WEB_SEARCH, '{"a": [1, 2]}')
    mcp = part_of(call | {"type": "mcp_tool_use", "server_name": "s"}, "assistant")
    assert isinstance(mcp, HostedCall)
    assert mcp.kind is HostedKind.MCP


def test_results_hold_text_media_and_errors() -> None:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}
    assert part_of(block) == ToolResult(call_id="toolu_1", is_error=True)
    assert part_of(block | {"content": "No."}) == ToolResult(
        call_id="toolu_1", parts=(Text("No."),), is_error=True
    )
    image = {"type": "image", "source": {"type": "url", "url": "https://a/b"}}
    part = part_of(block | {"content": [{"type": "text", "text": "See"}, image]})
    assert isinstance(part, ToolResult)
    assert [type(inner) for inner in part.parts] == [Text, Media]


def test_results_of_hosted_tools_show_their_pages_and_their_output() -> None:
    found = part_of(
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "url": "https://a", "title": "A"}],
        },
        "assistant",
    )
    assert isinstance(found, HostedResult)
    assert [(s.url, s.title) for s in found.sources] == [("https://a", "A")]
    ran = part_of(
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {"stdout": "4", "stderr": "", "return_code": 1},
        },
        "assistant",
    )
    assert isinstance(ran, HostedResult)
    assert (ran.kind, ran.output, ran.is_error) == (HostedKind.CODE_EXECUTION, "4", True)


def test_blocks_that_nobody_else_has_stay_whole() -> None:
    part = part_of({"type": "compaction", "content": "So far."}, "assistant")
    assert isinstance(part, Opaque)
    assert json.loads(bytes(part.raw)) == {"type": "compaction", "content": "So far."}


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        (
            {
                "type": "char_location",
                "cited_text": "c",
                "document_index": 1,
                "document_title": "T",
                "start_char_index": 2,
                "end_char_index": 5,
            },
            Citation(
                kind=CitationKind.DOCUMENT,
                title="T",
                cited_text="c",
                document_index=1,
                location="char",
                location_start=2,
                location_end=5,
            ),
        ),
        (
            {"type": "web_search_result_location", "url": "https://a", "title": "A"},
            Citation(kind=CitationKind.URL, url="https://a", title="A"),
        ),
    ],
)
def test_citations_point_to_documents_and_pages(citation: Any, expected: Citation) -> None:
    part = part_of({"type": "text", "text": "t", "citations": [citation]}, "assistant")
    assert part == Text("t", (expected,))


def test_tools_of_the_caller_keep_their_schema_and_those_of_a_version_get_theirs() -> None:
    request = decode(
        tools=[
            {
                "name": "f",
                "input_schema": {"type": "object"},
                "strict": True,
                "defer_loading": True,
            },
            {"type": "bash_20250124", "name": "bash"},
        ]
    )
    plain, bash = request.tools
    assert isinstance(plain, FunctionTool)
    assert isinstance(bash, FunctionTool)
    assert (plain.is_strict, list(plain.extras)) == (True, ["defer_loading"])
    assert bash.parameters is not None
    assert "command" in json.loads(bytes(bash.parameters))["properties"]


def test_tools_that_anthropic_runs_are_not_the_callers() -> None:
    request = decode(
        tools=[
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "max_uses": 3,
                "allowed_domains": ["a.com"],
                "user_location": {"type": "approximate", "city": "Riga"},
            },
            {"type": "mcp_toolset", "mcp_server_name": "wiki"},
            {"type": "divining_20300101", "name": "rod"},
        ]
    )
    tools = [tool for tool in request.tools if isinstance(tool, HostedTool)]
    assert [(tool.kind, tool.name) for tool in tools] == [
        (HostedKind.WEB_SEARCH, "web_search"),
        (HostedKind.MCP, "wiki"),
        (HostedKind.OTHER, "rod"),
    ]
    assert (tools[0].uses_max, tools[0].allowed_domains) == (3, ("a.com",))
    assert tools[0].location == {"city": "Riga"}


@pytest.mark.parametrize(
    ("given", "choice", "is_parallel"),
    [
        ({"type": "auto"}, ToolChoice(ToolChoiceMode.AUTO), None),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            ToolChoice(ToolChoiceMode.REQUIRED),
            False,
        ),
        ({"type": "tool", "name": "f"}, ToolChoice(ToolChoiceMode.NAMED, "f"), None),
        ({"type": "none"}, ToolChoice(ToolChoiceMode.NONE), None),
    ],
)
def test_tool_choice(given: Any, choice: ToolChoice, is_parallel: bool | None) -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    request = decode(tools=tools, tool_choice=given)
    assert (request.tool_choice, request.is_parallel) == (choice, is_parallel)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            ReasoningOptions(budget_tokens=2000),
        ),
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "xhigh"},
            },
            ReasoningOptions(effort=Effort.XHIGH, is_adaptive=True, is_shown=False),
        ),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(effort=Effort.NONE)),
        ({"output_config": {"effort": "low"}}, ReasoningOptions(effort=Effort.LOW)),
    ],
)
def test_thinking_and_effort(fields: Any, expected: ReasoningOptions) -> None:
    assert decode(**fields).reasoning == expected


@pytest.mark.parametrize("older", [True, False])
def test_an_output_format_is_held_to_its_schema(older: bool) -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    request = decode(
        **({"output_format": wanted} if older else {"output_config": {"format": wanted}})
    )
    asked = request.output_format
    assert asked is not None
    assert (asked.kind, asked.is_strict) == (OutputKind.JSON_SCHEMA, True)


def test_scalars_have_their_fields_and_the_rest_is_kept() -> None:
    request = decode(
        temperature=1,
        top_p=0.5,
        top_k=7,
        stop_sequences=["END"],
        metadata={"user_id": "u"},
        service_tier="standard_only",
        stream=True,
        cache_control={"type": "ephemeral"},
        container="c_1",
        context_management=None,
    )
    assert (request.temperature, request.top_p, request.top_k) == (1.0, 0.5, 7)
    assert (request.stop, request.user, request.is_streamed) == (("END",), "u", True)
    assert (request.service_tier, request.cache) == ("default", CacheMark())
    assert list(request.extras) == ["container"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}
                ]
            },
            "messages[0].content[0].source",
        ),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"name": 3}]}, "tools[0].name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "heroic"}}, "output_config.effort"),
        ({"system": [SIGNED]}, "system[0]"),
        ({"tools": [{"type": "browser_toolset_20260801"}]}, "tools[0]"),
    ],
)
def test_a_mistake_is_told_with_its_path(fields: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        decode(**fields)
    assert caught.value.param == param
    assert caught.value.kind in (ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED)


def test_half_a_surrogate_pair_is_mended() -> None:
    request = anthropic_messages.decode_request(body().replace(b"Hello", b"\\ud83d \\ud83d\\ude00"))
    assert request.messages[0].parts == (Text("\ufffd \U0001f600"),)
