"""The rules of the streams that the SDKs' accumulators do not check themselves.

A program that shows a stream as it comes relies on indexes, ids and sequence numbers; the final
object can be right although they are not.
"""

from collections.abc import Mapping
from typing import Any, Final

WHOLES: Final = ("text", "arguments", "refusal", "code", "input")


class ResponsesRules:
    """Responses: events numbered from 0, items added in order, named alike, and done once.

    https://platform.openai.com/docs/api-reference/responses-streaming
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._number = 0
        self._items: list[str | None] = []
        self._done: dict[int, Any] = {}
        self._texts: dict[tuple[str, int, int], str] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Check the next event."""
        kind, index = event["type"], event.get("output_index")
        if event.get("sequence_number") != self._number:
            self._complain(f"{kind} has number {event.get('sequence_number')}, not {self._number}")
        self._number += 1
        if kind == "response.output_item.added":
            if index != len(self._items):
                self._complain(f"item {len(self._items)} is added at {index}")
            self._items.append(event["item"].get("id"))
        elif index is not None:
            self._take_of_item(kind, index, event)
        elif kind in ("response.completed", "response.incomplete"):
            self._compare_final(event["response"].get("output") or [])

    def _take_of_item(self, kind: str, index: int, event: Mapping[str, Any]) -> None:
        item_id = event.get("item_id") or (event.get("item") or {}).get("id")
        if index >= len(self._items) or item_id != self._items[index]:
            self._complain(f"{kind} is of {item_id!r} at {index}, which was not added there")
        elif index in self._done:
            self._complain(f"{kind} comes after item {index} was done")
        elif kind == "response.output_item.done":
            self._done[index] = event["item"]
        else:
            self._take_text(kind, index, event)

    def _take_text(self, kind: str, index: int, event: Mapping[str, Any]) -> None:
        """The pieces of a text are what is said of it at its end."""
        place = (
            kind.rpartition(".")[0],
            index,
            event.get("content_index", event.get("summary_index", 0)),
        )
        if kind.endswith(".delta"):
            self._texts[place] = self._texts.get(place, "") + event["delta"]
        elif kind.endswith(".done") and place in self._texts:
            whole = next((event[name] for name in WHOLES if name in event), None)
            if whole != self._texts.pop(place):
                self._complain(f"{kind} says another text than its deltas")

    def _compare_final(self, output: list[Any]) -> None:
        done = [self._done.get(index) or {} for index in range(len(self._items))]
        ids = [[(item.get("type"), item.get("id")) for item in items] for items in (done, output)]
        if ids[0] != ids[1]:
            self._complain(f"the items that were done are not the final response's: {ids}")

    def _complain(self, problem: str) -> None:
        self.problems.append(problem)


class MessagesRules:
    """Messages: blocks numbered from 0, one open at a time, closed before the message's end.

    https://docs.anthropic.com/en/docs/build-with-claude/streaming
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._number = 0
        self._open: int | None = None
        self._kinds: list[str] = []

    def take(self, event: Mapping[str, Any]) -> None:
        """Check the next event."""
        kind, index = event["type"], event.get("index")
        if kind != "ping" and (kind == "message_start") is bool(self._kinds):
            self.problems.append(f"{kind} comes after {self._kinds[-1:]}")
        if kind == "content_block_start":
            if self._open is not None or index != self._number:
                self.problems.append(f"block {index} begins while {self._open} is open")
            self._open, self._number = index, self._number + 1
        elif kind in ("content_block_delta", "content_block_stop"):
            if index != self._open:
                self.problems.append(f"{kind} is of {index} while {self._open} is open")
            if kind == "content_block_stop":
                self._open = None
        elif kind in ("message_delta", "message_stop") and self._open is not None:
            self.problems.append(f"{kind} comes while {self._open} is open")
        self._kinds.append(kind)
