"""Pictures in conversations: asked for, in answers whole and streamed, and sent back."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from nagara.dialects import openai_chat
from nagara.dialects.codec import Frame, Inbound, Outbound, Target
from nagara.dialects.translation import AnswerTranslation, Translated, ask
from nagara.dialects.turns import Turn, restore_turns, turn_key
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import Media, Request
from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS
from nagara.operations.conversation import DIALECTS

DATA: Final = "iVBORw0K"
URL: Final = f"data:image/png;base64,{DATA}"
CALLERS: Final[Mapping[Operation, Inbound]] = {
    endpoint.operation: endpoint.dialect
    for endpoint in ENDPOINTS.values()
    if endpoint.dialect is not None
}
IMAGE: Final = {"type": "image_url", "image_url": {"url": URL}}
DRAWS: Final = Abilities(frozenset({Ability.IMAGE_OUTPUT}))

OPENROUTER: Final = {
    "id": "x",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Here:", "images": [IMAGE]},
        }
    ],
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 1300,
        "completion_tokens_details": {"image_tokens": 1290},
    },
}
GEMINI: Final = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "Here:"},
                    {
                        "inlineData": {"mimeType": "image/png", "data": DATA},
                        "thoughtSignature": "c2ln",
                    },
                ]
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 3,
        "candidatesTokenCount": 1300,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    },
}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: object, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "x", "model": "m", "choices": [choice], **more})


STREAMED: Final = {
    Operation.CHAT: chunk({"role": "assistant", "content": "Here:"})
    + chunk({"images": [{**IMAGE, "index": 0}]})
    + chunk({}, "stop", usage=OPENROUTER["usage"])
    + b"data: [DONE]\n\n",
    Operation.GENERATE_CONTENT: event(GEMINI),
}
WHOLE: Final[Mapping[Operation, Any]] = {
    Operation.CHAT: OPENROUTER,
    Operation.GENERATE_CONTENT: GEMINI,
}


def target(upstream: Outbound, *, draws: bool = True) -> Target:
    abilities = upstream.ABILITIES
    abilities = abilities.varied(DRAWS, Abilities()) if draws else abilities
    return Target(provider="P", model="m", maker="p", abilities=abilities, traits=frozenset())


def translation(upstream: Operation, caller: Operation) -> AnswerTranslation:
    inbound, outbound = CALLERS[caller], DIALECTS[upstream]
    request = Request(dialect=inbound.NAME, model="m", messages=())
    frame = Frame(request=request, model="m", seed="s" * 32, created_s=1, request_id="r")
    return AnswerTranslation(inbound, outbound, target(outbound), frame)


def read_whole(upstream: Operation, caller: Operation) -> Translated:
    body = json.dumps(WHOLE[upstream]).encode()
    return translation(upstream, caller).read_whole(body, 10**6, is_event_stream=False)


def read_stream(upstream: Operation, caller: Operation) -> tuple[list[Any], tuple[str, ...]]:
    stream = translation(upstream, caller).open_stream(10**6, 10**6, is_event_stream=True)
    told = stream.feed(STREAMED[upstream])
    told += b"" if stream.is_ended else stream.close()
    lines = [line.removeprefix("data: ") for line in told.decode().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")], stream.dropped


@pytest.mark.parametrize("upstream", [Operation.CHAT, Operation.GENERATE_CONTENT])
def test_picture_in_an_answer_has_its_place_or_is_named(upstream: Operation) -> None:
    chat = read_whole(upstream, Operation.CHAT)
    (image,) = json.loads(chat.body)["choices"][0]["message"]["images"]
    assert image["image_url"] == {"url": URL}
    gemini = json.loads(read_whole(upstream, Operation.GENERATE_CONTENT).body)
    part = gemini["candidates"][0]["content"]["parts"][-1]
    assert part["inlineData"] == {"mimeType": "image/png", "data": DATA}
    responses = json.loads(read_whole(upstream, Operation.RESPONSES).body)
    (item,) = [x for x in responses["output"] if x["type"] == "image_generation_call"]
    assert (item["status"], item["result"]) == ("completed", DATA)
    messages = read_whole(upstream, Operation.MESSAGES)
    assert messages.dropped == ("image",)
    for answer in (chat, messages):
        assert answer.usage is not None
        assert answer.usage.quantities[Meter.OUTPUT_IMAGE] == 1290
        assert answer.usage.quantities[Meter.OUTPUT] == 10


@pytest.mark.parametrize("upstream", [Operation.CHAT, Operation.GENERATE_CONTENT])
def test_picture_in_a_stream_has_its_place_or_is_named(upstream: Operation) -> None:
    chunks, _ = read_stream(upstream, Operation.CHAT)
    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    (image,) = [image for delta in deltas for image in delta.get("images", ())]
    assert image["image_url"] == {"url": URL}
    pieces, _ = read_stream(upstream, Operation.GENERATE_CONTENT)
    parts = [p for x in pieces for c in x["candidates"] for p in c["content"]["parts"]]
    assert [p["inlineData"]["data"] for p in parts if "inlineData" in p] == [DATA]
    events, _ = read_stream(upstream, Operation.RESPONSES)
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert [x["result"] for x in done if x["type"] == "image_generation_call"] == [DATA]
    _, dropped = read_stream(upstream, Operation.MESSAGES)
    assert dropped == ("image",)


def send(body: Mapping[str, Any], caller: Inbound, upstream: Operation, **how: Any) -> Any:
    outbound = DIALECTS[upstream]
    request = caller.decode_request(json.dumps(body).encode())
    asked = ask(request, caller, outbound, target(outbound, **how))
    return json.loads(asked.body), asked.dropped


CHAT_WISH: Final = {
    "model": "m",
    "messages": [{"role": "user", "content": "Draw a cat"}],
    "modalities": ["image", "text"],
    "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
}
GEMINI_WISH: Final = {
    "contents": [{"role": "user", "parts": [{"text": "Draw a cat"}]}],
    "generationConfig": {
        "responseModalities": ["IMAGE", "TEXT"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    },
}


def test_wish_for_pictures_is_said_in_the_providers_words() -> None:
    gemini, chat = CALLERS[Operation.GENERATE_CONTENT], CALLERS[Operation.CHAT]
    sent, dropped = send(CHAT_WISH, chat, Operation.GENERATE_CONTENT)
    assert sent["generationConfig"] == GEMINI_WISH["generationConfig"]
    assert dropped == ()
    sent, dropped = send(GEMINI_WISH, gemini, Operation.CHAT)
    assert sent["modalities"] == CHAT_WISH["modalities"]
    assert sent["image_config"] == CHAT_WISH["image_config"]
    assert dropped == ()


@pytest.mark.parametrize("upstream", [Operation.MESSAGES, Operation.RESPONSES, Operation.CHAT])
def test_wish_for_pictures_is_refused_where_there_are_none(upstream: Operation) -> None:
    caller = CALLERS[Operation.GENERATE_CONTENT]
    with pytest.raises(GatewayError) as caught:
        send(GEMINI_WISH, caller, upstream, draws=False)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == "generationConfig.responseModalities"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": "image"}, "modalities"),
        ({"image_config": {"aspect_ratio": "1:1", "x_new": 1}}, "image_config"),
    ],
)
def test_what_the_hub_has_no_word_for_stays_as_it_came(fields: dict[str, Any], kept: str) -> None:
    body = {**CHAT_WISH, "modalities": ["text"], "image_config": None, **fields}
    chat = CALLERS[Operation.CHAT]
    sent, _ = send(body, chat, Operation.CHAT)
    assert sent[kept] == fields[kept]
    _, dropped = send(body, chat, Operation.GENERATE_CONTENT)
    assert kept in dropped


RETURNED: Final = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "Draw a cat"},
        {"role": "assistant", "content": "", "images": [IMAGE]},
        {"role": "user", "content": "With a hat"},
    ],
}


@pytest.mark.parametrize(
    "upstream",
    [Operation.CHAT, Operation.GENERATE_CONTENT, Operation.MESSAGES, Operation.RESPONSES],
)
def test_picture_that_comes_back_is_shown_to_whoever_goes_on(upstream: Operation) -> None:
    sent, dropped = send(RETURNED, CALLERS[Operation.CHAT], upstream)
    assert DATA in json.dumps(sent)
    assert dropped == ()


def test_picture_that_comes_back_is_named_where_only_users_show_some() -> None:
    sent, dropped = send(RETURNED, CALLERS[Operation.CHAT], Operation.CONVERSE)
    assert DATA not in json.dumps(sent)
    assert dropped == ("messages.image",)


def test_turn_of_pictures_alone_is_known_again_by_them() -> None:
    answer = read_whole(Operation.GENERATE_CONTENT, Operation.CHAT)
    assert answer.turn is not None
    pictures = tuple(part for part in answer.turn.parts if isinstance(part, Media))
    kept = Turn(answer.turn.dialect, pictures)
    key = turn_key(pictures)
    assert key is not None
    request = openai_chat.decode_request(json.dumps(RETURNED).encode())
    restored = restore_turns(request, kept.dialect, {key: kept}.get)
    assert restored.messages[1].parts == pictures
    other = json.dumps(RETURNED).replace(DATA, "iVBORw0L").encode()
    request = openai_chat.decode_request(other)
    assert restore_turns(request, kept.dialect, {key: kept}.get) is request
