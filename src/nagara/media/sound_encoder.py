"""Bare samples as a file that plays, piece by piece as they come, by PyAV.

For voices that give samples alone. What is asked of the muxers is that they write without going
back: a listener has the beginning before there is an end.
"""

from typing import Any, Final

from nagara.media.audio_file import import_av

BYTES_PER_SAMPLE: Final = 2
RATE: Final = 24_000
"""Samples a second of what comes in: 16 bits, mono."""
OGG_PAGE_US: Final = 200_000
"""How long an Ogg page may wait to be filled; its muxer's own second would be heard."""


class _Encoding:
    """A format as PyAV makes it."""

    def __init__(self, container: str, codec: str, bit_rate: int | None, rate: int) -> None:
        self.container = container
        self.codec = codec
        self.bit_rate = bit_rate
        self.rate = rate


ENCODINGS: Final = {
    "mp3": _Encoding("mp3", "libmp3lame", 96_000, RATE),
    "opus": _Encoding("ogg", "libopus", 64_000, 48_000),
    "aac": _Encoding("adts", "aac", 96_000, RATE),
    "flac": _Encoding("flac", "flac", None, RATE),
}
_OPTIONS: Final = {
    "mp3": {"write_xing": "0", "id3v2_version": "0"},
    "ogg": {"page_duration": str(OGG_PAGE_US)},
}


class _Sink:
    """A file that can only be written on, and is emptied meanwhile."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class SoundEncoder:
    """One file in the making. Raises `GatewayError` (UNSUPPORTED) without PyAV."""

    def __init__(self, audio_format: str) -> None:
        """`audio_format` is one of `ENCODINGS`."""
        encoding, self._av = ENCODINGS[audio_format], import_av()
        self._sink = _Sink()
        options = {**_OPTIONS.get(encoding.container, {}), "flush_packets": "1"}
        self._output: Any = self._av.open(
            self._sink, "w", format=encoding.container, options=options
        )
        self._stream = self._output.add_stream(encoding.codec, rate=encoding.rate, layout="mono")
        if encoding.bit_rate is not None:
            self._stream.bit_rate = encoding.bit_rate
        self._resampler = self._av.AudioResampler(
            format=self._stream.codec_context.format or "s16", layout="mono", rate=encoding.rate
        )
        self._rest = b""
        self._at = 0

    def feed(self, samples: bytes) -> bytes:
        """What there is of the file for these bytes of samples, in any split."""
        samples = self._rest + samples
        size = len(samples) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        self._rest = samples[size:]
        if size:
            self._encode(self._make_frame(samples[:size]))
        return self._sink.take()

    def finish(self) -> bytes:
        """The rest of the file."""
        self._encode(None)
        self._output.mux(self._stream.encode(None))
        self._output.close()
        return self._sink.take()

    def _make_frame(self, samples: bytes) -> Any:
        count = len(samples) // BYTES_PER_SAMPLE
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=count, align=True)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.pts = RATE, self._at
        self._at += count
        return frame

    def _encode(self, frame: Any) -> None:
        for resampled in self._resampler.resample(frame):
            self._output.mux(self._stream.encode(resampled))
