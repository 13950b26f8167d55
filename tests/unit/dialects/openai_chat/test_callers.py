"""Answers to callers of Chat Completions: whole, streamed, and put together by OpenAI's own SDK."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from openai import APIError, AsyncOpenAI
from tests.fakes import FakeUpstream, Peer
from tests.unit.dialects.openai_chat.chat import ask, frame

from nagara.dialects import envelope, openai_chat
from nagara.dialects.codec import Frame
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Choice, FinishReason, Response, TokenLogprob, unfold
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolKind,
)
from nagara.domain.usage import Meter, Usage

USAGE = Usage({Meter.INPUT: 3, Meter.CACHE_READ: 2, Meter.OUTPUT: 4, Meter.REASONING: 1})
SIGNED = Signature("secret", "maker")
RAW = msgspec.Raw(b'{"type":"server_tool_use"}')
SEARCH = HostedCall(
    id="s", kind=HostedKind.WEB_SEARCH, name="web_search", dialect="anthropic_messages", raw=RAW
)


def respond(*parts: Part, finish: FinishReason = FinishReason.STOP, **fields: Any) -> Response:
    choice = Choice(parts=parts, finish=finish)
    return Response(dialect="elsewhere", choices=(choice,), usage=USAGE, **fields)


def whole(response: Response, to: Frame | None = None) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(openai_chat.encode_response(response, to or frame()).body)
    return body


def message(*parts: Part, to: Frame | None = None, **fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = whole(respond(*parts, **fields), to)["choices"][0]["message"]
    return said


def stream(response: Response, to: Frame | None = None) -> bytes:
    encoder = openai_chat.encode_stream(to or frame())
    return b"".join(encoder.encode(event) for event in unfold(response))


def chunks(response: Response, to: Frame | None = None) -> list[dict[str, Any]]:
    events = stream(response, to).removesuffix(b"data: [DONE]\n\n").split(b"\n\n")
    return [json.loads(event.removeprefix(b"data: ")) for event in events if event]


@asynccontextmanager
async def sdk_of(body: bytes, kind: bytes) -> AsyncIterator[AsyncOpenAI]:
    """The SDK as the client of a server that always answers with `body`."""

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(body, b"content-type: " + kind)

    async with (
        FakeUpstream(script) as upstream,
        AsyncOpenAI(api_key="x", base_url=upstream.url, max_retries=0) as client,
    ):
        yield client


async def put_together(body: bytes) -> dict[str, Any]:
    """What the SDK's accumulator makes of a stream."""
    async with (
        sdk_of(body, b"text/event-stream") as client,
        client.chat.completions.stream(model="m", messages=[]) as events,
    ):
        async for _ in events:
            pass
        return plain((await events.get_final_completion()).model_dump())


async def at_once(body: bytes) -> dict[str, Any]:
    async with sdk_of(body, b"application/json") as client:
        return plain((await client.chat.completions.create(model="m", messages=[])).model_dump())


def plain(completion: dict[str, Any]) -> dict[str, Any]:
    """Without what only one of the SDK's two classes has: parsed texts, numbers of list entries."""
    for choice in completion["choices"]:
        choice["message"].pop("parsed", None)
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
            (call.get("function") or {}).pop("parsed_arguments", None)
    return completion


CITED = Text(
    "cited", citations=(Citation(kind=CitationKind.URL, url="https://a.example", title="A"),)
)
CALL = ToolCall(id="a", name="f", arguments='{"x": 1}')
ANSWERS = {
    "text": respond(Text("hello"), service_tier="flex"),
    "nothing": respond(),
    "reasoning": respond(Reasoning(text="hm", signature=SIGNED), Text("4")),
    "reasoning alone": respond(Reasoning(text="hm")),
    "hidden reasoning": respond(Reasoning(is_redacted=True, signature=SIGNED), Text("4")),
    "much reasoning": respond(
        Reasoning(text="a", signature=SIGNED), Text("b"), Reasoning(text="c", is_summary=True)
    ),
    "parallel calls": respond(
        Text("let me"), CALL, ToolCall(id="b", name="g"), finish=FinishReason.TOOL_CALLS
    ),
    "calls without ids": respond(
        ToolCall(id="", name="f", arguments="{}"), ToolCall(id="", name="f", arguments="{}")
    ),
    "signed call": respond(
        ToolCall(id="a", name="f", arguments="{}", signature=SIGNED), Text("after")
    ),
    "refusal": respond(Refusal("no")),
    "citations": respond(Text("plain "), CITED, Text("."), CITED),
    "image": respond(Text("see"), Media(kind=MediaKind.IMAGE, media_type="image/png", data="QUJD")),
    "audio": respond(Media(kind=MediaKind.AUDIO, data="QUJD", transcript="hello")),
    "hosted": respond(SEARCH, Reasoning(text="hm"), Text("found")),
    "logprobs": Response(
        dialect="elsewhere",
        usage=USAGE,
        choices=(
            Choice(
                parts=(Text("a"),),
                finish=FinishReason.STOP,
                logprobs=(TokenLogprob("a", -0.5, (97,), (TokenLogprob("b", -1.5),)),),
            ),
        ),
    ),
    "two choices": Response(
        dialect="elsewhere",
        usage=USAGE,
        choices=(
            Choice(index=0, parts=(Text("a"),), finish=FinishReason.STOP),
            Choice(index=1, parts=(CALL,), finish=FinishReason.TOOL_CALLS),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_sdk_puts_the_stream_together_to_the_whole_answer(name: str) -> None:
    response = ANSWERS[name]
    to = frame(choice_count=len(response.choices))
    body = openai_chat.encode_response(response, to).body
    assert await put_together(stream(response, to)) == await at_once(body)


def test_a_custom_call_streams_its_input() -> None:
    custom = ToolCall(id="a", name="f", arguments="free", kind=ToolKind.CUSTOM)
    calls = [
        call
        for chunk in chunks(respond(custom))
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert calls == [
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}},
        {"index": 0, "custom": {"input": "free"}},
    ]


def test_an_answer_bears_our_names_and_none_of_the_providers() -> None:
    body = whole(respond(Text("x"), id="theirs", model="theirs", created_s=1))
    assert body["id"] == "chatcmpl-seed"
    assert body["object"] == "chat.completion"
    assert (body["model"], body["created"]) == ("ours", 1_700_000_000)
    assert "system_fingerprint" not in body


def test_content_is_null_only_where_something_else_is_the_answer() -> None:
    assert message(CALL)["content"] is None
    assert message(Refusal("no"))["content"] is None
    assert message()["content"] == ""


def test_a_message_that_says_its_refusal_ended_in_order() -> None:
    response = respond(Refusal("no"), finish=FinishReason.REFUSAL)
    assert whole(response)["choices"][0]["finish_reason"] == "stop"
    assert b'"finish_reason":"stop"' in stream(response)
    response = respond(Text("no"), finish=FinishReason.REFUSAL)
    assert whole(response)["choices"][0]["finish_reason"] == "content_filter"
    assert message(Reasoning(text="hm"))["content"] == ""


def test_reasoning_is_readable_text_and_an_entry_to_replay() -> None:
    said = message(Reasoning(text="hm", signature=SIGNED), Text("4"))
    assert said["reasoning_content"] == "hm"
    (detail,) = said["reasoning_details"]
    assert detail["type"] == "reasoning.text"
    assert (detail["text"], detail["format"], detail["index"]) == ("hm", "nagara", 0)
    assert envelope.disclose(detail["signature"]) == SIGNED


@pytest.mark.parametrize(
    "part",
    [
        Reasoning(text="hm"),
        Reasoning(text="hm", signature=SIGNED),
        Reasoning(text="hm", signature=SIGNED, is_summary=True, id="rs_1"),
        Reasoning(signature=SIGNED),
        Reasoning(signature=SIGNED, is_redacted=True),
        ToolCall(id="a", name="f", arguments="{}", signature=SIGNED),
        SEARCH,
        Opaque(dialect="anthropic_messages", type="compaction", raw=RAW),
    ],
)
def test_what_a_caller_sends_back_is_what_was_answered(part: Part) -> None:
    said = message(part, Text("x"))
    (earlier,) = ask(said).messages
    assert len(earlier.parts) == 2
    assert part in earlier.parts
    assert Text("x") in earlier.parts


def test_a_tool_that_the_provider_ran_is_no_call_and_is_named() -> None:
    encoded = openai_chat.encode_response(respond(SEARCH, Text("found")), frame())
    assert b"tool_calls" not in encoded.body
    assert encoded.dropped == ("web_search",)
    encoder = openai_chat.encode_stream(frame())
    assert b"tool_calls" not in b"".join(map(encoder.encode, unfold(respond(SEARCH, Text("x")))))
    assert encoder.dropped == ["web_search"]


def test_citations_count_characters_of_the_whole_content() -> None:
    first, second = message(Text("plain "), CITED, Text("."), CITED)["annotations"]
    assert [first["url_citation"][name] for name in ("start_index", "end_index")] == [6, 11]
    assert [second["url_citation"][name] for name in ("start_index", "end_index")] == [12, 17]


def test_a_citation_without_an_address_is_named_as_dropped() -> None:
    cited = Text("x", citations=(Citation(kind=CitationKind.DOCUMENT, document_index=0),))
    assert openai_chat.encode_response(respond(cited), frame()).dropped == ("citations",)


def test_usage_of_a_stream_comes_only_to_those_who_asked() -> None:
    asked = chunks(respond(Text("x")), frame(has_usage_request=True))
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["prompt_tokens"] == 5
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    assert all("usage" not in c for c in chunks(respond(Text("x")), frame(has_usage_request=False)))


def test_a_stream_begins_with_the_role_and_ends_with_done() -> None:
    said = chunks(respond(Text("x")))
    assert said[0]["choices"][0]["delta"] == {"role": "assistant"}
    assert stream(respond(Text("x"))).endswith(b"data: [DONE]\n\n")


async def test_an_error_in_a_stream_is_raised_by_the_sdk() -> None:
    encoder = openai_chat.encode_stream(frame())
    events = list(unfold(respond(Text("x"))))[:3]
    error = GatewayError(ErrorKind.UPSTREAM_ERROR, "the provider failed")
    body = b"".join(map(encoder.encode, events)) + encoder.fail(error)
    with pytest.raises(APIError, match="the provider failed"):
        await put_together(body)


def test_callers_of_the_deprecated_functions_get_a_function_call() -> None:
    request = ask(functions=[{"name": "f", "parameters": {"type": "object"}}])
    to = frame(request)
    body = whole(respond(CALL, finish=FinishReason.TOOL_CALLS), to)
    choice = body["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"x": 1}'}
    assert "tool_calls" not in choice["message"]
    deltas = [c["delta"] for chunk in chunks(respond(CALL), to) for c in chunk["choices"]]
    assert {"function_call": {"arguments": '{"x": 1}'}} in deltas


def test_usage_is_what_openai_would_say() -> None:
    usage = whole(respond(Text("x")))["usage"]
    assert usage["total_tokens"] == 10
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 1
