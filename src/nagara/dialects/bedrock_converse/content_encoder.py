"""The conversation as Converse's `system` and `messages`.

What Converse demands of a conversation and callers of other dialects need not keep: it begins with
the user, roles alternate, no text is blank, the results of a turn's calls come first in the next
one, a document comes with a text, and ids of calls are of certain characters. Neighbours of a role
are merged and the rest is mended here, so that nothing is refused that can be said. Where no tools
may be offered, calls and results of earlier turns are told as text, because Converse takes them
only together with tools.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

import re
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from nagara.dialects.bedrock_converse.blocks import encode_redacted
from nagara.dialects.bedrock_converse.families import MESSAGES, SYSTEM, Family
from nagara.dialects.bedrock_converse.media_encoder import MediaEncoder
from nagara.dialects.bedrock_converse.wire import NAME
from nagara.dialects.codec import Target, can_read
from nagara.dialects.fit import cannot_take, name_parameter
from nagara.dialects.json_fields import decode_untyped, encode_raw
from nagara.dialects.request_fields import wrong_field
from nagara.domain.messages import (
    CacheMark,
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any]

CALL_ID_LENGTH_MAX = 64
TOOL_NAME_LENGTH_MAX = 64
LONG_TTL = "1h"
# Converse refuses empty ones; each says what is there, and no more.
FIRST_TURN = "(The conversation begins with the assistant.)"
NO_OUTPUT = "(The tool gave no output.)"
DOCUMENT_TEXT = "See the attached document."

_CALL_ID = re.compile(rf"[a-zA-Z0-9_.:-]{{1,{CALL_ID_LENGTH_MAX}}}")
_UNFIT_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Turn:
    """One message of Converse's. Results stand before all else that the user says."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[Block] = []
        self.others: list[Block] = []

    @property
    def content(self) -> list[Block]:
        """All its blocks, in the order that Converse wants."""
        return self.results + self.others


class ContentEncoder:
    """Puts one request's conversation into Converse's words; `dropped` names what has no place."""

    def __init__(
        self, request: Request, target: Target, family: Family, *, offers_tools: bool
    ) -> None:
        self.system: list[Block] = []
        self.turns: list[Turn] = []
        self.dropped: list[str] = []
        self._request = request
        self._target = target
        self._family = family
        self._offers_tools = offers_tools
        self._media = MediaEncoder(request, target)
        self._ids: dict[str, str] = {}
        self._unanswered: deque[str] = deque()
        """Ids that were made for calls without one, until their results come."""
        # Everything is read once, in order; what only the whole shows is mended after that.
        for message in request.messages:
            self._add_message(message)
        self._mend()

    def encode_messages(self) -> list[Block]:
        """`messages`."""
        return [{"role": turn.role, "content": turn.content} for turn in self.turns]

    def _add_message(self, message: Message) -> None:
        self.dropped += (f"messages.{name}" for name in message.extras)
        if message.role in (Role.SYSTEM, Role.DEVELOPER) and not self.turns:
            for part in message.parts:
                self._add_system(part)
            return
        # Instructions in the middle of a conversation have no place of their own here.
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        for part in message.parts:
            self._add_part(role, part)

    def _add_system(self, part: Part) -> None:
        if isinstance(part, Text):
            # A blank text is refused, here and everywhere: "The text field … is blank".
            if part.text.strip():
                self.system.append({"text": part.text})
            self._mark(part.cache, SYSTEM, self.system)
            self._drop_extras(part)
        elif isinstance(part, Media):
            raise cannot_take(
                "instructions that are not text", self._request, self._target, "system"
            )
        else:
            self.dropped.append("messages.system")

    def _add_part(self, role: str, part: Part) -> None:
        turn = self._turn(role)
        match part:
            case Text():
                self._add_text(turn, part)
            case Media():
                self._add_media(turn, part)
            case ToolCall():
                self._add_call(turn, part)
            case ToolResult():
                self._add_result(turn, part)
            case Reasoning():
                self._add_reasoning(turn, part)
            case Refusal(text=text):
                self._append_text(turn, text)
            case HostedCall() | HostedResult() | Opaque():
                self._add_own(turn, part)
        self._drop_extras(part)

    def _turn(self, role: str) -> Turn:
        if not self.turns or self.turns[-1].role != role:
            self.turns.append(Turn(role))
        return self.turns[-1]

    def _append_text(self, turn: Turn, text: str) -> None:
        if text.strip():
            turn.others.append({"text": text})

    def _add_text(self, turn: Turn, part: Text) -> None:
        self._append_text(turn, part.text)
        # Converse has citations in answers; given back, they would need the documents' places as
        # this provider counts them, which nobody knows of another's.
        if part.citations:
            self.dropped.append("messages.citations")
        self._mark(part.cache, MESSAGES, turn.others)

    def _add_media(self, turn: Turn, part: Media) -> None:
        if turn.role == "assistant":
            # Only the user can show something; what was said aloud can still be read.
            self._append_text(turn, part.transcript or "")
            self.dropped.append(f"messages.{part.kind.value}")
            return
        turn.others.append(self._media.encode(part))
        self._mark(part.cache, MESSAGES, turn.others)
        if part.detail not in (None, "auto"):
            self.dropped.append("detail")

    def _add_call(self, turn: Turn, call: ToolCall) -> None:
        if not self._offers_tools:
            self._append_text(turn, f"[Called the tool {call.name} with {call.arguments or '{}'}]")
            return
        use = {
            "toolUseId": self._make_call_id(call.id),
            "name": fit_name(call.name),
            "input": encode_input(call.arguments),
        }
        turn.others.append({"toolUse": use})
        self._mark(call.cache, MESSAGES, turn.others)

    def _add_result(self, turn: Turn, result: ToolResult) -> None:
        pieces = list(self._encode_pieces(result.parts))
        if not self._offers_tools:
            # As text beside the tools' names, so that the model still knows what it learned.
            name = f" {result.name}" if result.name else ""
            turn.others += [{"text": f"[The tool{name} gave:]"}, *pieces]
            return
        block: Block = {
            "toolUseId": self._find_call_id(result.call_id),
            "content": pieces or [{"text": NO_OUTPUT}],
        }
        if result.is_error:
            # Only some models take a status, and success is what the others are told anyway.
            block["status"] = "error"
        # Before whatever else the user says: "the next message must begin with the results".
        turn.results.append({"toolResult": block})
        self._mark(result.cache, MESSAGES, turn.results)

    def _encode_pieces(self, parts: Iterable[Text | Media | Opaque]) -> Iterable[Block]:
        for part in parts:
            if isinstance(part, Media):
                yield self._media.encode(part)
            elif isinstance(part, Text):
                if part.text.strip():
                    yield {"text": part.text}
            else:
                self.dropped.append(f"messages.{part.type}")

    def _add_reasoning(self, turn: Turn, part: Reasoning) -> None:
        signature = part.signature
        is_own = can_read(signature, self._request, NAME, self._target)
        if signature is None or not is_own or not self._family.reads_signatures:
            # What nobody signed is no proof of anything, and Claude refuses it.
            self.dropped.append("reasoning")
        elif part.is_redacted:
            redacted = {"redactedContent": encode_redacted(signature.value)}
            turn.others.append({"reasoningContent": redacted})
        else:
            # The signature is over the text, so not a character of it may differ.
            text = part.text or signature.text or ""
            said = {"text": text, "signature": signature.value}
            turn.others.append({"reasoningContent": {"reasoningText": said}})

    def _add_own(self, turn: Turn, part: HostedCall | HostedResult | Opaque) -> None:
        """A block that only this dialect has goes back as it came; others' are named."""
        if part.dialect == NAME and part.raw is not None:
            turn.others.append(decode_untyped(bytes(part.raw)))
        else:
            name = part.type if isinstance(part, Opaque) else part.name
            self.dropped.append(f"messages.{name}")

    def _make_call_id(self, id_: str) -> str:
        if not id_:
            # Gemini's calls may have none; results of those come in the order of the calls.
            made = self._number_call()
            self._ids[made] = made
            self._unanswered.append(made)
            return made
        return self._fit_call_id(id_)

    def _find_call_id(self, id_: str) -> str:
        if not id_ and self._unanswered:
            return self._unanswered.popleft()
        return self._fit_call_id(id_)

    def _fit_call_id(self, id_: str) -> str:
        # Only within this request do a call and its result have to agree, so any name will do.
        if id_ not in self._ids:
            fits = _CALL_ID.fullmatch(id_) is not None
            self._ids[id_] = id_ if fits else self._number_call()
        return self._ids[id_]

    def _number_call(self) -> str:
        return f"unnamed-call-{len(self._ids)}"

    def _mark(self, mark: CacheMark | None, place: str, blocks: list[Block]) -> None:
        if mark is None:
            return
        if place not in self._family.caches or not blocks:
            self.dropped.append("cache_control")
        else:
            blocks.append(encode_cache_point(mark))

    def _drop_extras(self, part: Part) -> None:
        extras = getattr(part, "extras", None)
        if extras:
            self.dropped += (f"messages.{name}" for name in extras)

    def _mend(self) -> None:
        self.turns = merge(turn for turn in self.turns if turn.results or turn.others)
        if not self.turns and self.system:
            # Instructions alone are a question of their own for the providers that take them.
            turn = Turn("user")
            turn.others, self.system = self.system, []
            self.turns.append(turn)
        if not self.turns:
            name = name_parameter("messages", self._request)
            raise wrong_field(name, "must hold some text or another content; all of it is empty.")
        # "A conversation must start with a user message."
        if self.turns[0].role == "assistant":
            first = Turn("user")
            first.others.append({"text": FIRST_TURN})
            self.turns.insert(0, first)
        for turn in self.turns:
            if has_lone_document(turn.content):
                turn.others.append({"text": DOCUMENT_TEXT})
        if self._request.cache is not None:
            self._mark(self._request.cache, MESSAGES, self.turns[-1].others)


def merge(turns: Iterable[Turn]) -> list[Turn]:
    """The turns with neighbours of the same role as one."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1].results += turn.results
            merged[-1].others += turn.others
        else:
            merged.append(turn)
    return merged


def fit_name(name: str) -> str:
    """A tool's name in the characters that Converse takes.

    Tools that are offered have such names by now; a call of an earlier turn may be of one that is
    offered no more.
    """
    return _UNFIT_NAME.sub("_", name)[:TOOL_NAME_LENGTH_MAX] or "_"


def encode_cache_point(mark: CacheMark) -> Block:
    """What says that the prompt is to be cached up to here."""
    # Five minutes is what a point without a word means, and older models know no other.
    ttl = {"ttl": LONG_TTL} if mark.ttl == LONG_TTL else {}
    return {"cachePoint": {"type": "default", **ttl}}


def encode_input(arguments: str) -> msgspec.Raw:
    """A call's arguments as the object that Converse wants.

    What a model wrote that is none, and the caller replays, must not wedge the conversation.
    """
    text = arguments.strip() or "{}"
    try:
        data = text.encode()
        _object_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _encode_odd_input(arguments)
    return msgspec.Raw(data)


def _encode_odd_input(arguments: str) -> msgspec.Raw:
    try:
        # Half a surrogate pair is JSON all the same.
        value = decode_untyped(arguments.encode(errors="surrogatepass"))
        if isinstance(value, dict):
            return encode_raw(value)
    except (ValueError, RecursionError):
        pass
    return encode_raw({"arguments": arguments})


def has_lone_document(content: list[Block]) -> bool:
    """Whether a document has no text beside it, which Converse wants."""
    kinds = {name for block in content for name in block}
    return MediaKind.DOCUMENT in kinds and "text" not in kinds
