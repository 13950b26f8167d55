"""What requests, objects and events say of state."""

import json

import msgspec
import pytest

from nagara.dialects import openai_responses
from nagara.dialects.codec import Frame
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Response
from nagara.operations.response_state import (
    begin_response,
    edit_response,
    end_response,
    number_event,
    own_fields,
    read_event,
    read_response,
    read_state_request,
)


def fields(**values: object) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}


@pytest.mark.parametrize(
    ("said", "is_stored", "is_background", "previous_id"),
    [
        ({}, True, False, None),
        ({"store": None, "background": None, "previous_response_id": None}, True, False, None),
        ({"store": True, "background": False}, True, False, None),
        ({"store": False}, False, False, None),
        ({"background": True}, True, True, None),
        ({"previous_response_id": "resp_1", "store": False}, False, False, "resp_1"),
    ],
)
def test_request_is_stored_unless_it_says_otherwise(
    said: dict[str, object], is_stored: bool, is_background: bool, previous_id: str | None
) -> None:
    asked = read_state_request(fields(**said))
    assert (asked.is_stored, asked.is_background) == (is_stored, is_background)
    assert asked.previous_id == previous_id
    assert asked.is_plain is (not is_background and previous_id is None)


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"store": "yes"}, "store"),
        ({"background": 1}, "background"),
        ({"background": True, "store": False}, "background"),
        ({"previous_response_id": 7}, "previous_response_id"),
        ({"previous_response_id": ""}, "previous_response_id"),
        ({"previous_response_id": "r" * 257}, "previous_response_id"),
    ],
)
def test_wrong_field_is_named(said: dict[str, object], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_state_request(fields(**said))
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ['"plain"', '"\\ud83d"', '"\\u2028"'])
def test_event_and_response_are_read_whatever_text_they_hold(text: str) -> None:
    response = f'{{"id":"resp_1","status":"completed","text":{text}}}'
    data = f'{{"type":"response.completed","response":{response},"x":{text}}}'.encode()
    view = read_event(data)
    assert view.type == "response.completed"
    assert json.loads(bytes(view.response)) == json.loads(response)
    found = read_response(bytes(view.response))
    assert (found.id, found.status) == ("resp_1", "completed")
    edited = json.loads(edit_response(bytes(view.response), fields(id="resp_2")))
    assert edited == {**json.loads(response), "id": "resp_2"}


@pytest.mark.parametrize("data", [b"", b"7", b"{", b"\xff", b'{"type":7,"id":7}', b"[" * 9999])
def test_what_cannot_be_read_is_an_empty_view(data: bytes) -> None:
    view = read_event(data)
    assert (view.type, bytes(view.response)) == (None, b"")
    found = read_response(data)
    assert (found.id, found.status) == (None, None)


def test_begun_response_repeats_its_request() -> None:
    asked = fields(model="m", temperature=0.1, metadata={"a": "b"}, instructions=None, input="Hi.")
    begun = json.loads(msgspec.json.encode(begin_response(asked, "resp_1", "m", 7)))
    assert (begun["status"], begun["background"], begun["output"]) == ("queued", True, [])
    assert (begun["temperature"], begun["metadata"]) == (0.1, {"a": "b"})
    assert (begun["instructions"], begun["tools"]) == (None, [])
    assert "input" not in begun


def test_begun_response_repeats_what_a_translated_answer_does() -> None:
    begun = json.loads(msgspec.json.encode(begin_response(fields(), "resp_1", "m", 7)))
    body = b'{"model":"m","input":"Hi.","background":true}'
    frame = Frame(request=openai_responses.decode_request(body), model="m", seed="1", created_s=7)
    answer = json.loads(
        openai_responses.encode_response(Response(dialect="openai_chat"), frame).body
    )
    ours = {"id", "status", "output", "usage", "service_tier", "completed_at"}
    assert begun.keys() - ours == answer.keys() - ours
    assert {name: begun[name] for name in begun.keys() - ours} == {
        name: answer[name] for name in answer.keys() - ours
    }


def test_ended_response_says_why() -> None:
    begun = msgspec.json.encode(begin_response(fields(), "resp_1", "m", 7))
    error = GatewayError(ErrorKind.UPSTREAM_CUT, "It broke off.")
    ended = json.loads(end_response(begun, "failed", error, b'[{"id":"msg_1"}]'))
    assert ended["status"] == "failed"
    assert ended["error"] == {"code": "upstream_cut", "message": "It broke off."}
    assert ended["output"] == [{"id": "msg_1"}]
    assert ended["id"] == "resp_1"


def test_event_is_numbered_anew_and_keeps_the_rest() -> None:
    own = own_fields(begin_response(fields(), "resp_ours", "m", 7))
    response = edit_response(b'{"id":"resp_theirs","x":1}', own)
    event = number_event(
        b'{"type":"response.in_progress","sequence_number":9,"response":{},"y":2}', 3, response
    )
    assert event.startswith(b"event: response.in_progress\ndata: ")
    said = json.loads(event.partition(b"data: ")[2])
    assert (said["sequence_number"], said["y"]) == (3, 2)
    assert (said["response"]["id"], said["response"]["x"]) == ("resp_ours", 1)
