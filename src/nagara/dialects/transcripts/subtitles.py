"""Segments as subtitles, in the two formats that players read.

Sources: https://www.w3.org/TR/webvtt1/ and https://wiki.videolan.org/SubRip
"""

from collections.abc import Sequence

from nagara.dialects.transcripts.transcript import Segment


def write_srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered, with a comma in its times."""
    blocks = (
        f"{number}\n{_span(segment, ',')}\n{_one_block(segment.text)}\n\n"
        for number, segment in enumerate(segments, 1)
    )
    return "".join(blocks)


def write_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT."""
    blocks = (
        f"{_span(segment, '.')}\n{_escape(_one_block(segment.text))}\n\n" for segment in segments
    )
    return "WEBVTT\n\n" + "".join(blocks)


def _span(segment: Segment, point: str) -> str:
    return f"{write_time(segment.start_s, point)} --> {write_time(segment.end_s, point)}"


def write_time(seconds: float, point: str) -> str:
    """A time as subtitles have it."""
    ms = max(0, round(seconds * 1000))
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _one_block(text: str) -> str:
    # An empty line would end the block.
    return "\n".join(line for line in text.splitlines() if line.strip())


def _escape(text: str) -> str:
    # A cue's text has markup, and `-->` must not stand in it.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
