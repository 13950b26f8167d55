"""Turns kept for callers whose dialect cannot carry all of an answer (see `dialects.turns`).

In memory, by account, the least lately used ones leaving first: what is lost costs no answer, since
a provider can be asked without its old reasoning. Nothing is written to disk, so nothing of a
conversation outlives the process.
"""

from collections import OrderedDict

from nagara.dialects.turns import Turn, turn_key
from nagara.domain.messages import HostedCall, HostedResult, Opaque, Part

PART_BYTES = 200
"""What a part takes besides its text, about."""


class KeptTurns:
    """A bounded number of bytes of turns."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._turns: OrderedDict[tuple[int, str], tuple[Turn, int]] = OrderedDict()

    def keep(self, account_id: int, turn: Turn) -> None:
        """Keep a turn of this account; one that is too large for all of the room is not kept."""
        key = turn_key(turn.parts)
        size = sum(_part_bytes(part) for part in turn.parts)
        if key is None or size > self._bytes_max:
            return
        self._drop((account_id, key))
        self._turns[account_id, key] = (turn, size)
        self._bytes += size
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._turns)))

    def recall(self, account_id: int, key: str) -> Turn | None:
        """The turn that this account was given, if it is still here."""
        found = self._turns.get((account_id, key))
        if found is None:
            return None
        self._turns.move_to_end((account_id, key))
        return found[0]

    def _drop(self, key: tuple[int, str]) -> None:
        found = self._turns.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


def _part_bytes(part: Part) -> int:
    """About how much memory a part takes."""
    size = PART_BYTES
    for name in ("text", "arguments", "data", "output"):
        size += len(getattr(part, name, None) or "")
    signature = getattr(part, "signature", None)
    if signature is not None:
        size += len(signature.value)
    if isinstance(part, HostedCall | HostedResult | Opaque) and part.raw is not None:
        size += len(part.raw)
    return size
