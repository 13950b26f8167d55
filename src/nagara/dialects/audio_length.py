"""How long encoded audio plays, told from its bytes as they pass, without decoding any.

Speech is often answered without usage; what was heard is then what can be counted. MP3 and AAC are
rows of frames that each say their length, Ogg pages say how far they reach, WAV says its rate, and
bare samples are OpenAI's: 24 kHz, 16 bits, mono. FLAC says nothing that can be read so cheaply.

Sources: ISO 11172-3, ISO 13818-7, RFC 3533, RFC 7845, and for bare samples
https://platform.openai.com/docs/guides/text-to-speech#supported-output-formats
"""

from typing import Final, Protocol

PCM_BYTES_PER_MS: Final = 48
WAV_HEADER_BYTES: Final = 44
HEAD_BYTES: Final = 12
FRAME_HEADER_BYTES: Final = 6
OGG_HEADER_BYTES: Final = 27
OPUS_SAMPLES_PER_MS: Final = 48
AAC_SAMPLES: Final = 1024

_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_AAC_RATES = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
)  # fmt: skip


class _Counter(Protocol):
    """Counts one kind of audio."""

    ms: float

    def feed(self, data: bytes) -> None:
        """More of it."""


class AudioLength:
    """The length of one audio file that comes in pieces. Never raises, whatever comes."""

    def __init__(self) -> None:
        self._head = b""
        self._counter: _Counter | None = None
        self._is_unknown = False

    def feed(self, data: bytes) -> None:
        """More of the file."""
        if self._counter is not None:
            self._counter.feed(data)
        elif not self._is_unknown:
            self._head += data
            if len(self._head) >= HEAD_BYTES:
                self._counter, self._head = _choose_counter(self._head), b""
                self._is_unknown = self._counter is None

    @property
    def ms(self) -> int | None:
        """Whole milliseconds so far, at least; None where that cannot be told."""
        return None if self._counter is None else int(self._counter.ms)


def _choose_counter(head: bytes) -> _Counter | None:
    """The counter for what begins so, which it is given."""
    counter: _Counter
    if head.startswith(b"fLaC"):
        return None
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        counter = _Samples(is_wav=True)
    elif head.startswith(b"OggS"):
        counter = _Pages()
    elif head.startswith(b"ID3") or _measure_frame(head, 0) is not None:
        counter = _Frames()
    else:
        counter = _Samples(is_wav=False)
    counter.feed(head)
    return counter


class _Samples:
    """Samples without compression, with a header or bare."""

    def __init__(self, *, is_wav: bool) -> None:
        self.ms = 0.0
        self._size = 0
        self._bytes_per_ms = float(PCM_BYTES_PER_MS)
        self._header: bytes | None = b"" if is_wav else None

    def feed(self, data: bytes) -> None:
        if self._header is not None:
            self._header += data
            if len(self._header) < WAV_HEADER_BYTES:
                return
            at = self._header.find(b"fmt ")
            bytes_per_s = int.from_bytes(self._header[at + 16 : at + 20], "little")
            if at > 0 and bytes_per_s:
                self._bytes_per_ms = bytes_per_s / 1000
            data, self._header = self._header[WAV_HEADER_BYTES:], None
        self._size += len(data)
        self.ms = self._size / self._bytes_per_ms


class _Frames:
    """MP3, or AAC in ADTS: each frame says how long it is, in bytes and in time."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._rest = b""
        self._skip_bytes = 0
        self._is_begin = True

    def feed(self, data: bytes) -> None:
        rest, at = self._rest + data, 0
        if self._is_begin:
            self._is_begin = False
            if rest.startswith(b"ID3") and len(rest) >= 10:
                self._skip_bytes = 10 + _read_tag_size(rest[6:10])
        while True:
            skipped = min(self._skip_bytes, len(rest) - at)
            self._skip_bytes -= skipped
            at += skipped
            if len(rest) - at < FRAME_HEADER_BYTES:
                break
            frame = _measure_frame(rest, at)
            if frame is None:
                # Something else between the frames, such as a tag at the end.
                self._skip_bytes = 1
                continue
            self._skip_bytes, ms = frame
            self.ms += ms
        self._rest = rest[at:]


class _Pages:
    """Ogg with Opus: each page says how far it reaches."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._rest = b""
        self._preskip = 0

    def feed(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= OGG_HEADER_BYTES:
            begin = self._rest.find(b"OggS")
            if begin < 0 or len(self._rest) - begin < OGG_HEADER_BYTES:
                self._rest = self._rest[-OGG_HEADER_BYTES:] if begin < 0 else self._rest[begin:]
                return
            body = begin + OGG_HEADER_BYTES + self._rest[begin + 26]
            size = sum(self._rest[begin + OGG_HEADER_BYTES : body])
            if len(self._rest) < body + size:
                return
            self._take_page(self._rest[begin : body + size], body - begin)
            self._rest = self._rest[body + size :]

    def _take_page(self, page: bytes, body: int) -> None:
        if page[body : body + 8] == b"OpusHead":
            self._preskip = int.from_bytes(page[body + 10 : body + 12], "little")
        reaches = int.from_bytes(page[6:14], "little", signed=True)
        self.ms = max(self.ms, (reaches - self._preskip) / OPUS_SAMPLES_PER_MS)


def _measure_frame(data: bytes, at: int) -> tuple[int, float] | None:
    """The bytes and milliseconds of the frame that begins there; None if none does."""
    if len(data) - at < FRAME_HEADER_BYTES or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    if data[at + 1] & 0xF6 == 0xF0:
        return _measure_aac(data, at)
    return _measure_mp3(data[at + 1], data[at + 2])


def _measure_mp3(kind: int, rates: int) -> tuple[int, float] | None:
    version, layer = kind >> 3 & 3, kind >> 1 & 3
    rate_index, kbit_index = rates >> 2 & 3, rates >> 4
    if layer != 1 or version not in _MP3_RATES or rate_index == 3 or kbit_index in (0, 15):
        return None
    rate = _MP3_RATES[version][rate_index]
    samples = 1152 if version == 3 else 576
    kbits = (_MPEG1_KBITS if version == 3 else _MPEG2_KBITS)[kbit_index]
    return samples * kbits * 125 // rate + (rates >> 1 & 1), samples * 1000 / rate


def _measure_aac(data: bytes, at: int) -> tuple[int, float] | None:
    rate_index = data[at + 2] >> 2 & 15
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index >= len(_AAC_RATES) or size <= FRAME_HEADER_BYTES:
        return None
    return size, AAC_SAMPLES * 1000 / _AAC_RATES[rate_index]


def _read_tag_size(size: bytes) -> int:
    """The size of an ID3 tag, which has seven bits in each byte."""
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
