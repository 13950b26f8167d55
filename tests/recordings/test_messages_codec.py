"""Recorded Messages exchanges by way of the hub: what goes in comes out, to the token.

Facts are read from the recorded JSON itself, never by the code under test.
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.recordings.recorded import FOLDER, needs_recordings

from nagara.dialects import anthropic_messages
from nagara.dialects.codec import Frame, Target
from nagara.dialects.fit import fit
from nagara.domain.events import Response, fold, unfold

BYTES_MAX = 10_000_000
COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
# What Anthropic calls by itself says so, which is what every call is.
DIRECT = {"type": "direct"}


def exchanges() -> Iterator[Any]:
    if not FOLDER.is_dir():
        return
    with gzip.open(FOLDER / "anthropic.jsonl.gz", "rt") as lines:
        for line in map(json.loads, lines):
            is_asked = line["request"]["path"] == "/v1/messages"
            if is_asked and line["response"]["status"] == 200:
                yield pytest.param(line["request"]["json"], line["response"], id=line["id"])


EXCHANGES = list(exchanges())


def target(model: str) -> Target:
    return Target(
        provider="Anthropic",
        model=model,
        maker="anthropic",
        abilities=anthropic_messages.ABILITIES,
    )


def decode_answer(answer: Any, model: str) -> Response:
    if "json" in answer:
        body = json.dumps(answer["json"]).encode()
        return anthropic_messages.decode_response(body, target(model))
    decoder = anthropic_messages.decode_stream(BYTES_MAX, target(model))
    events = decoder.feed(answer["text"].encode())
    assert decoder.is_ended
    return fold(events)


def fold_recorded(text: str) -> Any:
    """The message that a recorded stream tells: blocks, reason and usage, by hand."""
    blocks: list[Any] = []
    message: dict[str, Any] = {}
    for event in (json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:")):
        if event["type"] == "message_start":
            message = event["message"]
        elif event["type"] == "content_block_start":
            blocks.append(event["content_block"] | {"pieces": []})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "input_json_delta":
                blocks[-1]["pieces"].append(delta["partial_json"])
            elif delta["type"] == "citations_delta":
                blocks[-1].setdefault("citations", []).append(delta["citation"])
            else:
                name = delta["type"].removesuffix("_delta")
                blocks[-1][name] += delta[name]
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for block in blocks:
        if pieces := "".join(block.pop("pieces")):
            block["input"] = json.loads(pieces)
    return message | {"content": blocks}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: without_nulls(item)
            for name, item in value.items()
            if item is not None and not (name == "caller" and item == DIRECT)
        }
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@needs_recordings
@pytest.mark.parametrize(("asked", "answer"), EXCHANGES)
def test_an_answer_comes_out_as_it_was_recorded(asked: Any, answer: Any) -> None:
    recorded = answer["json"] if "json" in answer else fold_recorded(answer["text"])
    response = decode_answer(answer, asked["model"])
    request = anthropic_messages.decode_request(json.dumps(asked).encode())
    frame = Frame(request=request, model=recorded["model"], seed="s", created_s=1)
    written = json.loads(anthropic_messages.encode_response(response, frame).body)
    usage, counts = written.pop("usage"), recorded["usage"]
    assert {name: usage[name] for name in COUNTS} == {name: counts[name] for name in COUNTS}
    thinking = (counts.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    assert usage.get("output_tokens_details", {}).get("thinking_tokens", 0) == thinking
    searches = (counts.get("server_tool_use") or {}).get("web_search_requests", 0)
    assert usage.get("server_tool_use", {}).get("web_search_requests", 0) == searches
    said = {name: value for name, value in recorded.items() if name != "usage"}
    assert without_nulls(written) == without_nulls(said)


@needs_recordings
@pytest.mark.parametrize(("asked", "answer"), EXCHANGES)
def test_an_answer_is_the_same_streamed(asked: Any, answer: Any) -> None:
    response = decode_answer(answer, asked["model"])
    request = anthropic_messages.decode_request(json.dumps(asked).encode())
    encoder = anthropic_messages.encode_stream(
        Frame(request=request, model=response.model or "", seed="s", created_s=1)
    )
    stream = b"".join(encoder.encode(event) for event in unfold(response))
    decoder = anthropic_messages.decode_stream(BYTES_MAX, target(asked["model"]))
    again = fold(decoder.feed(stream))
    assert facts(again) == facts(response)


@needs_recordings
@pytest.mark.parametrize(("asked", "answer"), EXCHANGES)
def test_a_request_says_the_same_when_it_is_written_again(asked: Any, answer: Any) -> None:
    request = anthropic_messages.decode_request(json.dumps(asked).encode())
    aimed = target(asked["model"])
    fitted = fit(request, aimed)
    encoded = anthropic_messages.encode_request(fitted.request, aimed)
    assert (fitted.dropped, encoded.dropped) == ((), ())
    again = anthropic_messages.decode_request(encoded.body)
    assert merged(facts(again)) == merged(facts(request))


def facts(value: Response | Any) -> Any:
    """A value of the hub as JSON, but for what an answer cannot repeat."""
    read = json.loads(msgspec.json.encode(value))
    if read.get("usage"):
        # What was billed beside the answer is for the bill alone.
        read["usage"]["rounds"] = []
    return {name: item for name, item in read.items() if name != "service_tier"}


def merged(request: Any) -> Any:
    """The request with neighbours of one role as one message, results first: as it is sent."""
    messages: list[Any] = []
    for message in request["messages"]:
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["parts"] += message["parts"]
        else:
            messages.append(message)
    for message in messages:
        message["parts"].sort(key=lambda part: "call_id" not in part)
        for part in message["parts"]:
            if "arguments" in part:
                part["arguments"] = json.loads(part["arguments"])
    return request | {"messages": messages}
