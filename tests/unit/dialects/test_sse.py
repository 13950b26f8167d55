"""Bytes to whole events: line ends, bounds, and what is left alone."""

import re
from collections.abc import Iterator

import pytest

from nagara.dialects import sse
from nagara.dialects.sse import SseSplitter, encode_event, read_data, replace_data
from nagara.domain.errors import ErrorKind, GatewayError

BOUND = 1000


def split(*pieces: bytes, bound: int = BOUND) -> list[bytes]:
    splitter = SseSplitter(bound)
    return [event for piece in pieces for event in splitter.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_event_ends_at_an_empty_line_of_any_kind(end: bytes) -> None:
    first = b"event: a" + end + b"data: 1" + end + end
    second = b"data: 2" + end + end
    assert split(first + second) == [first, second]
    assert read_data(first) == b"1"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_what_only_looks_like_a_line_end_is_left_alone(separator: str) -> None:
    data = f'{{"text":"a{separator}{separator}b"}}'.encode()
    event = b"data: " + data + b"\n\n"
    assert split(event) == [event]
    assert read_data(event) == data
    assert read_data(b": comment\n" + event) == data


def test_one_crlf_is_not_two_line_ends() -> None:
    assert split(b"data: 1\r", b"\ndata: 2\r", b"\n\r\n") == [b"data: 1\r\ndata: 2\r\n\r\n"]
    assert read_data(b"data: 1\r\ndata: 2\r\n\r\n") == b"1\n2"


def test_half_a_crlf_at_the_seam_begins_the_next_event_as_an_empty_line() -> None:
    events = split(b"data: 1\r\n\r", b"\ndata: 2\r\n\r\n")
    assert b"".join(events) == b"data: 1\r\n\r\ndata: 2\r\n\r\n"
    assert [read_data(event) for event in events] == [b"1", b"2"]


def test_unfinished_event_is_kept_back() -> None:
    splitter = SseSplitter(BOUND)
    assert splitter.feed(b"data: 1\n\ndata: 2\n") == [b"data: 1\n\n"]
    assert splitter.take_rest() == b"data: 2\n"
    assert splitter.feed(b"\n") == [b"data: 2\n\n"]
    assert splitter.take_rest() == b""


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_bound_holds_however_the_bytes_are_split(size: int) -> None:
    fits, exceeds = (b"data: " + b"x" * (BOUND - 8 + extra) + b"\n\n" for extra in (0, 1))
    assert split(*(fits[i : i + size] for i in range(0, len(fits), size))) == [fits]
    with pytest.raises(GatewayError) as caught:
        split(*(exceeds[i : i + size] for i in range(0, len(exceeds), size)))
    assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE
    assert str(BOUND) in caught.value.message


def test_bound_is_of_one_event_and_not_of_a_piece() -> None:
    event = b"data: " + b"x" * 100 + b"\n\n"
    assert split(event * 100) == [event] * 100


class Searches:
    """Stands where the pattern stands, and adds up how much it is asked to look at."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.searched_bytes = 0

    def finditer(self, tail: bytearray, position: int) -> Iterator[re.Match[bytes]]:
        self.searched_bytes += len(tail) - position
        return self.pattern.finditer(tail, position)


@pytest.mark.parametrize(("pattern", "end"), [("_LF_EVENT_END", b"\n"), ("_EVENT_END", b"\r\n")])
def test_a_megabyte_fed_byte_by_byte_is_searched_once(
    monkeypatch: pytest.MonkeyPatch, pattern: str, end: bytes
) -> None:
    searches = Searches(getattr(sse, pattern))
    monkeypatch.setattr(sse, pattern, searches)
    event = b"event: x" + end + b"data: " + b"x" * 1_000_000 + end + end
    splitter = SseSplitter(2_000_000)
    events = [e for i in range(len(event)) for e in splitter.feed(event[i : i + 1])]
    assert b"".join(events) + splitter.take_rest() == event
    assert read_data(events[0]) == b"x" * 1_000_000
    assert len(event) - 10 <= searches.searched_bytes <= 4 * len(event)


def test_line_ends_may_change_in_the_middle_of_a_stream() -> None:
    first, second, third = b"data: 1\n\n", b"data: 2\r\n\r\n", b"data: 3\n\n"
    assert split(first + second[:9], second[9:] + third) == [first, second, third]
    assert split(b"data: 1\n", b"\r\ndata: 2\n\n") == [b"data: 1\n\r\n", b"data: 2\n\n"]


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"event: x\ndata: a\nid: 1\n\n", b"a"),
        (b"event: x\ndata: a\n\n", b"a"),
        (b"event: x\ndata: a\ndata: b\n\n", b"a\nb"),
        (b"event: x\r\ndata: a\n\n", b"a"),
        (b"event: x\nevent: y\ndata: a\n\n", b"a"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b": ping\n\n", b""),
        (b"event: ping\n\n", b""),
        (b"database: x\n\n", b""),
        (b"\n\n", b""),
    ],
)
def test_data_of_an_event(event: bytes, data: bytes) -> None:
    assert read_data(event) == data


def test_replacing_the_data_keeps_the_other_lines() -> None:
    assert replace_data(b"data: a\n\n", b"b") == b"data: b\n\n"
    assert replace_data(b": c\r\nevent: x\r\ndata: a\r\ndata: a\r\nid: 7\r\n\r\n", b"b") == (
        b": c\nevent: x\nid: 7\ndata: b\n\n"
    )


def test_data_that_came_in_several_lines_is_put_into_one() -> None:
    event = b'data: {"a": [\ndata: 1]}\n\n'
    data = read_data(event)
    assert read_data(replace_data(event, data)) == data.replace(b"\n", b" ")


def test_encoded_event_has_its_name_before_its_data() -> None:
    assert encode_event(b"{}") == b"data: {}\n\n"
    assert encode_event(b"{}", "error") == b"event: error\ndata: {}\n\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_event_that_comes_alone_is_read_whatever_its_line_ends(end: str) -> None:
    event = f'data: {{"text": "a\u0085b\u2028"}}{end}{end}'.encode()
    assert SseSplitter(1000).feed(event) == [event]
    assert read_data(event) == '{"text": "a\u0085b\u2028"}'.encode()


def test_two_events_of_crlf_in_one_piece_are_two() -> None:
    assert SseSplitter(1000).feed(b"data: 1\r\n\r\ndata: 2\r\n\r\n") == [
        b"data: 1\r\n\r\n",
        b"data: 2\r\n\r\n",
    ]


def test_an_event_of_crlf_that_comes_alone_is_held_to_the_bound() -> None:
    with pytest.raises(GatewayError):
        SseSplitter(10).feed(b"data: 1234567890\r\n\r\n")
