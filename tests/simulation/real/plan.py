"""What one request asks for and what it is to meet, drawn from a seed; and what it has to cost.

The plan travels inside the request, as the text of its only message: the provider reads there what
to do. The prices are odd on purpose, so that nearly every charge has to be rounded.
"""

import enum
import random

import msgspec

MODEL = "house-model"
INPUT_RATE_PICO = 1_234_567
OUTPUT_RATE_PICO = 7_654_321
PRICES = '{ input_mtok = "1.234567", output_mtok = "7.654321" }'

OUTPUT_TOKENS_MAX = 400
PIECES_MAX = 12
PAUSE_S_MAX = 0.12
LONG_PAUSE_S_MAX = 2.0


class Fate(enum.StrEnum):
    """What becomes of a request at its provider."""

    GOOD = "good"
    SLOW = "slow"
    BEYOND_CAP = "more output than was asked for"
    NO_USAGE = "an answer that says nothing of its usage"
    FAILS_OVER = "the first provider refuses, the second answers"
    REFUSED = "every provider refuses"
    CUT = "the answer breaks off"


_WEIGHTS = {
    Fate.GOOD: 50,
    Fate.SLOW: 15,
    Fate.BEYOND_CAP: 8,
    Fate.NO_USAGE: 5,
    Fate.FAILS_OVER: 10,
    Fate.REFUSED: 4,
    Fate.CUT: 8,
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `leaves_after` is the number of pieces after which its client leaves."""

    id: str
    fate: Fate
    is_streamed: bool
    input_tokens: int
    output_tokens: int
    output_cap: int
    pieces: int
    pause_s: float
    leaves_after: int | None = None

    def count_output(self, cap: int) -> int:
        """How many tokens the provider says that it wrote, where the request allowed `cap`."""
        if self.fate is Fate.BEYOND_CAP:
            return cap + self.output_tokens
        return min(self.output_tokens, cap)


class Usage(msgspec.Struct, frozen=True):
    """What an answer said that it took, in tokens."""

    input_tokens: int
    output_tokens: int


def draw_plan(source: random.Random, plan_id: str) -> Plan:
    """The next request of a client."""
    fate = source.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    is_streamed = source.random() < 0.6
    output_cap = source.randint(20, OUTPUT_TOKENS_MAX)
    pieces = source.randint(2, PIECES_MAX)
    leaves_after = source.randint(0, pieces) if source.random() < 0.15 else None
    pause_s_max = LONG_PAUSE_S_MAX if fate is Fate.SLOW else PAUSE_S_MAX
    return Plan(
        id=plan_id,
        fate=fate,
        is_streamed=is_streamed,
        # Less than its bytes, which is what is held for.
        input_tokens=source.randint(1, 60),
        output_tokens=source.randint(1, output_cap),
        output_cap=output_cap,
        pieces=pieces,
        pause_s=source.uniform(0, pause_s_max / pieces if fate is Fate.SLOW else pause_s_max),
        leaves_after=leaves_after,
    )


def find_charge_nano(usage: Usage) -> int:
    """What an answer with this usage has to cost: worked out here, without the gateway's code."""
    amount_pico = usage.input_tokens * INPUT_RATE_PICO + usage.output_tokens * OUTPUT_RATE_PICO
    whole, rest = divmod(amount_pico, 1000)
    return whole + (rest > 0)
