"""A transcript as any provider gives it, and the segments that its words make.

Where a provider times words alone, a segment is what fits into a subtitle: it ends with a sentence,
at a pause, with another speaker, or when it is too long to be read at once.

Source of the lengths: https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from nagara.dialects.exchange import unreadable
from nagara.domain.usage import Usage

SECONDS_MAX: Final = 1e7
"""More than any audio lasts."""
SEGMENT_CHARACTERS_MAX: Final = 84
"""Two lines of 42."""
SEGMENT_S_MAX: Final = 7.0
PAUSE_S: Final = 1.0
CLOSING: Final = "\"'\u201d\u2019)\u00bb"
"""What may come between the end of a sentence and the end of its last word."""
SENTENCE_ENDS: Final = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001 - Chinese has its own


class Word(msgspec.Struct, frozen=True):
    """A word and when it was said, in seconds. `lead` is what stands before it, such as a space."""

    text: str
    start_s: float
    end_s: float
    lead: str = ""
    speaker: str | None = None
    logprob: float | None = None


class Segment(msgspec.Struct, frozen=True):
    """Some of what was said, by one speaker."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None = None
    logprob: float | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard. `segments` are there where the provider has its own."""

    text: str
    language: str | None = None
    duration_s: float | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    usage: Usage | None = None

    def find_segments(self) -> Sequence[Segment]:
        """The provider's, or else those that the words make."""
        return self.segments or tuple(group_words(self.words))


def read_seconds(said: float | None) -> float | None:
    """A length that can be; None for any other, which is as good as none."""
    return said if said is not None and 0 <= said <= SECONDS_MAX else None


def check_times(transcript: Transcript) -> None:
    """Raise `GatewayError` for times that cannot be."""
    every: tuple[Word | Segment, ...] = (*transcript.words, *transcript.segments)
    for timed in every:
        if read_seconds(timed.start_s) is None or read_seconds(timed.end_s) is None:
            raise unreadable(f"it says that something ends after {timed.end_s:.3g} seconds")


def group_words(words: Sequence[Word]) -> Iterator[Segment]:
    """The words as segments."""
    group: list[Word] = []
    for word in words:
        if group and _ends(group, word):
            yield _join(group)
            group = []
        group.append(word)
    if group:
        yield _join(group)


def _ends(group: Sequence[Word], word: Word) -> bool:
    """Whether the segment ends before this word."""
    first, last = group[0], group[-1]
    length = sum(len(each.lead) + len(each.text) for each in (*group, word))
    return (
        word.speaker != last.speaker
        or last.text.rstrip(CLOSING).endswith(SENTENCE_ENDS)
        or word.start_s - last.end_s > PAUSE_S
        or word.end_s - first.start_s > SEGMENT_S_MAX
        or length > SEGMENT_CHARACTERS_MAX
    )


def _join(group: Sequence[Word]) -> Segment:
    known = [word.logprob for word in group if word.logprob is not None]
    return Segment(
        text="".join(word.lead + word.text for word in group).strip(),
        start_s=group[0].start_s,
        end_s=max(word.end_s for word in group),
        speaker=group[0].speaker,
        logprob=sum(known) / len(known) if known else None,
    )
