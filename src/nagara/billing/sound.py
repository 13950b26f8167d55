"""What speech is charged by: one count of several that are all of the same thing.

A voice is sold by the characters that it says, by the time it takes or by tokens, and whichever the
card has a price for is counted. Where a card has none of them, tokens are, and the charge says that
they lack a price. The same rules make the bound, so that no charge is more than was held for it.
"""

from collections.abc import Mapping

from nagara.domain.demand import Demand, Sound
from nagara.domain.rates import Rates
from nagara.domain.usage import Meter, Usage

BYTES_PER_TOKEN = 4
SPEECH_MS_PER_CHARACTER = 65
"""About 15 characters a second, as most voices speak: what a time is guessed by."""
SPEECH_TOKENS_PER_S = 21
"""The same for tokens: OpenAI gives $0.015 a minute for tokens of $12 a million."""
SPEECH_TOKENS_PER_S_MAX = 32
"""The most that any maker counts: Gemini's models."""


def bound_quantities(sound: Sound, input_tokens: int, rates: Rates) -> Mapping[Meter, int]:
    """The most that can be counted, in what the rates count."""
    if Meter.CHARACTERS in rates:
        return {Meter.CHARACTERS: sound.characters}
    if Meter.AUDIO_MS in rates:
        return {Meter.AUDIO_MS: sound.spoken_ms_max}
    tokens = -(-sound.spoken_ms_max * SPEECH_TOKENS_PER_S_MAX // 1000)
    return {Meter.INPUT: input_tokens, Meter.OUTPUT_AUDIO: tokens}


def count_sound(measured: Usage | None, demand: Demand, rates: Rates | None) -> Usage:
    """The usage of speech, of what was reported and measured, by what the rates count.

    Rates of None are those of somebody who pays nothing.
    """
    sound = demand.sound
    assert sound is not None
    counts = {} if measured is None else measured.quantities
    has_tokens = Meter.INPUT in counts or Meter.OUTPUT_AUDIO in counts
    if rates is None and not has_tokens:
        return Usage({Meter.CHARACTERS: sound.characters})
    if rates is not None and Meter.CHARACTERS in rates:
        return Usage({Meter.CHARACTERS: sound.characters})
    if rates is not None and Meter.AUDIO_MS in rates:
        if Meter.AUDIO_MS in counts:
            return Usage({Meter.AUDIO_MS: counts[Meter.AUDIO_MS]})
        return Usage({Meter.AUDIO_MS: _guess_ms(sound)}, is_estimated=True)
    if has_tokens:
        return Usage({meter: n for meter, n in counts.items() if meter != Meter.AUDIO_MS})
    ms = counts.get(Meter.AUDIO_MS)
    ms = _guess_ms(sound) if ms is None else min(ms, sound.spoken_ms_max)
    return Usage(
        {
            Meter.INPUT: -(-demand.text_bytes // BYTES_PER_TOKEN),
            Meter.OUTPUT_AUDIO: -(-ms * SPEECH_TOKENS_PER_S // 1000),
        },
        is_estimated=True,
    )


def _guess_ms(sound: Sound) -> int:
    return min(sound.characters * SPEECH_MS_PER_CHARACTER, sound.spoken_ms_max)
