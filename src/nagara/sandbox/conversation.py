"""What the sandbox needs to know of a conversation, whatever dialect it came in.

Each dialect reads its request into a `Conversation` and writes a `Reply` in its own form. It is
smaller than the gateway's canonical request on purpose: the sandbox is a provider and stands
outside it, so that its answers test the gateway's own decoding and do not share it.
"""

import enum
import hashlib
from typing import Any

import msgspec


class ToolKind(enum.Enum):
    """How a tool takes its input."""

    FUNCTION = "function"
    CUSTOM = "custom"
    LOCAL_SHELL = "local_shell"


class Tool(msgspec.Struct, frozen=True):
    """An offered tool. `parameters` is the schema of its arguments, None where it has none."""

    name: str
    kind: ToolKind = ToolKind.FUNCTION
    parameters: Any = None
    namespace: str | None = None


class ToolMode(enum.Enum):
    """How free the answer is in calling tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolPolicy(msgspec.Struct, frozen=True):
    """`name` forces one tool; `allowed` of None allows all that are offered."""

    mode: ToolMode = ToolMode.AUTO
    name: str | None = None
    allowed: frozenset[str] | None = None
    is_parallel: bool = True


class Speaker(enum.Enum):
    """Who says a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Turn(msgspec.Struct, frozen=True):
    """One contribution, as its texts. A tool's result is a turn of its own."""

    speaker: Speaker
    texts: tuple[str, ...]


class JsonFormat(msgspec.Struct, frozen=True):
    """The answer must be JSON; with `schema` of None, any object. `path` names the schema."""

    schema: Any
    path: tuple[str | int, ...]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A request for text. `input_tokens` counts everything that was sent."""

    turns: tuple[Turn, ...]
    input_tokens: int
    tools: tuple[Tool, ...] = ()
    policy: ToolPolicy = ToolPolicy()
    format: JsonFormat | None = None
    output_tokens_max: int | None = None
    stops: tuple[str, ...] = ()
    is_reasoning: bool = False
    is_stream: bool = False
    choices: int = 1


class Finish(enum.Enum):
    """Why the answer ends."""

    STOP = "stop"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"


class Call(msgspec.Struct, frozen=True):
    """A call of a tool. `input` is JSON text, or free text for a custom tool."""

    tool: Tool
    input: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. Empty `text` beside calls means that nothing is said."""

    text: str
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: Finish = Finish.STOP
    stop_sequence: str | None = None
    output_tokens: int
    reasoning_tokens: int = 0


class Ids:
    """Ids that derive from the request's own, so that the same request has the same ones."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id

    def make(self, prefix: str, *which: str | int, digits: int = 24) -> str:
        """The id of one thing: `prefix` and up to 64 hex digits."""
        label = ":".join(map(str, (self._request_id, prefix, *which)))
        return prefix + hashlib.sha256(label.encode()).hexdigest()[:digits]
