"""Audio says how long it plays, however it is cut into pieces, and nothing makes the count fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects.audio_length import AudioLength
from nagara.sandbox.modem import RATE, measure_ms, speak
from nagara.sandbox.sound_files import encode

TEXT = "How long is this?"
PADDING_MS = 120
"""What encoders put around: a frame or two."""


def speech(audio_format: str) -> bytes:
    samples = measure_ms(TEXT) * RATE // 1000
    return b"".join(encode(speak(TEXT), samples, audio_format, RATE))


def measure(data: bytes, size: int) -> int | None:
    length = AudioLength()
    for at in range(0, len(data), size):
        length.feed(data[at : at + size])
    return length.ms


@pytest.mark.parametrize("audio_format", ["wav", "pcm", "mp3", "opus", "aac"])
def test_length_is_that_of_the_speech_in_pieces_of_any_size(audio_format: str) -> None:
    data = speech(audio_format)
    found = {measure(data, size) for size in (1, 7, 1000, len(data))}
    assert len(found) == 1
    (ms,) = found
    assert ms is not None
    assert measure_ms(TEXT) <= ms <= measure_ms(TEXT) + PADDING_MS


def test_flac_and_what_has_not_begun_have_no_length() -> None:
    assert measure(speech("flac"), 1000) is None
    assert measure(b"RIFF", 1) is None


def test_half_of_a_file_is_half_as_long() -> None:
    data = speech("mp3")
    ms = measure(data[: len(data) // 2], 100)
    assert ms is not None
    assert 0.4 * measure_ms(TEXT) <= ms <= 0.6 * measure_ms(TEXT)


def test_tag_before_the_frames_is_no_audio() -> None:
    data = speech("mp3")
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 2, 0]) + b"\xff\xfb\x90\x00" * 64
    assert measure(tag + data[data.index(b"\xff\xf3") :], 100) == measure(data, 100)


@given(
    begin=st.sampled_from(
        [b"", b"RIFF\0\0\0\0WAVE", b"OggS", b"ID3", b"\xff\xfb\x90", b"\xff\xf1"]
    ),
    pieces=st.lists(st.binary(max_size=300), max_size=8),
)
def test_nothing_makes_it_fail(begin: bytes, pieces: list[bytes]) -> None:
    length = AudioLength()
    for piece in (begin, *pieces):
        length.feed(piece)
    assert length.ms is None or length.ms >= 0
