"""A reply that is listened to: what is kept, what is edited, and nothing else."""

import json
from collections.abc import Callable

import msgspec
import pytest
from tests.system.scripts import RESPONSES, named, response_object

from nagara.dialects.sse import DONE
from nagara.responses.kept_reply import KeptReply
from nagara.upstream.reply import ResponseHeaders

JSON_HEAD = [(b"content-type", b"application/json")]
STREAM_HEAD = [(b"content-type", b"text/event-stream; charset=utf-8")]
EDITS = {"previous_response_id": msgspec.Raw(b'"resp_0"')}


class Sent:
    """A `Reply` that remembers, the one that is listened to, and all that was kept."""

    has_started = is_ended = is_full = False
    on_room: Callable[[], None] | None = None

    def break_off(self) -> None:
        raise NotImplementedError

    def statements_for(self, last: bytes) -> tuple[()]:
        return ()

    def __init__(self, *, edits: bool = False, keeps: bool = True) -> None:
        self.headers: ResponseHeaders = []
        self.body = b""
        self.kept: list[bytes] = []
        self.reply = KeptReply(self)
        if keeps:
            self.reply.keep = self._keep
        if edits:
            self.reply.edits = EDITS
        self.sent_before_kept = -1

    def _keep(self, response: bytes) -> None:
        self.sent_before_kept = len(self.body)
        self.kept.append(response)

    def start(self, status: int, headers: ResponseHeaders) -> None:
        self.has_started = True
        self.headers = headers

    def write(self, body: bytes) -> None:
        self.body += body

    def end(self, body: bytes = b"") -> None:
        self.body += body
        self.is_ended = True

    def abandon(self, bytes_max: int) -> None:
        """Not asked here."""


def give(sent: Sent, *pieces: bytes, last: bytes = b"") -> None:
    sent.reply.start(200, list(STREAM_HEAD))
    for piece in pieces:
        sent.reply.write(piece)
    sent.reply.end(last)


def test_whole_answer_is_kept_and_sent_as_it_is() -> None:
    sent, body = Sent(), json.dumps(RESPONSES.answer).encode()
    sent.reply.start(200, list(JSON_HEAD))
    sent.reply.end(body)
    assert sent.kept == [body]
    assert sent.body == body


def test_refusal_is_not_kept() -> None:
    sent = Sent(edits=True)
    sent.reply.start(429, list(JSON_HEAD))
    sent.reply.end(b'{"error":{"response":{}}}')
    assert sent.kept == []
    assert sent.body == b'{"error":{"response":{}}}'


@pytest.mark.parametrize("is_together", [False, True])
def test_last_response_of_a_stream_is_kept_and_the_stream_untouched(
    is_together: bool,
) -> None:
    sent = Sent()
    events = [*RESPONSES.events, RESPONSES.ending]
    give(sent, *([b"".join(events)] if is_together else events), last=DONE)
    assert [json.loads(response) for response in sent.kept] == [RESPONSES.answer]
    assert sent.body == RESPONSES.stream + DONE


def test_response_is_kept_before_its_event_is_sent() -> None:
    sent = Sent()
    give(sent, RESPONSES.ending)
    assert sent.sent_before_kept == 0


def test_it_is_as_full_and_as_far_as_the_reply_behind_it() -> None:
    sent = Sent()
    sent.is_full = True
    assert sent.reply.is_full
    sent.reply.on_room = sent.reply.end
    assert sent.on_room == sent.reply.end
    give(sent)
    assert sent.reply.has_started
    assert sent.reply.is_ended


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_response_in_the_very_last_piece_is_kept(status: str) -> None:
    sent = Sent()
    last = named(f"response.{status}", sequence_number=3, response=response_object(status))
    give(sent, *RESPONSES.events, last=last + DONE)
    assert json.loads(sent.kept[0])["status"] == status


def test_stream_that_breaks_off_is_not_kept() -> None:
    sent = Sent()
    give(sent, *RESPONSES.events)
    assert sent.kept == []


def test_text_that_speaks_of_a_response_is_only_text() -> None:
    sent = Sent()
    event = named("response.output_text.delta", delta='{"type":"response.completed","response":{}}')
    tool = named("response.output_item.done", item={"arguments": "", "response": {"id": "resp_9"}})
    give(sent, event, tool)
    assert sent.kept == []
    assert sent.body == event + tool


def test_edits_are_in_every_response_of_a_stream_and_nowhere_else() -> None:
    sent = Sent(edits=True)
    give(sent, *RESPONSES.events, RESPONSES.ending, last=DONE)
    events = [json.loads(e.partition(b"data: ")[2]) for e in sent.body.split(b"\n\n") if b"{" in e]
    said = [event["response"]["previous_response_id"] for event in events if "response" in event]
    assert said == ["resp_0", "resp_0"]
    assert json.loads(sent.kept[0])["previous_response_id"] == "resp_0"
    assert RESPONSES.events[1] in sent.body
    assert RESPONSES.events[2] in sent.body
    assert sent.body.endswith(DONE)


def test_edited_answer_is_sent_with_its_new_length() -> None:
    sent = Sent(edits=True)
    body = json.dumps(RESPONSES.answer).encode()
    sent.reply.start(200, [*JSON_HEAD, (b"content-length", str(len(body)).encode())])
    sent.reply.end(body)
    assert json.loads(sent.body) == {**RESPONSES.answer, "previous_response_id": "resp_0"}
    lengths = [v for name, v in sent.headers if name == b"content-length"]
    assert lengths == [str(len(sent.body)).encode()]
    assert sent.kept == [sent.body]


def test_edits_leave_half_a_surrogate_pair_as_it_is() -> None:
    sent = Sent(edits=True)
    give(sent, b'data: {"type":"response.completed","response":{"id":"r","x":"\\ud83d"}}\n\n')
    assert json.loads(sent.kept[0]) == {"id": "r", "x": "\ud83d", "previous_response_id": "resp_0"}
