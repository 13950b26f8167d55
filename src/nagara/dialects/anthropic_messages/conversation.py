"""The messages of a request in the order that Anthropic holds them to.

Roles alternate; instructions stand before the conversation, and in its
middle only where the model takes that; results of tools come first in the turn after their calls,
one for each. Neighbours of one role become one turn. What cannot be put in order is the caller's
mistake, and said.

Sources: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.block_encoder import Block, BlockEncoder, fit_id
from nagara.dialects.fit import name_parameter
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    Message,
    Part,
    Request,
    Role,
    ToolCall,
    ToolResult,
)

_INSTRUCTING = (Role.SYSTEM, Role.DEVELOPER)


class Turn(msgspec.Struct):
    """One message as it is written; `results` go before the other blocks."""

    role: str
    blocks: list[Block]
    results: list[Block]
    call_ids: list[str]
    result_ids: list[str]

    def content(self) -> list[Block]:
        """The blocks in their order."""
        return self.results + self.blocks


class Conversation(msgspec.Struct, frozen=True):
    """`system` and `messages` of a request."""

    system: list[Block]
    turns: list[Turn]

    @property
    def lacks_last_thinking(self) -> bool:
        """Whether a turn of tools goes on whose thinking is not at its beginning."""
        if not self.turns or not self.turns[-1].results:
            return False
        blocks = self.turns[-2].blocks if len(self.turns) > 1 else []
        first = blocks[0] if blocks else {}
        return not (isinstance(first, dict) and str(first.get("type")).endswith("thinking"))


def arrange(request: Request, encoder: BlockEncoder, *, has_system_midway: bool) -> Conversation:
    """The conversation. Raises `GatewayError` for calls without results and the like."""
    messages = request.messages
    count = next((i for i, m in enumerate(messages) if m.role not in _INSTRUCTING), len(messages))
    system = [block for m in messages[:count] for block in encoder.encode_instructions(m.parts)]
    rest = messages[count:]
    turns: list[Turn] = []
    for index, message in enumerate(rest):
        if message.role in _INSTRUCTING:
            is_native = has_system_midway and _can_instruct(rest, index)
            _add_instructions(turns, message, encoder, is_native=is_native)
        else:
            for role, parts in _by_speaker(message):
                _add_parts(turns, role, parts, encoder)
    # What was all blank has no turn; what stood around it has met already.
    turns = [turn for turn in turns if turn.blocks or turn.results]
    if not turns:
        # Nobody has spoken yet: what there is to answer are the instructions themselves.
        return Conversation([], [_turn("user", system)] if system else [])
    _check_pairs(turns, name_parameter("messages", request))
    _trim_end(turns[-1])
    return Conversation(system, turns)


def _turn(role: str, blocks: list[Block]) -> Turn:
    return Turn(role, blocks, [], [], [])


def _can_instruct(messages: Sequence[Message], index: int) -> bool:
    """Whether a system message may stand here: after the user, before the assistant or the end."""
    before = [m.role for m in messages[:index] if m.role not in _INSTRUCTING]
    after = [m.role for m in messages[index:] if m.role not in _INSTRUCTING]
    return before[-1:] == [Role.USER] and after[:1] in ([], [Role.ASSISTANT])


def _add_instructions(
    turns: list[Turn], message: Message, encoder: BlockEncoder, *, is_native: bool
) -> None:
    blocks = encoder.encode_instructions(message.parts)
    if is_native:
        _open(turns, "system").blocks += blocks
        return
    for block in blocks:
        # Other blocks of a system message are about tools, and have no place in the user's turn.
        if isinstance(block, dict) and block["type"] == "text":
            # The user did not say this, so the model is told who did.
            marked = f"<system>\n{block['text']}\n</system>"
            _open(turns, "user").blocks.append({**block, "text": marked})
        else:
            encoder.dropped.append("messages.system")


def _by_speaker(message: Message) -> list[tuple[str, list[Part]]]:
    """Who says which parts: results are the user's, and so is a picture, which only users show."""
    speakers: list[tuple[str, list[Part]]] = []
    for part in message.parts:
        is_made = message.role is Role.ASSISTANT and not isinstance(part, Media | ToolResult)
        is_called = isinstance(part, ToolCall | HostedCall | HostedResult)
        role = "assistant" if is_made or is_called else "user"
        if not speakers or speakers[-1][0] != role:
            speakers.append((role, []))
        speakers[-1][1].append(part)
    return speakers


def _add_parts(turns: list[Turn], role: str, parts: Sequence[Part], encoder: BlockEncoder) -> None:
    turn = _open(turns, role)
    for part in parts:
        block = encoder.encode(part)
        if block is None:
            continue
        if isinstance(part, ToolResult):
            turn.results.append(block)
            turn.result_ids.append(fit_id(part.call_id))
            continue
        if isinstance(part, ToolCall):
            turn.call_ids.append(fit_id(part.id))
        turn.blocks.append(block)


def _open(turns: list[Turn], role: str) -> Turn:
    """The turn to add to: the last one if it is of this role, and has something in it."""
    while turns and not (turns[-1].blocks or turns[-1].results):
        turns.pop()
    if not turns or turns[-1].role != role:
        turns.append(_turn(role, []))
    return turns[-1]


def _check_pairs(turns: Sequence[Turn], place: str) -> None:
    # Other providers take a call without its result. Anthropic answers 400, in words that name
    # neither the tool nor the way out. https://docs.anthropic.com/en/docs/agents-and-tools/tool-use
    for index, turn in enumerate(turns):
        before = turns[index - 1].call_ids if index else []
        after = turns[index + 1].result_ids if index + 1 < len(turns) else []
        for id_ in turn.result_ids:
            if id_ not in before:
                raise _unpaired(
                    f"The result of the tool call {id_!r} does not follow its call.", place
                )
        for id_ in turn.call_ids:
            if id_ not in after:
                raise _unpaired(f"The tool call {id_!r} has no result in the turn after it.", place)


def _unpaired(what: str, place: str) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"{what} Send the result of every call right after the assistant's turn that made it.",
        param=place,
    )


def _trim_end(turn: Turn) -> None:
    """An answer that the model is to continue must not end with blanks, says Anthropic."""
    last: Any = turn.blocks[-1] if turn.role == "assistant" and turn.blocks else None
    if isinstance(last, dict) and last["type"] == "text":
        turn.blocks[-1] = {**last, "text": last["text"].rstrip()}


def is_plain(blocks: Sequence[Block]) -> bool:
    """Whether content is one bare text, and may be written as a string."""
    return len(blocks) == 1 and isinstance(blocks[0], dict) and _is_bare_text(blocks[0])


def _is_bare_text(block: dict[str, Any]) -> bool:
    return len(block) == 2 and block["type"] == "text"
