"""Media, reasoning, cache marks and what has no place, in requests for Converse."""

import base64
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.bedrock_converse.asked import (
    CALL,
    HI,
    PNG,
    RESULT,
    SIGNED,
    TOOL,
    answer,
    contents,
    encode,
    refused,
    say,
)

from nagara.dialects.bedrock_converse import NAME
from nagara.domain.errors import ErrorKind
from nagara.domain.messages import (
    CacheMark,
    HostedCall,
    HostedKind,
    Media,
    MediaKind,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Role,
    Signature,
    Text,
    ToolResult,
)


def test_result_holds_text_images_and_documents() -> None:
    parts = (
        Text("see"),
        Media(kind=MediaKind.IMAGE, data=PNG),
        Media(kind=MediaKind.DOCUMENT, text="plain"),
    )
    body = encode(HI, answer(CALL), say(ToolResult(call_id="call_1", parts=parts)), tools=(TOOL,))
    result = body["messages"][2]["content"][0]["toolResult"]
    assert [next(iter(piece)) for piece in result["content"]] == ["text", "image", "document"]


def test_signed_reasoning_goes_back_as_it_came() -> None:
    redacted = Reasoning(signature=Signature("EmwK", "anthropic"), is_redacted=True)
    body = encode(HI, answer(SIGNED, redacted, Text("Hello")), HI)
    assert body["messages"][1]["content"][:2] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EmwK").decode()}},
    ]


def test_signed_reasoning_goes_to_no_model_but_claude() -> None:
    turns = (HI, answer(SIGNED, Text("Hello")), HI)
    body = encode(*turns, model="us.amazon.nova-2-lite-v1:0", drops={"reasoning"})
    assert contents(body)[1] == ("assistant", ["text"])
    untold = encode(*turns, model="arn:aws:bedrock:us-east-1:1:application-inference-profile/a")
    assert contents(untold)[1] == ("assistant", ["reasoningContent", "text"])


@pytest.mark.parametrize("signature", [None, Signature("s", "google"), Signature("s")])
def test_reasoning_that_the_model_cannot_check_is_dropped(signature: Signature | None) -> None:
    thought = Reasoning(text="Hm.", signature=signature)
    body = encode(HI, answer(thought, Text("Hello")), HI, drops={"reasoning"})
    assert contents(body)[1] == ("assistant", ["text"])


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media(kind=MediaKind.IMAGE, media_type="image/png", data=PNG),
            {"image": {"format": "png", "source": {"bytes": PNG}}},
        ),
        (
            Media(kind=MediaKind.IMAGE, data=PNG),
            {"image": {"format": "png", "source": {"bytes": PNG}}},
        ),
        (
            Media(kind=MediaKind.IMAGE, url="s3://bucket/a.jpeg"),
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpeg"}}}},
        ),
        (
            Media(kind=MediaKind.VIDEO, media_type="video/mp4", data="aGk="),
            {"video": {"format": "mp4", "source": {"bytes": "aGk="}}},
        ),
        (
            Media(kind=MediaKind.AUDIO, media_type="audio/wav", data="aGk="),
            {"audio": {"format": "wav", "source": {"bytes": "aGk="}}},
        ),
        (
            Media(
                kind=MediaKind.DOCUMENT,
                media_type="application/pdf",
                data="aGk=",
                filename="a/Q3_report.final.pdf",
                has_citations=True,
            ),
            {
                "document": {
                    "format": "pdf",
                    "name": "Q3 report final",
                    "citations": {"enabled": True},
                    "source": {"bytes": "aGk="},
                }
            },
        ),
        (
            Media(kind=MediaKind.DOCUMENT, text="hi"),
            {"document": {"format": "txt", "name": "Document", "source": {"bytes": "aGk="}}},
        ),
    ],
)
def test_media_is_a_block_of_its_kind(media: Media, block: Any) -> None:
    assert encode(say(Text("See"), media))["messages"][0]["content"][1] == block


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    names = ("a.pdf", "a.pdf", "a (2).pdf", "", "", "§§", "x" * 400)
    media = [
        Media(kind=MediaKind.DOCUMENT, media_type="application/pdf", data="aGk=", filename=name)
        for name in names
    ]
    content = encode(say(*media))["messages"][0]["content"]
    found = [block["document"]["name"] for block in content if "document" in block]
    assert len(set(found)) == len(names)
    assert found[:2] == ["a", "a (2)"]
    assert "text" in content[-1]


@pytest.mark.parametrize(
    "media",
    [
        Media(kind=MediaKind.IMAGE, url="https://a.example/x.png"),
        Media(kind=MediaKind.DOCUMENT, media_type="application/pdf", file_id="file_1"),
        Media(kind=MediaKind.IMAGE, media_type="image/tiff", data="aGk="),
        Media(kind=MediaKind.IMAGE, data="aGk="),
    ],
)
def test_media_that_converse_cannot_be_given_is_refused(media: Media) -> None:
    error = refused(say(Text("See"), media))
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, "messages")
    assert "Amazon Bedrock" in error.message


def test_what_the_assistant_showed_is_dropped_and_what_it_said_aloud_is_read() -> None:
    spoken = Media(kind=MediaKind.AUDIO, data="aGk=", transcript="Hello")
    body = encode(HI, answer(spoken), HI, drops={"messages.audio"})
    assert body["messages"][1]["content"] == [{"text": "Hello"}]


def test_cache_marks_are_points_after_what_they_mark() -> None:
    short, long = CacheMark(), CacheMark("1h")
    body = encode(
        say(Text("Be brief.", cache=long), role=Role.SYSTEM),
        say(Text("a", cache=short)),
        answer(CALL),
        say(msgspec.structs.replace(RESULT, cache=short), Text("b")),
        tools=(msgspec.structs.replace(TOOL, cache=long),),
        cache=short,
    )
    point = {"cachePoint": {"type": "default"}}
    long_point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"][1] == long_point
    assert body["toolConfig"]["tools"][1] == long_point
    assert body["messages"][0]["content"] == [{"text": "a"}, point]
    assert contents(body)[2] == ("user", ["toolResult", "cachePoint", "text", "cachePoint"])


def test_cache_marks_that_a_model_does_not_take_are_dropped() -> None:
    marked = say(Text("a", cache=CacheMark()))
    model = "mistral.mistral-large-2402-v1:0"
    body = encode(marked, model=model, drops={"cache_control"})
    assert body["messages"][0]["content"] == [{"text": "a"}]
    tool = msgspec.structs.replace(TOOL, cache=CacheMark())
    nova = encode(marked, model="amazon.nova-pro-v1:0", tools=(tool,), drops={"cache_control"})
    assert len(nova["messages"][0]["content"]) == 2
    assert len(nova["toolConfig"]["tools"]) == 1


@pytest.mark.parametrize(
    ("asked", "tier", "drops"),
    [
        ("auto", None, set()),
        ("priority", {"type": "priority"}, set()),
        ("standard_only", {"type": "default"}, set()),
        ("scale", None, {"service_tier"}),
    ],
)
def test_service_tier_is_bedrocks_or_named(asked: str, tier: Any, drops: set[str]) -> None:
    assert encode(HI, service_tier=asked, drops=drops).get("serviceTier") == tier


def test_metadata_that_bedrock_takes_goes_with_the_request() -> None:
    body = encode(HI, metadata={"team": "a b", "name": "é"}, drops={"metadata"})
    assert body["requestMetadata"] == {"team": "a b"}
    many = {f"k{i}": "v" for i in range(20)}
    assert len(encode(HI, metadata=many, drops={"metadata"})["requestMetadata"]) == 16


def test_blocks_of_its_own_go_back_and_others_are_named() -> None:
    raw = msgspec.Raw(
        b'{"toolUse":{"toolUseId":"t","name":"n","input":{},"type":"server_tool_use"}}'
    )
    own = HostedCall(id="t", kind=HostedKind.OTHER, name="n", dialect=NAME, raw=raw)
    other = HostedCall(id="s", kind=HostedKind.WEB_SEARCH, name="web_search", dialect="x", raw=raw)
    odd = Opaque(dialect="x", type="compaction", raw=raw)
    body = encode(
        HI,
        answer(own, other, odd, Refusal("No.")),
        HI,
        drops={"messages.web_search", "messages.compaction"},
    )
    assert contents(body)[1] == ("assistant", ["toolUse", "text"])


def test_fields_that_only_the_callers_dialect_has_are_named() -> None:
    one = msgspec.Raw(b"1")
    message = Message(Role.USER, (Text("Hi", extras={"p": one}),), extras={"m": one})
    tool = msgspec.structs.replace(TOOL, extras={"t": one})
    encode(
        message,
        tools=(tool,),
        extras={"store": one},
        drops={"messages.p", "messages.m", "tools.t", "store"},
    )


def test_half_a_surrogate_pair_goes_out_as_an_escape() -> None:
    body = encode(say(Text("a\ud83d")), answer(CALL), tools=(TOOL,))
    assert body["messages"][0]["content"][0]["text"] == "a\ud83d"
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {"a": 1}
