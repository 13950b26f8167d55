"""The bench measures what it says: every chunk is counted, and ratios are of medians."""

import os
import sys

import pytest
from bench import conversations, load, processes, report, speech, translation
from bench.processes import BenchError
from bench.report import Round
from bench.upstreams import MARK, READY_PATH, STREAM_CHUNKS, plain_answer, stream_event

from nagara.operations.conversation import DIALECTS


def test_ratio_is_of_medians_of_alternating_rounds() -> None:
    rounds = [
        Round("nagara", 50.0), Round("nginx", 20.0), Round("nagara", 900.0),
        Round("nginx", 25.0), Round("nagara", 60.0), Round("nginx", 1.0),
    ]  # fmt: skip
    line = report.ratio_line("call", rounds, target=3.0)
    assert line.value == 60.0 / 20.0
    assert line.is_met
    assert not line._replace(target=2.9).is_met


def test_every_event_holds_the_mark_once_and_is_about_225_bytes() -> None:
    for index in range(STREAM_CHUNKS):
        assert stream_event(index).count(MARK) == 1
        assert 200 <= len(stream_event(index)) <= 250


def test_request_is_about_1_kb_and_answer_about_800_bytes() -> None:
    assert 900 <= len(load.chat_body(is_streamed=False)) <= 1100
    assert 700 <= len(plain_answer()) <= 900


def test_every_pair_is_translated_and_read_back_word_for_word() -> None:
    pairs = translation.measure(rounds=1)
    assert len({(pair.caller, pair.upstream) for pair in pairs}) == len(pairs) == 4 * 5
    assert sum(pair.is_pass_through for pair in pairs) == 4
    slowest = report.slowest_lines(pairs)
    assert slowest[1].value == max(p.chunk_us for p in pairs if not p.is_pass_through)


def test_translated_request_is_about_4_kb_in_every_dialect() -> None:
    for dialect in DIALECTS.values():
        assert 3900 <= len(conversations.request_body(dialect)) <= 4300


def test_client_counts_every_chunk_of_every_stream() -> None:
    port = processes.free_port()
    core = max(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "bench.upstreams", str(port)]
    with processes.running(command, core=core) as process:
        processes.wait_for_ok(process, port, READY_PATH)
        seen = load.streams(port, "none", core, turns=1)
    assert not process.is_running()
    assert seen.chunks == load.STREAMS * STREAM_CHUNKS
    assert seen.reads >= seen.chunks * 0.9


def test_a_process_that_ends_at_once_is_said_so() -> None:
    core = max(os.sched_getaffinity(0))
    with (
        processes.running([sys.executable, "-c", "pass"], core=core) as process,
        pytest.raises(BenchError, match="ended before"),
    ):
        processes.wait_for_ok(process, processes.free_port(), "/")


def test_first_byte_of_speech_is_timed_with_and_without_a_gateway() -> None:
    passages = speech.measure(calls=40)
    assert [passage.name for passage in passages] == ["nagara", "floor"]
    for passage in passages:
        assert len(passage.took_ms) == 38
        assert 0 < passage.percentile(50) <= passage.percentile(99)
    assert "target 5 ms" in speech.render(passages)
