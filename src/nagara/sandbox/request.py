"""Reading a request that may hold anything: each wrong value becomes a refusal that names it.

A `Field` is a value with the path that leads to it. Its readers return what was asked for or
raise `BadRequest`, which says what was wrong in terms that each API words in its own way. No
other exception leaves this module, whatever the JSON is.
"""

import enum
from collections.abc import Callable, Sequence
from typing import IO, Any, Final

import msgspec

DEPTH_MAX: Final = 100

OpenFile = Callable[[int], IO[bytes]]
"""Opens a file of a form by its place among the files."""


class Problem(enum.Enum):
    """What can be wrong with a field."""

    MISSING = "missing"
    TYPE = "type"
    EMPTY = "empty"
    LONG = "long"
    LOW = "low"
    HIGH = "high"
    VALUE = "value"
    OTHER = "other"


class BadRequest(Exception):  # noqa: N818  (what HTTP calls a 400)
    """A request that the API would refuse. `detail` is the expectation, in words."""

    def __init__(
        self, path: Sequence[str | int], problem: Problem, detail: str = "", found: Any = None
    ) -> None:
        super().__init__(path, problem, detail)
        self.path = tuple(path)
        self.problem = problem
        self.detail = detail
        self.found = found


class Field:
    """A value somewhere in the body. Absent and null are the same: there is nothing to read."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: tuple[str | int, ...] = ()) -> None:
        self.value = value
        self.path = path

    def __getitem__(self, name: str) -> "Field":
        members = self.read_object()
        # The brackets are a form's way to say that it is a list.
        return Field(members.get(name), (*self.path, name.removesuffix("[]")))

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing here."""
        return self.value is None

    def fail(self, problem: Problem, detail: str = "") -> BadRequest:
        """The refusal that names this field."""
        return BadRequest(self.path, problem, detail, self.value)

    def refuse(self, detail: str) -> BadRequest:
        """The refusal that names this field, in free words."""
        return self.fail(Problem.OTHER, detail)

    def _read(self, kind: type, name: str) -> Any:
        if self.value is None:
            raise self.fail(Problem.MISSING)
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            raise self.fail(Problem.TYPE, name)
        return self.value

    def read_object(self) -> dict[str, Any]:
        """The members of an object."""
        members: dict[str, Any] = self._read(dict, "an object")
        return members

    def read_text(self) -> str:
        """A string."""
        text: str = self._read(str, "a string")
        return text

    def read_choice(self, names: Sequence[str]) -> str:
        """One of some strings."""
        text = self.read_text()
        if text not in names:
            raise self.fail(Problem.VALUE, ", ".join(f"'{name}'" for name in names))
        return text

    def read_items(self, least: int = 0, most: int | None = None) -> list["Field"]:
        """The items of an array of a bounded length."""
        items = self._read(list, "an array")
        if len(items) < least:
            raise self.fail(Problem.EMPTY)
        if most is not None and len(items) > most:
            raise self.fail(Problem.LONG, str(most))
        return [Field(item, (*self.path, index)) for index, item in enumerate(items)]

    def read_integer(self, least: int, most: int | None = None) -> int:
        """A whole number within bounds."""
        number: int = self._read(int, "an integer")
        if number < least:
            raise self.fail(Problem.LOW, str(least))
        if most is not None and number > most:
            raise self.fail(Problem.HIGH, str(most))
        return number

    def find_integer(self, least: int, most: int | None = None) -> int | None:
        """A whole number within bounds, or None where there is nothing."""
        return None if self.is_absent else self.read_integer(least, most)

    def check_number(self, least: float, most: float) -> None:
        """Refuse what is there unless it is a number within bounds."""
        if self.value is None:
            return
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise self.fail(Problem.TYPE, "a decimal")
        if self.value < least:
            raise self.fail(Problem.LOW, f"{least:g}")
        if self.value > most:
            raise self.fail(Problem.HIGH, f"{most:g}")

    def read_flag(self, default: bool = False) -> bool:
        """A boolean, or `default` where there is nothing."""
        if self.value is None:
            return default
        flag: bool = self._read(bool, "a boolean")
        return flag

    def find_text(self) -> str | None:
        """The string that is here, or None for anything else."""
        return self.value if isinstance(self.value, str) else None


def read_body(body: bytes) -> Field:
    """The body as a field. Raises `BadRequest` without a path where it is not a JSON object."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise BadRequest((), Problem.OTHER, "the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRequest((), Problem.OTHER, "the body is not a JSON object")
    if measure_depth(value) > DEPTH_MAX:
        raise BadRequest((), Problem.OTHER, f"the body is nested deeper than {DEPTH_MAX} levels")
    return Field(value)


def measure_depth(value: Any) -> int:
    """How deep arrays and objects are nested; it stops counting soon after the bound."""
    depth, level = 0, [value]
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return depth


def find_kind(value: Any) -> str:
    """What a JSON value is, as the APIs say it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"
