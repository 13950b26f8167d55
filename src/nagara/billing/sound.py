"""What sound is charged by: one count of several that are all of the same thing.

A voice is sold by the characters that it says, by the time it takes or by tokens, and an ear by
time or tokens; whichever the card has a price for is counted. Where a card has none of them, tokens
are, and the charge says that they lack a price. The same rules make the bound, so that no charge is
more than was held for it.
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
HEARD_TOKENS_PER_S = 10
"""What OpenAI counts for audio that goes in."""
WRITTEN_TOKENS_PER_S = 4
"""About 2.5 words a second, as most people speak."""
ROUNDING_MS = 1_000
"""Providers count whole seconds."""


def bound_quantities(sound: Sound, input_tokens: int, rates: Rates) -> Mapping[Meter, int]:
    """The most that can be counted, in what the rates count."""
    if sound.heard_ms:
        return _bound_heard(sound, input_tokens, rates)
    if Meter.CHARACTERS in rates:
        return {Meter.CHARACTERS: sound.characters}
    if Meter.AUDIO_MS in rates:
        return {Meter.AUDIO_MS: sound.spoken_ms_max}
    tokens = -(-sound.spoken_ms_max * SPEECH_TOKENS_PER_S_MAX // 1000)
    return {Meter.INPUT: input_tokens, Meter.OUTPUT_AUDIO: tokens}


def count_sound(
    measured: Usage | None, demand: Demand, rates: Rates | None, *, is_whole: bool = True
) -> Usage:
    """The usage of speech, of what was reported and measured, by what the rates count.

    Rates of None are those of somebody who pays nothing. Of an answer that is not whole, what was
    reported is not either: what was delivered counts at least as a guess would.
    """
    sound = demand.sound
    assert sound is not None
    counts = {} if measured is None else measured.quantities
    if sound.heard_ms:
        return _count_heard(counts, demand, sound, rates)
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
        said: dict[Meter, int] = {
            meter: n for meter, n in counts.items() if meter != Meter.AUDIO_MS
        }
        ms = 0 if is_whole else min(counts.get(Meter.AUDIO_MS, 0), sound.spoken_ms_max)
        least = -(-ms * SPEECH_TOKENS_PER_S // 1000)
        if least <= said.get(Meter.OUTPUT_AUDIO, 0):
            return Usage(said)
        return Usage({**said, Meter.OUTPUT_AUDIO: least}, is_estimated=True)
    spoken = counts.get(Meter.AUDIO_MS)
    ms = _guess_ms(sound) if spoken is None else min(spoken, sound.spoken_ms_max)
    return Usage(
        {
            Meter.INPUT: -(-demand.text_bytes // BYTES_PER_TOKEN),
            Meter.OUTPUT_AUDIO: -(-ms * SPEECH_TOKENS_PER_S // 1000),
        },
        is_estimated=True,
    )


def _guess_ms(sound: Sound) -> int:
    return min(sound.characters * SPEECH_MS_PER_CHARACTER, sound.spoken_ms_max)


def _bound_heard(sound: Sound, input_tokens: int, rates: Rates) -> Mapping[Meter, int]:
    if Meter.AUDIO_MS in rates:
        return {Meter.AUDIO_MS: sound.heard_ms + ROUNDING_MS}
    return {
        Meter.INPUT: input_tokens,
        Meter.INPUT_AUDIO: -(-sound.heard_ms * SPEECH_TOKENS_PER_S_MAX // 1000),
        Meter.OUTPUT: sound.written_tokens_max,
    }


def _count_heard(
    counts: Mapping[Meter, int], demand: Demand, sound: Sound, rates: Rates | None
) -> Usage:
    tokens: Mapping[Meter, int] = {m: n for m, n in counts.items() if m != Meter.AUDIO_MS}
    if (rates is not None and Meter.AUDIO_MS in rates) or (rates is None and not tokens):
        said = counts.get(Meter.AUDIO_MS, sound.heard_ms)
        # Whatever it says, it heard no more than there was.
        return Usage({Meter.AUDIO_MS: min(said, sound.heard_ms + ROUNDING_MS)})
    if tokens:
        return Usage(tokens)
    return Usage(
        {
            Meter.INPUT: -(-demand.text_bytes // BYTES_PER_TOKEN),
            Meter.INPUT_AUDIO: -(-sound.heard_ms * HEARD_TOKENS_PER_S // 1000),
            Meter.OUTPUT: -(-sound.heard_ms * WRITTEN_TOKENS_PER_S // 1000),
        },
        is_estimated=True,
    )
