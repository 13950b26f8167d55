"""The model's earlier turns, which clients send back in the pieces that a stream told them in.

Google's own SDK keeps each piece of a stream as a content of its own; others put all pieces into
one. Either way what was one text or one thought is one again here, for other providers compare it
to what they signed. A piece that bears a signature of Google's stays apart: that belongs to it.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.messages import Part, Reasoning, Text


def join_pieces(pieces: Sequence[Part]) -> list[Part]:
    """The parts of one turn, of which `pieces` may be pieces."""
    parts: list[Part] = []
    # A long stream has many pieces of one part: their texts are joined once.
    run: list[str] = []
    for index, part in enumerate(pieces):
        last = parts[-1] if parts else None
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        if isinstance(last, Reasoning) and isinstance(part, Reasoning) and _goes_on(last, part):
            run.append(part.text)
            if part.signature is not None:
                parts[-1] = msgspec.structs.replace(last, signature=part.signature)
        elif (
            isinstance(last, Text)
            and isinstance(part, Text)
            and not (last.extras or part.extras or _is_mark(following))
        ):
            run.append(part.text)
        else:
            _finish(parts, run)
            parts.append(part)
    _finish(parts, run)
    return parts


def _goes_on(last: Reasoning, part: Reasoning) -> bool:
    """Whether `part` is more of a thought that is not signed yet, or its signature."""
    is_thought = bool(part.text) or part.is_redacted
    return bool(last.text) and last.signature is None and is_thought


def _is_mark(part: Part | None) -> bool:
    return isinstance(part, Reasoning) and not part.text and not part.is_redacted


def _finish(parts: list[Part], run: list[str]) -> None:
    last = parts[-1] if parts else None
    if run and isinstance(last, Text | Reasoning):
        parts[-1] = msgspec.structs.replace(last, text=last.text + "".join(run))
        run.clear()
