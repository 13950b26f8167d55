"""Asks the gateway through the official SDKs, and reads what they give into the neutral answer.

One module a dialect. Each asks a plain conversation, streamed (with the SDK's own accumulator) or
not, and gives the SDK's final object as JSON: what a program that uses the SDK would have.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from tests.recordings.askers import chat, gemini, messages, responses
from tests.recordings.askers.said import Said
from tests.recordings.neutral import Answer
from tests.recordings.oracle import READERS


class Asker(Protocol):
    """A client of one dialect. It may be used by several threads at once."""

    def ask(self, model: str, *, is_streamed: bool) -> Said:
        """What the SDK gives. Raises as the SDK does."""

    def close(self) -> None:
        """Close its connections. A client that is left to the collector fails some later test."""

    def read_error(self, error: Exception) -> Answer | None:
        """The error as an answer; None if it is none of the API's, but the SDK's own trouble."""


class Got(msgspec.Struct, frozen=True):
    """What came of one ask: an answer, or `trouble` where the SDK could not make one of it.

    `problems` are what is wrong with a stream's events although the final object may be right.
    """

    answer: Answer
    dropped: str = ""
    trouble: str = ""
    body: Any = None
    problems: tuple[str, ...] = ()


ASKERS: Final[Mapping[str, Callable[[str, str], Asker]]] = {
    "chat": chat.ChatAsker,
    "responses": responses.ResponsesAsker,
    "messages": messages.MessagesAsker,
    "gemini": gemini.GeminiAsker,
}


def ask(asker: Asker, dialect: str, model: str, *, is_streamed: bool) -> Got:
    """Ask once, and read what comes."""
    try:
        said = asker.ask(model, is_streamed=is_streamed)
    except Exception as error:  # noqa: BLE001 - whatever an SDK raises is a finding
        failure = asker.read_error(error)
        trouble = "" if failure else " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Got(failure or Answer(), trouble=trouble)
    try:
        answer = READERS[dialect](said.body)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return Got(Answer(), trouble=f"not an answer of {dialect}: {error!r}"[:300])
    dropped = said.headers.get("x-nagara-dropped", "")
    return Got(answer, dropped=dropped, body=said.body, problems=said.problems)
