"""What is recorded of an answer, and when it is whole."""

import msgspec
from tests.fakes import FakeReply

from nagara.idempotency.recorded_reply import RecordedReply
from nagara.responses.kept_reply import KeptReply
from nagara.storage.claims import Answer, Claim, Loss, Scope
from nagara.storage.driver import Statement

HEAD = [
    (b"x-request-id", b"req_1"),
    (b"x-nagara-provider", b"openai"),
    (b"x-ratelimit-remaining-requests", b"9"),
    (b"retry-after", b"1"),
    (b"content-type", b"text/event-stream"),
]
KEPT_HEAD = ((b"x-nagara-provider", b"openai"), (b"content-type", b"text/event-stream"))


def make_claim() -> Claim:
    return Claim(
        scope=Scope(7, False, "k"),
        fingerprint=b"f",
        request="r",
        request_id="req_1",
        runner="run",
        now_s=1,
        expires_at_s=9,
    )


def record(bytes_max: int = 1000) -> tuple[FakeReply, RecordedReply]:
    sent = FakeReply()
    return sent, RecordedReply(sent, make_claim(), bytes_max)


def test_answer_is_whole_before_its_last_piece_is_sent() -> None:
    sent, recorded = record()
    recorded.start(200, list(HEAD))
    recorded.write(b"one ")
    was_kept = recorded.is_kept
    statements = recorded.statements_for(b"two")
    answer = Answer(200, KEPT_HEAD, b"one two")
    assert recorded.recorded == answer
    assert (was_kept, recorded.is_kept) == (False, True)
    assert list(statements) == [make_claim().answered(answer)]
    assert not sent.is_ended
    recorded.end(b"two")
    assert (sent.body, sent.headers) == (b"one two", HEAD)


def test_answer_that_no_charge_waits_for_is_whole_at_its_end() -> None:
    _, recorded = record()
    recorded.start(200, list(HEAD))
    recorded.write(b"one")
    recorded.end()
    assert recorded.keep() == make_claim().answered(Answer(200, KEPT_HEAD, b"one"))


def test_answer_that_breaks_off_is_cut() -> None:
    _, recorded = record()
    recorded.start(200, list(HEAD))
    recorded.write(b"one")
    assert recorded.keep() == make_claim().lost(Loss.CUT)


def test_as_much_as_is_kept_and_no_more() -> None:
    for size, is_kept in ((10, True), (11, False)):
        sent, recorded = record(bytes_max=10)
        recorded.start(200, list(HEAD))
        recorded.write(b"x" * 5)
        recorded.write(b"x" * 5)
        last = b"x" * (size - 10)
        statements = list(recorded.statements_for(last))
        recorded.end(last)
        assert isinstance(recorded.recorded, Answer) == is_kept
        if not is_kept:
            assert statements == [make_claim().lost(Loss.TOO_LARGE)]
        assert len(sent.body) == size


def test_memory_of_what_is_too_large_is_given_back_at_once() -> None:
    _, recorded = record(bytes_max=10)
    recorded.start(200, list(HEAD))
    recorded.write(b"x" * 8)
    recorded.write(b"x" * 8)
    recorded.write(b"x")
    assert recorded._pieces == []


class OneMore(FakeReply):
    """A reply that has something of its own to be committed."""

    def statements_for(self, last: bytes) -> tuple[Statement, ...]:  # type: ignore[override]
        return (Statement("SELECT 1", (last,)),)


def test_what_the_other_reply_has_to_commit_is_kept() -> None:
    recorded = RecordedReply(OneMore(), make_claim(), 100)
    recorded.start(200, [])
    assert next(s.sql for s in recorded.statements_for(b"x")) == "SELECT 1"


def test_edited_answer_is_recorded_as_it_is_sent() -> None:
    """The head of an edited answer waits for its length; the charge waits for both."""
    sent, recorded = record()
    edited, kept = KeptReply(recorded), list[bytes]()
    edited.keep = kept.append
    edited.edits = {"previous_response_id": msgspec.Raw(b'"resp_0"')}
    body = b'{"id":"resp_1","previous_response_id":null}'
    edited.start(200, [(b"content-type", b"application/json"), (b"content-length", b"43")])
    edited.statements_for(body)
    answer = recorded.recorded
    assert isinstance(answer, Answer)
    edited.end(body)
    assert answer.body == sent.body == kept[0]
    assert b'"resp_0"' in answer.body
    assert dict(answer.headers)[b"content-length"] == str(len(sent.body)).encode()
    assert list(answer.headers) == sent.headers
    assert len(kept) == 1
