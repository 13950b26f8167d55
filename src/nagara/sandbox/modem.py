"""The sandbox's voice: text as a row of tones, which its own transcriber understands.

Each byte of UTF-8 is two symbols of 30 ms, one of sixteen tones, so text takes about as long as a
person would to say it. A known row of symbols goes before it, by which the beginning is found
though encoders put silence there, then the length; a checksum ends it. Tones lie where even lossy
codecs for speech keep them apart. Each has whole periods in a symbol, so they join without a click.
"""

import math
import zlib
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import mul
from typing import Final

RATE: Final = 24_000
HEARD_RATE: Final = 8_000
"""What audio is resampled to before it is listened to."""
SYMBOL_MS: Final = 30
SYMBOL: Final = RATE * SYMBOL_MS // 1000
HEARD_SYMBOL: Final = HEARD_RATE * SYMBOL_MS // 1000
TONES: Final = 16
LOWEST_HZ: Final = 800
SPACING_HZ: Final = 100
AMPLITUDE: Final = 9_000
PREAMBLE: Final = (0, 15, 5, 10, 3, 12, 7, 9)
LENGTH_BYTES: Final = 3
CHECK_BYTES: Final = 4
BEGIN_WITHIN_S: Final = 1
STEP: Final = HEARD_SYMBOL // 12
CERTAIN: Final = 0.5
"""The share of the energy that has to be in the expected tones of the beginning."""

_SILENCE: Final = bytes(2 * SYMBOL)


def speak(text: str) -> Iterator[bytes]:
    """Samples of 16 bits at `RATE`, mono, in small pieces; the same for the same text."""
    content = text.encode("utf-8", "replace")
    yield _SILENCE
    for symbol in PREAMBLE:
        yield sound_symbol(symbol)
    framed = len(content).to_bytes(LENGTH_BYTES, "big"), content
    check = zlib.crc32(b"".join(framed)).to_bytes(CHECK_BYTES, "big")
    for part in (*framed, check):
        yield from map(sound_byte, part)
    yield _SILENCE


def measure_ms(text: str) -> int:
    """How long `speak` takes."""
    size = LENGTH_BYTES + len(text.encode("utf-8", "replace")) + CHECK_BYTES
    return SYMBOL_MS * (2 + len(PREAMBLE) + 2 * size)


def hear(samples: Sequence[int]) -> str | None:
    """The text in samples at `HEARD_RATE`; None where the sandbox did not say any."""
    begin = find_begin(samples)
    if begin is None:
        return None
    symbols = _read_symbols(samples, begin + len(PREAMBLE) * HEARD_SYMBOL)
    header = _read_bytes(symbols, LENGTH_BYTES)
    content = _read_bytes(symbols, int.from_bytes(header, "big"))
    check = _read_bytes(symbols, CHECK_BYTES)
    if zlib.crc32(header + content).to_bytes(CHECK_BYTES, "big") != check:
        return None
    return content.decode("utf-8", "replace")


def find_begin(samples: Sequence[int]) -> int | None:
    """Where the row of known symbols begins that goes before all that is said."""
    last = min(BEGIN_WITHIN_S * HEARD_RATE, len(samples) - len(PREAMBLE) * HEARD_SYMBOL)
    best, begin = max(((_match(samples, at), at) for at in range(0, last, STEP)), default=(0.0, 0))
    return begin if best > CERTAIN else None


def _match(samples: Sequence[int], at: int) -> float:
    """How much of the energy from there on is in the tones of the beginning."""
    window = samples[at : at + len(PREAMBLE) * HEARD_SYMBOL]
    energy = float(sum(map(mul, window, window)))
    if not energy:
        return 0.0
    found = sum(
        _measure_tone(window[place * HEARD_SYMBOL : (place + 1) * HEARD_SYMBOL], symbol)
        for place, symbol in enumerate(PREAMBLE)
    )
    return found / energy


def _read_symbols(samples: Sequence[int], begin: int) -> Iterator[int]:
    for at in range(begin, len(samples) - HEARD_SYMBOL // 2, HEARD_SYMBOL):
        window = samples[at : at + HEARD_SYMBOL]
        yield max(range(TONES), key=lambda tone: _measure_tone(window, tone))


def _read_bytes(symbols: Iterator[int], count: int) -> bytes:
    content = bytearray()
    for _ in range(count):
        pair = next(symbols, None), next(symbols, None)
        if pair[0] is None or pair[1] is None:
            break
        content.append(pair[0] << 4 | pair[1])
    return bytes(content)


def _measure_tone(window: Sequence[int], tone: int) -> float:
    """The energy of one tone in a symbol."""
    cosines, sines = _waves(tone)
    along = float(sum(map(mul, window, cosines)))
    across = float(sum(map(mul, window, sines)))
    return 2 * (along * along + across * across) / HEARD_SYMBOL


@lru_cache(maxsize=TONES)
def _waves(tone: int) -> tuple[Sequence[float], Sequence[float]]:
    step = 2 * math.pi * (LOWEST_HZ + tone * SPACING_HZ) / HEARD_RATE
    angles = [step * place for place in range(HEARD_SYMBOL)]
    return [math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]


@lru_cache(maxsize=TONES)
def sound_symbol(symbol: int) -> bytes:
    """The samples of one symbol."""
    step = 2 * math.pi * (LOWEST_HZ + symbol * SPACING_HZ) / RATE
    wave = array("h", (round(AMPLITUDE * math.sin(step * place)) for place in range(SYMBOL)))
    if wave.itemsize == 2 and array("h", [1]).tobytes()[0] == 0:
        wave.byteswap()
    return wave.tobytes()


@lru_cache(maxsize=256)
def sound_byte(value: int) -> bytes:
    """The samples of one byte."""
    return sound_symbol(value >> 4) + sound_symbol(value & 15)
