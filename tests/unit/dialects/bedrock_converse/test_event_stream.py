"""AWS's event stream is read as botocore reads it, in any split, and damage is never believed."""

import base64
import contextlib
import gzip
import itertools
import json
import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_stream import HeaderValue, encode_event, encode_header, encode_message, frame
from tests.recordings.recorded import FOLDER, needs_recordings

from nagara.dialects.bedrock_converse.event_stream import EventMessage, EventStreamReader
from nagara.domain.errors import ErrorKind, GatewayError

MESSAGE_BYTES_MAX = 1024 * 1024
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) <= 255)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=40),
    st.binary(max_size=40),
)
MESSAGES = st.tuples(st.dictionaries(NAMES, VALUES, max_size=4), st.binary(max_size=200))
CUTS = st.lists(st.integers(0, 5000), max_size=20)
DELTA = encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})


def read_all(*pieces: bytes, bound: int = MESSAGE_BYTES_MAX) -> list[EventMessage]:
    reader = EventStreamReader(bound)
    messages = [message for piece in pieces for message in reader.feed(piece)]
    reader.close()
    return messages


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(at)]


def as_pairs(messages: list[EventMessage]) -> list[tuple[dict[str, HeaderValue], bytes]]:
    return [(dict(message.headers), message.payload) for message in messages]


def as_botocore_reads(stream: bytes) -> list[tuple[dict[str, HeaderValue], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


def kind_raised(*pieces: bytes, bound: int = MESSAGE_BYTES_MAX) -> ErrorKind:
    with pytest.raises(GatewayError) as caught:
        read_all(*pieces, bound=bound)
    return caught.value.kind


@given(st.lists(MESSAGES, max_size=5), CUTS)
@settings(deadline=None)
def test_any_split_gives_what_was_written_as_botocore_reads_it(
    messages: list[tuple[dict[str, HeaderValue], bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode_message(*message) for message in messages)
    assert as_pairs(read_all(*split(stream, cuts))) == messages
    assert as_botocore_reads(stream) == messages


@given(st.binary(max_size=400), CUTS)
@settings(deadline=None)
def test_no_bytes_raise_anything_but_our_own_error(noise: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(GatewayError):
        read_all(*split(DELTA + noise, cuts))


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_headers_that_make_no_sense_raise_nothing_but_our_own_error(block: bytes) -> None:
    with contextlib.suppress(GatewayError):
        read_all(frame(block, b"{}"))


def test_every_damaged_byte_is_noticed() -> None:
    for position in range(len(DELTA)):
        damaged = bytearray(DELTA)
        damaged[position] ^= 0x40
        assert kind_raised(bytes(damaged)) in (
            ErrorKind.UPSTREAM_PROTOCOL,
            ErrorKind.UPSTREAM_TOO_LARGE,
        )


def test_messages_before_a_damaged_one_are_given_first() -> None:
    reader = EventStreamReader(MESSAGE_BYTES_MAX)
    assert len(reader.feed(DELTA + DELTA + b"x" * 40)) == 2
    for _ in range(2):
        with pytest.raises(GatewayError):
            reader.feed(DELTA)
    with pytest.raises(GatewayError):
        reader.close()


def test_message_beyond_the_bound_is_refused_by_its_first_bytes() -> None:
    prelude = struct.pack(">II", 2**31, 0)
    assert kind_raised(prelude + struct.pack(">I", crc32(prelude))) is ErrorKind.UPSTREAM_TOO_LARGE
    assert kind_raised(DELTA, bound=len(DELTA) - 1) is ErrorKind.UPSTREAM_TOO_LARGE
    assert len(read_all(DELTA, bound=len(DELTA))) == 1


def test_headers_longer_than_their_message_are_refused() -> None:
    prelude = struct.pack(">II", 20, 10)
    stream = prelude + struct.pack(">I", crc32(prelude)) + b"x" * 20
    assert kind_raised(stream) is ErrorKind.UPSTREAM_PROTOCOL


def test_end_in_the_middle_of_a_message_is_a_cut() -> None:
    assert kind_raised(DELTA[:-1]) is ErrorKind.UPSTREAM_CUT
    assert kind_raised(DELTA[:5]) is ErrorKind.UPSTREAM_CUT


def test_header_that_comes_twice_is_refused() -> None:
    assert kind_raised(frame(encode_header("a", 1) * 2, b"")) is ErrorKind.UPSTREAM_PROTOCOL


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"\x00", True),
        (b"\x01", False),
        (b"\x02\xff", -1),
        (b"\x03\x01\x00", 256),
        (b"\x04\xff\xff\xff\xfe", -2),
        (b"\x05" + b"\x00" * 7 + b"\x07", 7),
        (b"\x06\x00\x02ab", b"ab"),
        (b"\x07\x00\x02ab", "ab"),
        (b"\x08" + b"\x00" * 7 + b"\x09", 9),
        (b"\x09" + b"u" * 16, b"u" * 16),
    ],
)
def test_header_of_every_type_is_read(encoded: bytes, value: HeaderValue) -> None:
    message = frame(b"\x01n" + encoded, b"")
    assert as_pairs(read_all(message)) == [({"n": value}, b"")]
    assert as_botocore_reads(message)[0][0]["n"] == value


@pytest.mark.parametrize("block", [b"\x01n\x0a", b"\x01n", b"\x09n", b"\x01n\x07\x00\x05ab"])
def test_header_that_breaks_off_or_has_no_known_type_is_refused(block: bytes) -> None:
    assert kind_raised(frame(block, b"")) is ErrorKind.UPSTREAM_PROTOCOL


def test_text_is_read_only_where_there_is_text() -> None:
    message = read_all(encode_message({"a": "x", "b": 1}, b""))[0]
    assert (message.read_text("a"), message.read_text("b"), message.read_text("c")) == (
        "x",
        None,
        None,
    )


@needs_recordings
def test_recorded_streams_are_read_as_botocore_reads_them() -> None:
    with gzip.open(FOLDER / "bedrock.jsonl.gz", "rt") as lines:
        answers = [json.loads(line)["response"] for line in lines]
    streams = [base64.b64decode(answer["base64"]) for answer in answers if "base64" in answer]
    assert streams
    for stream in streams:
        whole = as_pairs(read_all(stream))
        assert whole == as_botocore_reads(stream)
        assert as_pairs(read_all(*(stream[i : i + 1] for i in range(len(stream))))) == whole
