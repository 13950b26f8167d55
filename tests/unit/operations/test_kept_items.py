"""Items of a conversation: read, continued, fitted to who serves, listed."""

import json
from typing import Any

import msgspec
import pytest

from nagara.dialects.envelope import PREFIX
from nagara.domain.errors import GatewayError
from nagara.operations.kept_items import (
    KeptItem,
    Maker,
    decode_kept,
    encode_kept,
    fit,
    list_input,
    list_page,
    read_input,
    read_output,
    write_input,
)

MINE, SAME_KIND, OTHER = Maker("a", "openai"), Maker("b", "openai"), Maker("c", "anthropic")


def kept(item: dict[str, Any], maker: Maker | None = None, id_: str = "x") -> KeptItem:
    return KeptItem(id_, msgspec.Raw(json.dumps(item).encode()), maker)


def plain(items: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(items))


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (b"", []),
        (b"null", []),
        (b"[]", []),
        (b'"Hi \\u2028."', [{"type": "message", "role": "user", "content": "Hi \u2028."}]),
        (b'[ {"a":1} , 2 ]', [{"a": 1}, 2]),
    ],
)
def test_input_of_any_form_is_items(data: bytes, items: list[object]) -> None:
    assert plain(list_input(data)) == items
    assert json.loads(bytes(write_input(list_input(data)))) == items


@pytest.mark.parametrize("data", [b'"\\ud83d"', b'[{"role":"user","content":"\\ud83d"}]'])
def test_half_a_surrogate_pair_is_kept(data: bytes) -> None:
    [item] = read_input(data, "resp_1")
    assert json.loads(bytes(item.item))["content"] == "\ud83d"
    [again] = decode_kept(encode_kept([item]))
    assert again.id == item.id
    assert json.loads(bytes(again.item)) == json.loads(bytes(item.item))
    assert list_page([item], after=None, limit=1, is_ascending=True)["data"]


def test_items_without_an_id_get_one_that_stays() -> None:
    data = b'[{"role":"user","content":"Hi."},{"type":"reasoning","id":"rs_1"},{"type":"odd"},7]'
    items = read_input(data, "resp_abc")
    assert items == read_input(data, "resp_abc")
    assert [item.id for item in items] == ["msg_abc0000", "rs_1", "item_abc0002", "item_abc0003"]


def test_output_is_marked_with_its_maker_and_shares_no_id_with_the_input() -> None:
    response = b'{"output":[{"type":"message","role":"assistant","content":[]}]}'
    [output] = read_output(response, "resp_1", MINE)
    [given] = read_input(b'"Hi."', "resp_1")
    assert output.maker == MINE
    assert given.maker is None
    assert output.id != given.id


@pytest.mark.parametrize("response", [b"{}", b'{"output":null}', b'{"output":7}', b"7"])
def test_answer_without_output_adds_nothing(response: bytes) -> None:
    assert read_output(response, "resp_1", MINE) == []


def test_nothing_kept_is_no_items() -> None:
    assert decode_kept(b"") == []


REFERENCE = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED = {**REFERENCE, "encrypted_content": "gAAA"}
ENVELOPE = {**REFERENCE, "encrypted_content": f"{PREFIX}abc"}


@pytest.mark.parametrize(
    ("item", "server", "is_kept"),
    [
        (REFERENCE, MINE, True),
        (REFERENCE, SAME_KIND, False),
        (REFERENCE, OTHER, False),
        (SEALED, MINE, True),
        (SEALED, SAME_KIND, True),
        (SEALED, OTHER, False),
        (ENVELOPE, OTHER, True),
    ],
)
def test_reasoning_goes_only_to_who_can_read_it(
    item: dict[str, Any], server: Maker, is_kept: bool
) -> None:
    fitted = fit([kept(item, MINE), kept({"role": "user", "content": "Hi."})], server)
    assert len(fitted.items) == 1 + is_kept
    assert fitted.dropped == (() if is_kept else ("reasoning",))


def test_answers_of_others_go_on_without_their_ids() -> None:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    asked = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}
    search = {"type": "web_search_call", "id": "ws_1"}
    items = [kept(message, MINE), kept(asked, MINE), kept(search, MINE), kept(message)]
    fitted = plain(fit(items, OTHER).items)
    assert [item.get("id") for item in fitted] == [None, None, "ws_1", "msg_1"]
    assert plain(fit(items, MINE).items) == [message, asked, search, message]


def test_listed_message_has_id_status_and_parts() -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]
    items = read_input(json.dumps(said).encode(), "resp_1")
    page = plain(list_page(items, after=None, limit=10, is_ascending=True))
    assert page["data"][0] == {
        "id": "msg_10000",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "Hi."}],
    }
    assert page["data"][1]["content"] == [{"type": "output_text", "annotations": [], "text": "Ho."}]


def test_pages_meet_without_overlap() -> None:
    items = [kept({"n": number}, id_=f"i{number}") for number in range(7)]
    seen: list[str] = []
    after = None
    while True:
        page = list_page(items, after=after, limit=3, is_ascending=False)
        seen += [item["id"] for item in plain(page["data"])]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert seen == [f"i{number}" for number in reversed(range(7))]
    past = list_page(items, after="i0", limit=3, is_ascending=False)
    assert (past["data"], past["first_id"], past["has_more"]) == ([], None, False)
    with pytest.raises(GatewayError) as caught:
        list_page(items, after="nowhere", limit=3, is_ascending=True)
    assert caught.value.param == "after"
