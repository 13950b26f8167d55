"""Samples become files that play as long as the samples do, however they come in pieces."""

import io
import struct
from collections.abc import Iterator

import pytest

from nagara.dialects.raw_stream import RawStream
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter, Usage
from nagara.media.audio_file import measure
from nagara.media.encoded_stream import EncodedStream
from nagara.media.sound_encoder import ENCODINGS, RATE, SoundEncoder

SECONDS = 2
SAMPLES = struct.pack(
    f"<{SECONDS * RATE}h", *(n * 37 % 20_000 - 10_000 for n in range(SECONDS * RATE))
)
CONTAINERS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac"}
PADDING_MS = 120


def split(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("audio_format", list(ENCODINGS))
@pytest.mark.parametrize("size", [1_001, 9_600, len(SAMPLES)])
def test_file_plays_as_long_as_its_samples(audio_format: str, size: int) -> None:
    encoder = SoundEncoder(audio_format)
    pieces = [encoder.feed(piece) for piece in split(SAMPLES, size)]
    facts = measure(io.BytesIO(b"".join(pieces) + encoder.finish()))
    assert facts.container == CONTAINERS[audio_format]
    assert SECONDS * 1000 <= facts.ms <= SECONDS * 1000 + PADDING_MS


@pytest.mark.parametrize("audio_format", list(ENCODINGS))
def test_most_of_a_file_is_there_before_its_end(audio_format: str) -> None:
    encoder = SoundEncoder(audio_format)
    early = b"".join(encoder.feed(piece) for piece in split(SAMPLES, 4_800))
    assert len(early) > 3 * len(encoder.finish())


class Gauge:
    """Counts bytes."""

    def __init__(self) -> None:
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> None:
        seen = self.usage.quantities[Meter.AUDIO_MS] if self.usage else 0
        self.usage = Usage({Meter.AUDIO_MS: seen + len(data) // 48})


def work(stream: EncodedStream) -> Iterator[bytes]:
    while stream.is_busy:
        yield stream.work()


def test_minutes_that_come_at_once_are_encoded_in_steps() -> None:
    stream = EncodedStream(RawStream(Gauge()), "mp3")
    first = stream.feed(SAMPLES * 30)
    assert stream.is_busy
    steps = [first, *work(stream), stream.close(), *work(stream)]
    assert len(steps) >= 30
    # None of them has much more than its share of the file.
    assert max(map(len, steps)) < 3 * sum(map(len, steps)) / 30
    assert measure(io.BytesIO(b"".join(steps))).ms >= 30 * SECONDS * 1000
    assert stream.usage == Usage({Meter.AUDIO_MS: 30 * SECONDS * 1000})


@pytest.mark.parametrize("ending", ["close", "terminator"])
def test_end_that_holds_all_is_encoded_in_steps_too(ending: str) -> None:
    class Late(RawStream):
        def feed(self, data: bytes) -> bytes:
            self._late = super().feed(data)
            return b""

        def close(self) -> bytes:
            return self._late

        terminator = close

    stream = EncodedStream(Late(Gauge()), "mp3")
    assert stream.feed(SAMPLES * 5) == b""
    steps = [getattr(stream, ending)(), *work(stream)]
    assert len(steps) == 5
    assert measure(io.BytesIO(b"".join(steps))).ms >= 5 * SECONDS * 1000
    assert stream.output_bytes == sum(map(len, steps))


def test_stream_is_encoded_and_counts_what_came() -> None:
    gauge = Gauge()
    stream = EncodedStream(RawStream(gauge), "mp3")
    said = b"".join(stream.feed(piece) for piece in split(SAMPLES, 48_000)) + stream.close()
    assert measure(io.BytesIO(said)).ms >= SECONDS * 1000
    assert stream.usage == Usage({Meter.AUDIO_MS: SECONDS * 1000})
    assert (stream.output_bytes, stream.text_bytes) == (len(said), len(SAMPLES))
    assert stream.breaks_off
    assert stream.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "x"), "r") == b""
