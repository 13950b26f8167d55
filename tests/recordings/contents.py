"""What a request says that must reach the provider: texts, the caller's tools, and media.

Read from the recorded body in its own dialect, without the gateway's code, and looked for anywhere
in the body that arrived: where it has to stand is a matter of the published types, that it is
there at all is a matter of this. Reasoning and the traces of a provider's own tools are left out,
as another provider could not read them.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

MEDIA_LENGTH: Final = 64
"""So much of a file's data is enough to know it by."""

RESPONSES_ITEMS: Final = frozenset({"message", "function_call", "function_call_output", None})


class Contents(msgspec.Struct, frozen=True):
    """What is looked for: texts, names of functions offered, and the first of each file's data."""

    texts: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()


STANDARD_BASE64: Final = str.maketrans("-_", "+/")


class Collecting:
    """Gathers what a request says."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self.tools: set[str] = set()
        self.media: set[str] = set()

    def add_text(self, text: Any) -> None:
        """A text; JSON is left out, since another dialect may have it as a value."""
        if isinstance(text, str) and text.strip() and text.strip()[0] not in "{[":
            self._texts.add(text.strip())

    def add_data(self, data: Any) -> None:
        """A file: its base64 data, in a data URL or bare, or the address it lies at."""
        if isinstance(data, str) and data:
            said = data.partition(";base64,")[2][:MEDIA_LENGTH] or data[:MEDIA_LENGTH]
            # Two alphabets write the same bytes; an address or an id is no base64.
            is_base64 = len(said) == MEDIA_LENGTH and ":" not in said
            self.media.add(said.translate(STANDARD_BASE64) if is_base64 else said)

    def contents(self) -> Contents:
        """All of it."""
        return Contents(frozenset(self._texts), frozenset(self.tools), frozenset(self.media))


def read_contents(dialect: str, body: Mapping[str, Any]) -> Contents:
    """What a body of a dialect says."""
    collecting = Collecting()
    READERS[dialect](body, collecting)
    return collecting.contents()


def read_chat(body: Mapping[str, Any], into: Collecting) -> None:
    """Chat Completions."""
    for message in body["messages"]:
        read_blocks(message.get("content"), into)
    functions = (tool.get("function") or {} for tool in body.get("tools") or ())
    names = {function["name"] for function in functions if "name" in function}
    into.tools |= choose(names, body.get("tool_choice"))


def read_responses(body: Mapping[str, Any], into: Collecting) -> None:
    """Responses."""
    into.add_text(body.get("instructions"))
    items = body.get("input")
    for item in [{"content": items}] if isinstance(items, str) else items or ():
        if item.get("type") in RESPONSES_ITEMS:
            read_blocks(item.get("content"), into)
            read_blocks(item.get("output"), into)
    names = {t["name"] for t in body.get("tools") or () if t["type"] == "function"}
    into.tools |= choose(names, body.get("tool_choice"))


def read_messages(body: Mapping[str, Any], into: Collecting) -> None:
    """Messages."""
    read_blocks(body.get("system"), into)
    for message in body["messages"]:
        read_blocks(message.get("content"), into)
    names = {t["name"] for t in body.get("tools") or () if "input_schema" in t}
    into.tools |= choose(names, body.get("tool_choice"))


def read_gemini(body: Mapping[str, Any], into: Collecting) -> None:
    """Gemini's generateContent."""
    for content in [body.get("systemInstruction") or {}, *body["contents"]]:
        for part in content.get("parts") or ():
            if not part.get("thought"):
                into.add_text(part.get("text"))
            into.add_data((part.get("inlineData") or {}).get("data"))
            into.add_data((part.get("fileData") or {}).get("fileUri"))
    names: set[str] = set()
    tools = body.get("tools") or ()
    # Google takes one tool for a list of one.
    for tool in [tools] if isinstance(tools, Mapping) else tools:
        names |= {each["name"] for each in tool.get("functionDeclarations") or ()}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames")
    into.tools |= set() if calling.get("mode") == "NONE" else names & set(allowed or names)


def choose(names: set[str], choice: Any) -> set[str]:
    """The tools that may be called: a target that cannot forbid one is not told of it."""
    if choice == "none" or (isinstance(choice, Mapping) and choice.get("type") == "none"):
        return set()
    if not isinstance(choice, Mapping) or choice.get("type") != "allowed_tools":
        return names
    listed = (choice.get("allowed_tools") or choice)["tools"]
    return names & {t.get("name") or (t.get("function") or {}).get("name") for t in listed}


def read_blocks(content: Any, into: Collecting) -> None:
    """A text, or a list of blocks of OpenAI's or Anthropic's; their own tools' blocks are not."""
    if isinstance(content, str):
        into.add_text(content)
        return
    for block in content or ():
        kind = block.get("type")
        if kind in ("text", "input_text", "output_text"):
            into.add_text(block["text"])
        elif kind == "tool_result":
            read_blocks(block.get("content"), into)
        elif kind in MEDIA:
            into.add_data(next((value for value in find_media(block)), None))


MEDIA: Final = frozenset(
    {"image_url", "input_audio", "file", "input_image", "input_file", "image", "document"}
)
MEDIA_NAMES: Final = ("data", "url", "image_url", "file_data", "file_url", "file_id", "fileUri")


def find_media(block: Any) -> Iterator[str]:
    """The values that may be a file's data or address, the likeliest first."""
    if not isinstance(block, Mapping):
        return
    for name in MEDIA_NAMES:
        if isinstance(block.get(name), str):
            yield block[name]
    for value in block.values():
        yield from find_media(value)


READERS: Final = {
    "chat": read_chat,
    "responses": read_responses,
    "messages": read_messages,
    "gemini": read_gemini,
}


def find_lost(contents: Contents, arrived: Any) -> dict[str, list[str]]:
    """What is nowhere in the body that arrived, by kind."""
    heap = "\n".join(all_strings(arrived))
    lost = {
        "texts": [text for text in contents.texts if not is_in(text, heap)],
        "tools": [name for name in contents.tools if name not in heap],
        "media": [data for data in contents.media if not is_file_in(data, heap)],
    }
    return {kind: sorted(missing) for kind, missing in lost.items() if missing}


def is_in(text: str, heap: str) -> bool:
    """Whether a text is there, as it is or as a string in JSON that is itself a string."""
    return text in heap or json.dumps(text, ensure_ascii=False)[1:-1] in heap


def is_file_in(data: str, heap: str) -> bool:
    """Whether a file is there; one of plain text may have become base64."""
    return data in heap or base64.b64encode(data.encode()).decode().rstrip("=")[:-1] in heap


def all_strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from all_strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from all_strings(item)
