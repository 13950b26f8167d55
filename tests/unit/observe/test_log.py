"""The log: a line for each observation, for people or for machines, and never a secret."""

import io
import json
import logging
from typing import Any, get_args

import msgspec
import pytest

from nagara.domain.usage import Meter
from nagara.observe import log as module
from nagara.observe.log import Log, LogHandler
from nagara.observe.observations import (
    AttemptFailed,
    Failure,
    Notice,
    Observation,
    RequestEnded,
    StorageFailed,
    StorageRecovered,
)

ENDED = RequestEnded(
    request_id="req_1",
    method="POST",
    path="/v1/responses",
    status=200,
    model="mini",
    provider="openai",
    deployment="gpt-mini",
    attempts=2,
    usage={Meter.INPUT: 3},
    charge_usd="0.01",
    duration_ms=12.3,
)
EACH: list[Observation] = [
    ENDED,
    AttemptFailed(level=30, request_id="r", provider="p", deployment="d", error="e", reason="x"),
    StorageFailed(reason="gone"),
    StorageRecovered(after_s=1.5),
    Failure(request_id="r", error="ValueError", traceback="in here"),
    Notice(message="look"),
]


def written(*observations: Observation, is_json: bool = True, level: int = logging.INFO) -> str:
    stream = io.BytesIO()
    log = Log(stream, is_json=is_json, level=level)
    for observation in observations:
        log(observation)
    log.close()
    return stream.getvalue().decode()


def test_every_observation_is_one_line_of_json() -> None:
    lines = [json.loads(line) for line in written(*EACH).splitlines()]
    assert [line["event"] for line in lines] == [
        "request_ended",
        "attempt_failed",
        "storage_failed",
        "storage_recovered",
        "failure",
        "notice",
    ]
    assert [type(o) for o in EACH] == list(get_args(Observation))
    assert all(line["time"].endswith("Z") for line in lines)
    assert lines[0]["usage"] == {"input": 3}
    assert lines[2]["level"] == "error"


def test_person_reads_what_was_asked_where_it_went_and_what_it_cost() -> None:
    line = written(ENDED, is_json=False)
    for part in ("200 POST /v1/responses", "mini → openai/gpt-mini", "input 3", "$0.01", "12 ms"):
        assert part in line
    assert line.count("\n") == 1
    assert all(written(o, is_json=False).endswith("\n") for o in EACH)


@pytest.mark.parametrize(
    ("asked", "spoken", "told"),
    [
        ("responses", "chat.completions", "openai/gpt-mini as chat.completions  "),
        ("responses", "responses", "openai/gpt-mini  "),
        ("responses.background", "responses", "openai/gpt-mini  "),
    ],
)
def test_dialect_that_the_provider_was_asked_in_is_told_where_it_is_another(
    asked: str, spoken: str, told: str
) -> None:
    ended = msgspec.structs.replace(ENDED, operation=asked, provider_operation=spoken)
    assert told in written(ended, is_json=False)
    assert json.loads(written(ended))["provider_operation"] == spoken


@pytest.mark.parametrize("is_json", [True, False])
def test_model_name_cannot_forge_a_line_or_command_a_terminal(is_json: bool) -> None:
    name = "mini\n12:00:00  200 POST /v1/x\x1b[2J\u2028\u202e"
    forged = msgspec.structs.replace(ENDED, model=name)
    text = written(forged, is_json=is_json)
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("status", "level"),
    [(200, "info"), (404, "info"), (500, "error"), (502, "warning"), (0, "info")],
)
def test_request_is_as_loud_as_its_status(status: int, level: str) -> None:
    line = json.loads(written(msgspec.structs.replace(ENDED, status=status)))
    assert line["level"] == level


def test_line_below_the_level_is_not_written() -> None:
    text = written(ENDED, Notice(message="look"), level=logging.WARNING)
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["notice"]


def test_dropped_lines_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_WAITING_MAX", 0)
    lines = [json.loads(line) for line in written(ENDED, ENDED).splitlines()]
    assert [line["message"] for line in lines] == ["2 log lines were dropped: the log is too slow."]


def test_log_that_nobody_reads_any_more_stops_nothing() -> None:
    class Closed(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    log = Log(Closed(), is_json=True, level=logging.INFO)
    log(ENDED)
    log.close()


def test_librarys_record_becomes_a_notice_without_the_exceptions_words() -> None:
    stream = io.BytesIO()
    log = Log(stream, is_json=True, level=logging.INFO)
    record: Any
    quoted = "my secret prompt"
    try:
        raise ValueError(quoted)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "task %s failed", ("t",), info)
    LogHandler(log).handle(record)
    log.close()
    line = json.loads(stream.getvalue())
    assert line["level"] == "error"
    assert "task t failed: ValueError" in line["message"]
    assert "prompt" not in stream.getvalue().decode()


# What may be said. A new field is looked at here first: it must not hold a key, a prompt, an
# answer or a credential.
REVIEWED = {
    RequestEnded: {
        "request_id", "method", "path", "has_client_left", "status", "outcome", "error",
        "duration_ms", "first_byte_ms", "operation", "account", "key", "model", "provider",
        "deployment", "attempts", "is_streamed", "usage", "is_usage_estimated", "charge_usd",
        "bytes_in", "bytes_out", "provider_operation", "is_replay",
        # Names of parameters and parts, never what they hold.
        "dropped",
    },
    AttemptFailed: {
        "level", "request_id", "provider", "deployment", "error", "status", "reason",
        # What a provider says of itself: of a caller's mistake the message is left out.
        "provider_status", "provider_code", "provider_message", "provider_request_id",
        "absent_operation",
    },
    StorageFailed: {"reason"},
    StorageRecovered: {"after_s"},
    Failure: {"request_id", "error", "traceback"},
    Notice: {"message", "level"},
}  # fmt: skip


def test_every_field_that_can_be_logged_was_looked_at() -> None:
    fields = {
        kind: {f.name for f in msgspec.structs.fields(kind)} for kind in get_args(Observation)
    }
    assert fields == REVIEWED


def test_colours_set_off_warnings_and_errors_and_nothing_else() -> None:
    stream = io.BytesIO()
    log = Log(stream, is_json=False, level=logging.INFO, is_coloured=True)
    for observation in EACH:
        log(observation)
    log.close()
    told, attempt, failed, *_ = stream.getvalue().decode().splitlines()
    assert "\x1b" not in told
    assert attempt.startswith("\x1b[33m")
    assert attempt.endswith("\x1b[0m")
    assert failed.startswith("\x1b[31m")
