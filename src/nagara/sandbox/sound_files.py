"""Samples as files that play, and files as samples: WAV by hand, all else by PyAV.

PyAV comes with the extra `media` and is imported when it is first needed. The same samples give the
same bytes: nothing random and no date is written. What is slow here belongs in a thread.
"""

import io
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from nagara.media.audio_file import OPTIONS

if TYPE_CHECKING:
    import av

RAW_FORMATS: Final = ("wav", "pcm")
BYTES_PER_SAMPLE: Final = 2
FRAME_SAMPLES: Final = 4_800
PIECE_BYTES: Final = 16 * 1024


class _Encoding:
    """A format as PyAV makes it."""

    def __init__(self, container: str, codec: str, bit_rate: int | None, rate: int) -> None:
        self.container = container
        self.codec = codec
        self.bit_rate = bit_rate
        self.rate = rate


_ENCODINGS: Final = {
    "mp3": _Encoding("mp3", "libmp3lame", 48_000, 24_000),
    "opus": _Encoding("ogg", "libopus", 32_000, 48_000),
    "aac": _Encoding("adts", "aac", 48_000, 24_000),
    "flac": _Encoding("flac", "flac", None, 24_000),
}


class NoCodecsError(Exception):
    """PyAV is not installed."""


class UndecodableError(Exception):
    """What came is no audio."""


def encode(pieces: Iterable[bytes], samples: int, audio_format: str, rate: int) -> Iterator[bytes]:
    """A file of so many samples of 16 bits, mono. Raises `NoCodecsError`."""
    if audio_format == "pcm":
        return iter(pieces)
    if audio_format == "wav":
        return chain([make_wav_header(samples, rate)], pieces)
    content = _encode(pieces, _ENCODINGS[audio_format], rate)
    return (content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES))


def make_wav_header(samples: int, rate: int) -> bytes:
    """The 44 bytes before the samples of a WAV file."""
    size = samples * BYTES_PER_SAMPLE
    shape = (16, 1, 1, rate, rate * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", *shape, b"data", size
    )


def has_codecs() -> bool:
    """Whether all formats can be made."""
    try:
        _import_av()
    except NoCodecsError:
        return False
    return True


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise NoCodecsError from error
    return av


def _encode(pieces: Iterable[bytes], encoding: _Encoding, rate: int) -> bytes:
    av = _import_av()
    file = io.BytesIO()
    options = (
        {"fflags": "+bitexact", "write_xing": "1"}
        if encoding.container == "mp3"
        else {"fflags": "+bitexact"}
    )
    with av.open(file, "w", format=encoding.container, options=options) as output:
        stream = output.add_stream(encoding.codec, rate=encoding.rate, layout="mono")
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if encoding.bit_rate is not None:
            stream.bit_rate = encoding.bit_rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format or "s16",
            layout="mono",
            rate=encoding.rate,
            frame_size=0,
        )
        for frame in _make_frames(av, pieces, rate):
            for resampled in resampler.resample(frame):
                output.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return file.getvalue()


def _make_frames(av: Any, pieces: Iterable[bytes], rate: int) -> Iterator["av.AudioFrame"]:
    held, at = bytearray(), 0
    size = FRAME_SAMPLES * BYTES_PER_SAMPLE
    for piece in chain(pieces, [b""]):
        held += piece
        while len(held) >= size or (held and not piece):
            data = bytes(held[:size])
            del held[:size]
            frame = av.AudioFrame(
                format="s16", layout="mono", samples=len(data) // BYTES_PER_SAMPLE, align=True
            )
            frame.planes[0].update(data)
            frame.sample_rate, frame.pts = rate, at
            at += frame.samples
            yield frame


def decode(file: Any, rate: int, samples_max: int | None = None) -> Sequence[int]:
    """The samples of an audio file, mono, at that rate. Raises `UndecodableError`."""
    av = _import_av()
    samples = array("h")
    try:
        with av.open(file, "r", container_options=OPTIONS) as source:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in chain(source.decode(audio=0), [None]):
                for resampled in resampler.resample(frame):
                    samples.frombytes(bytes(resampled.planes[0])[: resampled.samples * 2])
                if samples_max is not None and len(samples) >= samples_max:
                    break
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UndecodableError from error
    return samples
