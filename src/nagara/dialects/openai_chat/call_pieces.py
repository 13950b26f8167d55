"""Pieces of streamed tool calls, and which call each is of.

OpenAI numbers calls and gives the id and the name once, with the first piece. Others number every
call 0, give no number, give the id again with each piece, or the name only after the id; what they
all keep to is that pieces without any sign of their own continue the call before them.

Source: https://platform.openai.com/docs/guides/function-calling#streaming
"""

from collections.abc import Iterable

import msgspec

from nagara.dialects.openai_chat.wire import CallWire
from nagara.domain.messages import Signature, ToolCall, ToolKind


class OpenCall:
    """A tool call that has begun as part `part`, or that waits for its name."""

    __slots__ = ("id", "part", "waiting")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.part: int | None = None
        self.waiting: list[str] = []
        """Arguments that came before the name."""


class OpenCalls:
    """The calls of one choice, found by what their pieces say."""

    def __init__(self) -> None:
        self._calls: dict[int, OpenCall] = {}
        self._last: OpenCall | None = None
        self.begun_count = 0

    def find(self, piece: CallWire, name: str | None) -> OpenCall:
        """The call that a piece is of, or a new one."""
        if piece.index is not None:
            call = self._find_numbered(piece.index, piece.id, name)
        elif self._last is None or name or (piece.id and piece.id != self._last.id):
            # Without a number a name or another id begins a call; its own number is below zero.
            call = self._calls[-1 - len(self._calls)] = OpenCall(piece.id or "")
        else:
            call = self._last
        self._last = call
        call.id = call.id or piece.id or ""
        return call

    def unnamed(self) -> Iterable[OpenCall]:
        """The calls whose name never came."""
        return [call for call in self._calls.values() if call.part is None]

    def _find_numbered(self, index: int, call_id: str | None, name: str | None) -> OpenCall:
        call = self._calls.get(index)
        # Gemini's compatible endpoint numbers every parallel call 0, each whole and with its id.
        is_another = call is not None and name and call_id and call_id != call.id
        if call is None or (is_another and call.part is not None):
            call = self._calls[index] = OpenCall(call_id or "")
        return call


def begin_call(call: OpenCall, piece: CallWire, name: str, maker: str) -> ToolCall:
    """The call as far as it is known when its name is."""
    google = piece.extra_content.google if piece.extra_content is not None else None
    signed = google.thought_signature if google is not None else None
    return ToolCall(
        id=call.id,
        name=name,
        kind=ToolKind.FUNCTION if piece.custom is None else ToolKind.CUSTOM,
        signature=Signature(signed, maker) if signed else None,
    )


def read_arguments(piece: CallWire) -> str:
    """The piece of the arguments' JSON text, or of a custom tool's input."""
    if piece.custom is not None:
        return piece.custom.input or ""
    arguments = piece.function.arguments if piece.function is not None else None
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""
