"""A file is as long as it plays, and what cannot be decoded is refused."""

import io
from pathlib import Path

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.media.audio_file import measure
from nagara.sandbox.modem import RATE, measure_ms, speak
from nagara.sandbox.sound_files import encode, make_wav_header

TEXT = "How long?"
PADDING_MS = 120


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "opus", "aac", "flac"])
def test_file_is_as_long_as_it_plays(audio_format: str) -> None:
    samples = measure_ms(TEXT) * RATE // 1000
    data = b"".join(encode(speak(TEXT), samples, audio_format, RATE))
    facts = measure(io.BytesIO(data))
    assert measure_ms(TEXT) <= facts.ms <= measure_ms(TEXT) + PADDING_MS
    assert facts.container == ("ogg" if audio_format == "opus" else audio_format)


def test_what_the_header_says_of_the_length_is_not_believed() -> None:
    samples = b"".join(speak(TEXT))
    header = make_wav_header(2**30, RATE)
    assert measure(io.BytesIO(header + samples)).ms == measure_ms(TEXT)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"RIFF", make_wav_header(0, RATE), b"ID3" + bytes(100), bytes(10_000)]
)
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        measure(io.BytesIO(data))
    assert (caught.value.kind, caught.value.code) == (
        ErrorKind.INVALID_REQUEST,
        "undecodable_audio",
    )


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
    ],
)
def test_no_file_makes_another_one_be_opened(playlist: str, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(make_wav_header(RATE, RATE) + bytes(2 * RATE))
    with pytest.raises(GatewayError) as caught:
        measure(io.BytesIO(playlist.format(path=other).encode()))
    assert caught.value.code == "undecodable_audio"
