"""A reply that is listened to: what is kept, what is edited, and nothing else."""

import json
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest
from tests.system.scripts import RESPONSES, named, response_object

from nagara.dialects.sse import DONE
from nagara.responses.kept_reply import KeptReply

JSON_HEAD = [(b"content-type", b"application/json")]
STREAM_HEAD = [(b"content-type", b"text/event-stream; charset=utf-8")]
EDITS = {"previous_response_id": msgspec.Raw(b'"resp_0"')}


class Sent:
    """A reply, all that it sent, and all that was kept of it."""

    def __init__(self, *, edits: bool = False, keeps: bool = True) -> None:
        self.messages: list[MutableMapping[str, Any]] = []
        self.kept: list[bytes] = []
        self.reply = KeptReply(self._send)
        if keeps:
            self.reply.keep = self.kept.append
        if edits:
            self.reply.edits = EDITS

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def give(sent: Sent, *pieces: bytes, last: bytes = b"") -> None:
    await sent.reply.start(200, list(STREAM_HEAD))
    for piece in pieces:
        await sent.reply.write(piece)
    await sent.reply.end(last)


async def test_whole_answer_is_kept_and_sent_as_it_is() -> None:
    sent, body = Sent(), json.dumps(RESPONSES.answer).encode()
    await sent.reply.start(200, list(JSON_HEAD))
    await sent.reply.end(body)
    assert sent.kept == [body]
    assert sent.body == body


async def test_refusal_is_not_kept() -> None:
    sent = Sent(edits=True)
    await sent.reply.start(429, list(JSON_HEAD))
    await sent.reply.end(b'{"error":{"response":{}}}')
    assert sent.kept == []
    assert sent.body == b'{"error":{"response":{}}}'


@pytest.mark.parametrize("is_together", [False, True])
async def test_last_response_of_a_stream_is_kept_and_the_stream_untouched(
    is_together: bool,
) -> None:
    sent = Sent()
    events = [*RESPONSES.events, RESPONSES.ending]
    await give(sent, *([b"".join(events)] if is_together else events), last=DONE)
    assert [json.loads(response) for response in sent.kept] == [RESPONSES.answer]
    assert sent.body == RESPONSES.stream + DONE


async def test_response_is_kept_before_its_event_is_sent() -> None:
    sent = Sent()
    await sent.reply.start(200, list(STREAM_HEAD))
    sending = sent.reply.write(RESPONSES.ending)
    assert sent.kept
    await sending


@pytest.mark.parametrize("status", ["failed", "incomplete"])
async def test_response_in_the_very_last_piece_is_kept(status: str) -> None:
    sent = Sent()
    last = named(f"response.{status}", sequence_number=3, response=response_object(status))
    await give(sent, *RESPONSES.events, last=last + DONE)
    assert json.loads(sent.kept[0])["status"] == status


async def test_stream_that_breaks_off_is_not_kept() -> None:
    sent = Sent()
    await give(sent, *RESPONSES.events)
    assert sent.kept == []


async def test_text_that_speaks_of_a_response_is_only_text() -> None:
    sent = Sent()
    event = named("response.output_text.delta", delta='{"type":"response.completed","response":{}}')
    tool = named("response.output_item.done", item={"arguments": "", "response": {"id": "resp_9"}})
    await give(sent, event, tool)
    assert sent.kept == []
    assert sent.body == event + tool


async def test_edits_are_in_every_response_of_a_stream_and_nowhere_else() -> None:
    sent = Sent(edits=True)
    await give(sent, *RESPONSES.events, RESPONSES.ending, last=DONE)
    events = [json.loads(e.partition(b"data: ")[2]) for e in sent.body.split(b"\n\n") if b"{" in e]
    said = [event["response"]["previous_response_id"] for event in events if "response" in event]
    assert said == ["resp_0", "resp_0"]
    assert json.loads(sent.kept[0])["previous_response_id"] == "resp_0"
    assert RESPONSES.events[1] in sent.body
    assert RESPONSES.events[2] in sent.body
    assert sent.body.endswith(DONE)


async def test_edited_answer_is_sent_with_its_new_length() -> None:
    sent = Sent(edits=True)
    body = json.dumps(RESPONSES.answer).encode()
    await sent.reply.start(200, [*JSON_HEAD, (b"content-length", str(len(body)).encode())])
    await sent.reply.end(body)
    assert json.loads(sent.body) == {**RESPONSES.answer, "previous_response_id": "resp_0"}
    lengths = [v for name, v in sent.messages[0]["headers"] if name == b"content-length"]
    assert lengths == [str(len(sent.body)).encode()]
    assert sent.kept == [sent.body]


async def test_edits_leave_half_a_surrogate_pair_as_it_is() -> None:
    sent = Sent(edits=True)
    await give(sent, b'data: {"type":"response.completed","response":{"id":"r","x":"\\ud83d"}}\n\n')
    assert json.loads(sent.kept[0]) == {"id": "r", "x": "\ud83d", "previous_response_id": "resp_0"}
