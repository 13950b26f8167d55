"""What Bedrock really answered comes out as it was recorded."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.recordings.recorded import FOLDER, needs_recordings
from tests.unit.dialects.bedrock_converse.answers import (
    TARGET,
    parts_of,
    read_stream,
)

from nagara.dialects.bedrock_converse import decode_response
from nagara.domain.events import (
    fold,
    unfold,
)
from nagara.domain.messages import (
    Opaque,
    Reasoning,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter


def recorded(kind: str) -> Iterator[tuple[Mapping[str, Any], Any]]:
    with gzip.open(FOLDER / "bedrock.jsonl.gz", "rt") as lines:
        for line in map(json.loads, lines):
            is_converse = "/converse" in line["request"]["path"]
            if is_converse and line["response"]["status"] == 200 and kind in line["response"]:
                yield line, line["response"][kind]


def texts_in(blocks: list[Mapping[str, Any]]) -> str:
    return "".join(block.get("text", "") for block in blocks)


@needs_recordings
def test_recorded_answers_say_what_was_recorded() -> None:
    count = 0
    for line, answer in recorded("json"):
        response = decode_response(json.dumps(answer).encode(), TARGET)
        assert fold(unfold(response)) == response, line["id"]
        blocks, parts = answer["output"]["message"]["content"], parts_of(response)
        assert "".join(p.text for p in parts if isinstance(p, Text)) == texts_in(blocks)
        calls = [(p.id, p.name, json.loads(p.arguments)) for p in parts if isinstance(p, ToolCall)]
        uses = [b["toolUse"] for b in blocks if "toolUse" in b]
        own = [u for u in uses if u.get("type") != "server_tool_use"]
        assert calls == [(u["toolUseId"], u["name"], u["input"]) for u in own]
        thought = [p.text for p in parts if isinstance(p, Reasoning)]
        assert thought == [
            b["reasoningContent"]["reasoningText"]["text"]
            for b in blocks
            if "reasoningContent" in b
        ]
        assert not any(isinstance(p, Opaque) for p in parts), line["id"]
        assert response.usage is not None
        usage, total = answer["usage"], response.usage.input_tokens + response.usage.output_tokens
        assert response.usage.output_tokens == usage["outputTokens"]
        assert total == usage["totalTokens"], line["id"]
        count += 1
    assert count > 100


@needs_recordings
def test_recorded_streams_say_what_was_recorded() -> None:
    for line, encoded in recorded("base64"):
        stream = base64.b64decode(encoded)
        response = fold(read_stream(stream))
        payloads = [json.loads(p) for p in payloads_of(stream)]
        deltas = [p["delta"] for p in payloads if "delta" in p]
        parts = parts_of(response)
        assert "".join(p.text for p in parts if isinstance(p, Text)) == texts_in(deltas), line["id"]
        thought = "".join(d.get("reasoningContent", {}).get("text", "") for d in deltas)
        assert "".join(p.text for p in parts if isinstance(p, Reasoning)) == thought
        usage = payloads[-1]["usage"]
        assert response.usage is not None
        assert response.usage.quantities[Meter.INPUT] == usage["inputTokens"]
        assert response.usage.output_tokens == usage["outputTokens"]
        assert response.choices[0].native_finish == payloads[-2]["stopReason"]


def payloads_of(stream: bytes) -> Iterator[bytes]:
    """The payloads of a stream, cut out by its lengths alone."""
    while stream:
        total, headers = int.from_bytes(stream[:4], "big"), int.from_bytes(stream[4:8], "big")
        yield stream[12 + headers : total - 4]
        stream = stream[total:]
