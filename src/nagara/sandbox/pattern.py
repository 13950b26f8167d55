"""Regular expressions of JSON schemas: a string that matches, and whether a string does.

Patterns come from callers, so matching must not backtrack: `re` can be made to run for hours by a
short pattern. Here a pattern is parsed to a small tree, and a match is a walk with the set of all
positions reached, which is polynomial. What the subset lacks (look-around, back references, named
classes of Unicode) raises `UnsupportedPatternError`; the caller then leaves the pattern unheeded.

The dialect is that of https://json-schema.org/understanding-json-schema/reference/regular_expressions
"""

from functools import lru_cache
from typing import Final

import msgspec

REPEATS_MAX: Final = 2_000
STEPS_MAX: Final = 200_000

Ranges = tuple[tuple[str, str], ...]

LAST: Final = chr(0x10FFFF)
DIGITS: Final[Ranges] = (("0", "9"),)
WORD: Final[Ranges] = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
SPACE: Final[Ranges] = (("\t", "\r"), (" ", " "))
CLASSES: Final = {"d": DIGITS, "w": WORD, "s": SPACE}
CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
PREFERRED: Final = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ "
PRINTABLE: Final = "".join(map(chr, range(32, 127)))


class UnsupportedPatternError(ValueError):
    """The pattern is broken, or uses what this subset does not have."""


class CharacterSet(msgspec.Struct, frozen=True, tag=True):
    """One character out of some ranges, each with its first and its last."""

    ranges: Ranges

    def has(self, character: str) -> bool:
        """Whether the set takes this character."""
        return any(first <= character <= last for first, last in self.ranges)

    def sample(self, index: int) -> str:
        """A readable member; another `index` gives another one where there is one."""
        pool = find_readable(self)
        if not pool:
            raise UnsupportedPatternError("a class without characters")
        return pool[index % len(pool)]


@lru_cache(maxsize=256)
def find_readable(characters: CharacterSet) -> str:
    """Members of a set, the plainest that there are. Surrogates are no characters of a text."""
    for pool in (PREFERRED, PRINTABLE):
        if found := "".join(filter(characters.has, pool)):
            return found
    return "".join(c for c, _ in characters.ranges if not "\ud800" <= c <= "\udfff")


def complement(ranges: Ranges) -> Ranges:
    """All characters that are in none of the ranges."""
    gaps: list[tuple[str, str]] = []
    start = 0
    for first, last in sorted(ranges):
        if ord(first) > start:
            gaps.append((chr(start), chr(ord(first) - 1)))
        start = max(start, ord(last) + 1)
    return (*gaps, (chr(start), LAST)) if start <= ord(LAST) else tuple(gaps)


def one_character(character: str) -> CharacterSet:
    """The set of this character alone."""
    return CharacterSet(((character, character),))


class Sequence(msgspec.Struct, frozen=True, tag=True):
    """All parts, one after the other."""

    parts: tuple["Node", ...]


class Choice(msgspec.Struct, frozen=True, tag=True):
    """Any one of the branches."""

    branches: tuple["Node", ...]


class Repeat(msgspec.Struct, frozen=True, tag=True):
    """The node from `least` to `most` times; `most` of None is without end."""

    node: "Node"
    least: int
    most: int | None


class Anchor(msgspec.Struct, frozen=True, tag=True):
    """The start or the end of the text."""

    is_start: bool


Node = CharacterSet | Sequence | Choice | Repeat | Anchor


class PatternParser:
    """Recursive descent over the pattern's characters."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        """The tree of the whole pattern."""
        node = self._choice()
        if self._at < len(self._source):
            raise UnsupportedPatternError(f"an unexpected {self._source[self._at]!r}")
        return node

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise UnsupportedPatternError("it ends too early")
        self._at += 1
        return character

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > 20:
            raise UnsupportedPatternError("nested too deeply")
        branches = [self._sequence()]
        while self._peek() == "|":
            self._take()
            branches.append(self._sequence())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeat(self._atom()))
        return Sequence(tuple(parts))

    def _repeat(self, node: Node) -> Node:
        while (sign := self._peek()) in ("*", "+", "?") or (sign == "{" and self._is_counted()):
            node = Repeat(node, *self._bounds())
            if self._peek() == "?":  # lazy: the same language
                self._take()
        return node

    def _is_counted(self) -> bool:
        return self._source[self._at + 1 : self._at + 2].isdigit()

    def _bounds(self) -> tuple[int, int | None]:
        sign = self._take()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        text, closed, _ = self._source[self._at :].partition("}")
        least, comma, most = text.partition(",")
        if not closed or not least.isdecimal() or (most and not most.isdecimal()):
            raise UnsupportedPatternError("a broken repetition")
        self._at += len(text) + 1
        bounds = int(least), (int(most) if most else None) if comma else int(least)
        if max(bounds[0], bounds[1] or 0) > REPEATS_MAX:
            raise UnsupportedPatternError(f"more than {REPEATS_MAX} repetitions")
        return bounds

    def _atom(self) -> Node:
        character = self._take()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._bracket()
            case ".":
                return CharacterSet(complement((("\n", "\n"), ("\r", "\r"))))
            case "^" | "$":
                return Anchor(is_start=character == "^")
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise UnsupportedPatternError("nothing to repeat")
        return one_character(character)

    def _group(self) -> Node:
        if self._peek() == "?":
            self._take()
            if self._take() != ":":
                raise UnsupportedPatternError("look-around or a named group")
        node = self._choice()
        if self._take() != ")":
            raise UnsupportedPatternError("an open group")
        return node

    def _escape(self) -> CharacterSet:
        letter = self._take()
        if letter.lower() in CLASSES:
            ranges = CLASSES[letter.lower()]
            return CharacterSet(complement(ranges) if letter.isupper() else ranges)
        if letter in CONTROLS:
            return one_character(CONTROLS[letter])
        if letter in ("x", "u"):
            return one_character(self._code_point(2 if letter == "x" else 4))
        if letter.isalnum():
            raise UnsupportedPatternError(f"the escape \\{letter}")
        return one_character(letter)

    def _code_point(self, digits: int) -> str:
        text = self._source[self._at : self._at + digits]
        self._at += digits
        try:
            return chr(int(text, 16))
        except ValueError:
            raise UnsupportedPatternError("a broken code point") from None

    def _bracket(self) -> CharacterSet:
        is_negated = self._peek() == "^"
        self._at += is_negated
        ranges: Ranges = ()
        while (character := self._take()) != "]":
            low = self._member(character)
            if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in ("", "]"):
                ranges += self._range(low)
            else:
                ranges += low.ranges
        return CharacterSet(complement(ranges) if is_negated else ranges)

    def _member(self, character: str) -> CharacterSet:
        return self._escape() if character == "\\" else one_character(character)

    def _range(self, low: CharacterSet) -> Ranges:
        self._take()
        high = self._member(self._take())
        (first, low_end), (high_start, last) = low.ranges[0], high.ranges[0]
        if first != low_end or high_start != last or len(low.ranges) + len(high.ranges) > 2:
            raise UnsupportedPatternError("a range between classes")
        if last < first:
            raise UnsupportedPatternError("an empty range")
        return ((first, last),)


def parse_pattern(source: str) -> Node:
    """The tree of a pattern. Raises `UnsupportedPatternError`."""
    if len(source) > 1_000:
        raise UnsupportedPatternError("longer than 1000 characters")
    return PatternParser(source).parse()


class Walk:
    """Walks trees, to match or to make, within one bound on the steps of all its walks."""

    def __init__(self, steps: int = STEPS_MAX) -> None:
        self._steps = steps

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise UnsupportedPatternError("too much work")

    def reach(self, node: Node, text: str, starts: set[int]) -> set[int]:
        """The positions that can be reached from `starts` by matching `node` once."""
        self._spend(1 + len(starts))
        match node:
            case CharacterSet():
                return {at + 1 for at in starts if at < len(text) and node.has(text[at])}
            case Anchor():
                return {0 if node.is_start else len(text)} & starts
            case Sequence():
                for part in node.parts:
                    starts = self.reach(part, text, starts)
                return starts
            case Choice():
                return set().union(*(self.reach(branch, text, starts) for branch in node.branches))
            case Repeat():
                return self._reach_repeat(node, text, starts)

    def _reach_repeat(self, node: Repeat, text: str, current: set[int]) -> set[int]:
        for _ in range(node.least):
            following = self.reach(node.node, text, current)
            if following == current:
                break
            current = following
        reached, rounds = set(current), node.least
        while current and (node.most is None or rounds < node.most):
            current = self.reach(node.node, text, current) - reached
            reached |= current
            rounds += 1
        return reached

    def make(self, node: Node, index: int, extra: int) -> str:
        """A text that `node` matches; see `make_match`."""
        self._spend(1)
        match node:
            case CharacterSet():
                return node.sample(index)
            case Anchor():
                return ""
            case Sequence():
                return "".join(self.make(part, index, extra) for part in node.parts)
            case Choice():
                return self.make(node.branches[index % len(node.branches)], index, extra)
            case Repeat():
                wanted = node.least if extra < 0 else max(node.least, 1) + extra
                count = wanted if node.most is None else min(wanted, node.most)
                return "".join(self.make(node.node, index + n, extra) for n in range(count))


def is_match(node: Node, text: str, walk: Walk | None = None) -> bool:
    """Whether the pattern is found anywhere in `text`, as JSON Schema wants."""
    return bool((walk or Walk()).reach(node, text, set(range(len(text) + 1))))


def make_match(node: Node, index: int = 0, extra: int = 0, walk: Walk | None = None) -> str:
    """A text that the pattern matches, unless it holds an anchor in an odd place.

    `index` varies it; `extra` lengthens its open repetitions, and -1 makes them shortest.
    """
    return (walk or Walk()).make(node, index, extra)
