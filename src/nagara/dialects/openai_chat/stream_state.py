"""What a stream has told its caller so far: the state between one event and the next.

It is counts and positions, so that later chunks can refer to earlier ones, and the text of
reasoning that is still open, which is told once more when it ends.
"""

from nagara.domain.messages import Citation, Part, Signature


class ToldPart:
    """A part that is being told: what stands around its deltas, and what is told at its end."""

    __slots__ = ("after", "before", "call_id", "length", "offset", "part", "pieces", "signature")

    def __init__(self, part: Part, before: bytes, after: bytes) -> None:
        self.part = part
        self.before, self.after = before, after
        self.call_id = ""
        self.offset = self.length = 0
        self.pieces: list[str] = []
        self.signature: Signature | None = None


class ToldChoice:
    """What one choice has told so far."""

    __slots__ = (
        "call_count", "citations", "detail_count", "has_content", "image_count", "is_answered",
        "parts", "text_length",
    )  # fmt: skip

    def __init__(self) -> None:
        self.parts: dict[int, ToldPart] = {}
        self.call_count = self.detail_count = self.image_count = 0
        self.has_content = False
        self.is_answered = False
        """Whether something was said that stands in place of text."""
        self.text_length = 0
        self.citations: list[tuple[int, Citation]] = []
