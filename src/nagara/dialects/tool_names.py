"""Tools under names that the target takes, and back to the caller's names in the answer.

A caller may group tools in namespaces, offer tools that take free text, or use names longer than a
provider allows. For a target without those, a namespaced tool becomes `namespace__name`, a tool of
free text becomes a function with one text argument, and a name that is too long is cut and told
apart by a digest. A call of such a tool comes back under its own name, in its own form.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.codec import Target
from nagara.dialects.fit import map_parts
from nagara.dialects.json_fields import decode_untyped, encode_raw
from nagara.domain.abilities import Ability
from nagara.domain.events import ChoiceEnded, Event, PartBegan, PartDelta, PartEnded
from nagara.domain.messages import (
    FunctionTool,
    Part,
    Request,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)

NAME_LENGTH_MAX = 64
DIGEST_LENGTH = 8
_FIT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")

FREE_TEXT = "input"
"""The one argument of a function that stands for a tool of free text."""

Name = tuple[str | None, str]
"""A tool's namespace and its name in it."""


class Caller(msgspec.Struct, frozen=True):
    """What the caller knows a renamed tool as."""

    namespace: str | None
    name: str
    kind: ToolKind


class ToolNames(msgspec.Struct, frozen=True):
    """The names of one request: `flat` for the target, `callers` for the way back."""

    flat: Mapping[Name, str] = {}
    callers: Mapping[str, Caller] = {}
    makes_functions: bool = False
    """Whether tools of free text are given as functions."""


NO_NAMES = ToolNames()


def flatten_tools(request: Request, target: Target) -> tuple[Request, ToolNames]:
    """The request with names and forms that the target takes, and how to undo that."""
    names = _name_tools(request, target)
    if not names.callers:
        return request, names

    def rename(part: Part) -> Part:
        return _rename_part(part, names)

    return msgspec.structs.replace(
        request,
        tools=tuple(_flatten_tool(tool, names) for tool in request.tools),
        tool_choice=_rename_choice(request.tool_choice, names),
        messages=map_parts(request.messages, rename),
    ), names


def _name_tools(request: Request, target: Target) -> ToolNames:
    keeps_namespaces = target.can(Ability.NAMESPACES)
    makes_functions = not target.can(Ability.CUSTOM_TOOLS)
    flat: dict[Name, str] = {}
    callers: dict[str, Caller] = {}
    for tool in request.tools:
        if not isinstance(tool, FunctionTool):
            continue
        grouped = tool.namespace is not None and not keeps_namespaces
        name = _flat_name(f"{tool.namespace}__{tool.name}" if grouped else tool.name)
        changes_form = makes_functions and tool.kind is ToolKind.CUSTOM
        if name != tool.name or grouped or changes_form:
            flat[tool.namespace, tool.name] = name
            callers[name] = Caller(tool.namespace, tool.name, tool.kind)
    return ToolNames(flat, callers, makes_functions)


def _flat_name(name: str) -> str:
    """A name of at most 64 plain characters; one that had to change keeps a digest of the whole."""
    if _FIT_NAME.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=DIGEST_LENGTH // 2)
    head = _UNFIT.sub("_", name)[: NAME_LENGTH_MAX - DIGEST_LENGTH - 2]
    return f"{head if head[:1].isalpha() else 't' + head}_{digest.hexdigest()}"


def _flatten_tool(tool: Tool, names: ToolNames) -> Tool:
    if not isinstance(tool, FunctionTool):
        return tool
    flat = names.flat.get((tool.namespace, tool.name))
    if flat is None:
        return tool
    renamed = msgspec.structs.replace(
        tool,
        name=flat,
        description=_describe(tool),
        namespace=None,
        namespace_description=None,
    )
    return (
        _as_function(renamed) if names.makes_functions and tool.kind is ToolKind.CUSTOM else renamed
    )


def _describe(tool: FunctionTool) -> str | None:
    """What the model reads of a tool: of the group first, which is no longer there to say it."""
    said = (tool.namespace_description if tool.namespace is not None else None, tool.description)
    return "\n\n".join(text for text in said if text) or None


def _as_function(tool: FunctionTool) -> FunctionTool:
    """A tool of free text as a function of one text; its grammar goes into words."""
    description = tool.description or ""
    if tool.format is not None and not _is_free(tool.format):
        description += f"\n\nThe text must follow this format: {bytes(tool.format).decode()}"
    schema = {
        "type": "object",
        "properties": {FREE_TEXT: {"type": "string", "description": "The whole text."}},
        "required": [FREE_TEXT],
        "additionalProperties": False,
    }
    return msgspec.structs.replace(
        tool,
        kind=ToolKind.FUNCTION,
        description=description.strip() or None,
        parameters=encode_raw(schema),
        format=None,
    )


def _is_free(format_: msgspec.Raw) -> bool:
    """Whether a custom tool takes any text. Told of it, a model would write JSON like it."""
    try:
        value = decode_untyped(format_)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("type") == "text"


def _rename_choice(choice: ToolChoice | None, names: ToolNames) -> ToolChoice | None:
    if choice is None:
        return None
    by_name = {name: flat for (_, name), flat in names.flat.items()}
    chosen = choice.name
    if chosen is not None:
        chosen = names.flat.get((choice.namespace, chosen)) or by_name.get(chosen, chosen)
    return msgspec.structs.replace(
        choice,
        name=chosen,
        namespace=None,
        allowed=tuple(by_name.get(name, name) for name in choice.allowed),
    )


def _rename_part(part: Part, names: ToolNames) -> Part:
    if isinstance(part, ToolCall):
        flat = names.flat.get((part.namespace, part.name))
        becomes = part.kind is ToolKind.CUSTOM and names.makes_functions
        if flat is None and not becomes:
            return part
        arguments = part.arguments
        if becomes:
            arguments = write_free_text(arguments)
        return msgspec.structs.replace(
            part,
            name=flat or part.name,
            namespace=None if flat else part.namespace,
            arguments=arguments,
            kind=ToolKind.FUNCTION if becomes else part.kind,
        )
    if isinstance(part, ToolResult) and names.makes_functions and part.kind is ToolKind.CUSTOM:
        return msgspec.structs.replace(part, kind=ToolKind.FUNCTION)
    return part


class _Held(msgspec.Struct, gc=False):
    """Arguments that are told when they are whole; `is_free` if they are text, and not JSON yet."""

    pieces: list[str]
    is_free: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing can follow: of free text nobody knows."""
        if self.is_free:
            return False
        try:
            decode_untyped("".join(self.pieces).encode(errors="surrogatepass"))
        except ValueError:
            return False
        return True

    def tell(self) -> str:
        """The arguments in the form that the caller knows."""
        said = "".join(self.pieces)
        return write_free_text(said) if self.is_free else _read_free_text(said)


class NameRestorer:
    """Gives the calls of one answer the names and the form that the caller knows.

    The arguments of a free-text tool are held until they are whole: half a JSON string has no text.
    That may be after its part has ended, since some providers write parallel calls in turns. With
    `makes_functions` the caller's dialect has no such tools: a call of one that the caller never
    offered becomes a function's.
    """

    def __init__(self, names: ToolNames, *, makes_functions: bool = False) -> None:
        self._callers = names.callers
        self._reads_functions = names.makes_functions
        self._makes_functions = makes_functions
        self.held: dict[tuple[int, int], _Held] = {}

    def restore(self, event: Event) -> Sequence[Event]:
        """The event, or those that stand for it now."""
        if isinstance(event, PartBegan):
            if isinstance(event.part, ToolCall):
                return self._begin(event, event.part)
        elif not self.held:
            return (event,)
        elif isinstance(event, PartDelta):
            held = self.held.get((event.choice, event.index))
            if held is not None:
                held.pieces.append(event.text)
                return ()
        elif isinstance(event, PartEnded):
            held = self.held.get((event.choice, event.index))
            if held is not None and held.is_whole:
                return (self._release(event.choice, event.index), event)
        elif isinstance(event, ChoiceEnded):
            indexes = [index for choice, index in self.held if choice == event.choice]
            return (*(self._release(event.choice, index) for index in indexes), event)
        return (event,)

    def _release(self, choice: int, index: int) -> PartDelta:
        return PartDelta(index, self.held.pop((choice, index)).tell(), choice)

    def _begin(self, event: PartBegan, call: ToolCall) -> Sequence[Event]:
        known = self._callers.get(call.name)
        if known is not None:
            is_free = False
            is_held = known.kind is ToolKind.CUSTOM and self._reads_functions
            kind = known.kind
        else:
            known = Caller(call.namespace, call.name, call.kind)
            is_free = is_held = call.kind is ToolKind.CUSTOM and self._makes_functions
            kind = ToolKind.FUNCTION if is_free else call.kind
        if is_held:
            self.held[event.choice, event.index] = _Held([call.arguments], is_free=is_free)
        part = msgspec.structs.replace(
            call,
            name=known.name,
            namespace=known.namespace,
            kind=kind,
            arguments="" if is_held else call.arguments,
        )
        return (PartBegan(event.index, part, event.choice),)


def write_free_text(text: str) -> str:
    """The arguments of the function that stands for a tool of free text."""
    return bytes(encode_raw({FREE_TEXT: text})).decode()


def _read_free_text(arguments: str) -> str:
    """The text that a model gave to a tool of free text, or what it gave instead of it."""
    try:
        value = decode_untyped(arguments.encode(errors="surrogatepass"))
    except ValueError:
        return arguments
    text = value.get(FREE_TEXT) if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
