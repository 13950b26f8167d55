"""Tools that Anthropic describes and the caller runs: bash, the text editor, memory, the computer.

A caller names only their version; the model knows the rest. For a model of another provider they
become plain functions, with the arguments that Anthropic's documentation gives them, so that the
caller's own program can run their calls as ever. Only the version's family matters here.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/bash-tool,
/text-editor-tool, /memory-tool, /computer-use-tool
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from nagara.dialects.json_fields import encode_raw


class ClientTool(msgspec.Struct, frozen=True):
    """What another model is told of such a tool."""

    description: str
    parameters: msgspec.Raw


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


def _numbers(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "integer"}, "description": description}


def _schema(required: list[str], properties: Mapping[str, Any]) -> msgspec.Raw:
    return encode_raw({"type": "object", "properties": properties, "required": required})


_VIEW_RANGE = _numbers("The first and the last line to show, from 1; -1 as the last is the end.")
_FILE_EDITS = {
    "path": _text("The absolute path of the file or directory."),
    "file_text": _text("For create: what the file is to hold."),
    "old_str": _text("For str_replace: the text to replace, which must occur exactly once."),
    "new_str": _text("For str_replace and insert: the new text."),
    "insert_line": {
        "type": "integer",
        "description": "For insert: the line after which to insert; 0 is the beginning.",
    },
    "view_range": _VIEW_RANGE,
}
_COMPUTER_ACTIONS = [
    *("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click"),
    *("middle_click", "double_click", "triple_click", "screenshot", "cursor_position"),
    *("left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "zoom"),
]

_FAMILIES: Mapping[str, ClientTool] = {
    "bash_": ClientTool(
        "Run commands in a persistent bash session.",
        _schema(
            [],
            {
                "command": _text("The command to run. Required unless the tool is restarted."),
                "restart": {"type": "boolean", "description": "Restart the session instead."},
            },
        ),
    ),
    "text_editor_": ClientTool(
        "View, create and edit text files.",
        _schema(
            ["command", "path"],
            {
                "command": {
                    "type": "string",
                    "enum": ["view", "create", "str_replace", "insert", "undo_edit"],
                },
                **_FILE_EDITS,
            },
        ),
    ),
    "memory_": ClientTool(
        "Keep notes in files below /memories, which last from one conversation to the next.",
        _schema(
            ["command"],
            {
                "command": {
                    "type": "string",
                    "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
                },
                **_FILE_EDITS,
                "insert_text": _text("For insert: the text to insert."),
                "old_path": _text("For rename: the path as it is."),
                "new_path": _text("For rename: the path as it shall be."),
            },
        ),
    ),
    "computer_": ClientTool(
        "Use a computer's screen, mouse and keyboard.",
        _schema(
            ["action"],
            {
                "action": {"type": "string", "enum": _COMPUTER_ACTIONS},
                "coordinate": _numbers("The x and y of a point on the screen, in pixels."),
                "start_coordinate": _numbers("For left_click_drag: where the drag begins."),
                "text": _text("What to type, or the keys to press or hold."),
                "scroll_direction": {"type": "string", "enum": ["up", "down", "left", "right"]},
                "scroll_amount": {"type": "integer", "description": "How many clicks to scroll."},
                "duration": {"type": "number", "description": "How long, in seconds."},
                "region": _numbers("For zoom: the corners x0, y0, x1, y1 of what to enlarge."),
            },
        ),
    ),
}


def find_client_tool(tool_type: str) -> ClientTool | None:
    """What is known of the tool of this type; None if the caller does not run it."""
    # A toolset is many tools with schemas that only Anthropic has.
    if "toolset" in tool_type:
        return None
    for family, tool in _FAMILIES.items():
        if tool_type.startswith(family):
            return tool
    return None
