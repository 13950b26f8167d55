"""The conversation as messages of Chat Completions, for a provider.

Theory of operation. Neighbours of one role belong together. What an assistant said in a run of
messages becomes one, because all calls that are answered together must stand in one message. In a
run of the user's, results of tools come first, each as a message of the role `tool`, for they must
follow their calls at once; the rest stays in order. A tool's result is text alone, and so is what
an assistant says: media of theirs go to the user's next message, with a note where they are from.
"""

import itertools
from collections.abc import Iterable

import msgspec

from nagara.dialects.codec import Target
from nagara.dialects.openai_chat.assistant_encoder import AssistantEncoder
from nagara.dialects.openai_chat.call_ids import fit_call_id, number_calls
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.part_encoder import encode_media, encode_text
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.messages import (
    Extras,
    Media,
    Message,
    Opaque,
    Part,
    Request,
    Role,
    Text,
    ToolResult,
)

Fields = dict[str, object]

_RESULT_ELSEWHERE = "The result is in the next message of the user."


def encode_messages(request: Request, target: Target, dropped: dict[str, None]) -> list[Fields]:
    """The messages; names of what had no place are added to `dropped`.

    Raises `GatewayError` for what must not be left out.
    """
    writer = _Writer(request, target, dropped)
    messages = number_calls(request.messages)
    for role, run in itertools.groupby(messages, lambda message: message.role):
        match role:
            case Role.USER:
                writer.write_user(list(run))
            case Role.ASSISTANT:
                writer.write_assistant(list(run))
            case _:
                for message in run:
                    writer.write_instructions(message)
    return writer.finish()


class _Writer:
    def __init__(self, request: Request, target: Target, dropped: dict[str, None]) -> None:
        self._request = request
        self._target = target
        self._dropped = dropped
        self._written: list[Fields] = []
        self._moved: list[Fields] = []
        """Media, with notes, on their way to the user's next message."""

    def write_instructions(self, message: Message) -> None:
        is_kept = Trait.DEVELOPER_ROLE in self._target.traits
        # OpenAI takes either for its newer models; others know `system` alone.
        role = str(message.role) if is_kept else str(Role.SYSTEM)
        self._write(role, self._content(message.parts, "\n\n"), message)

    def write_user(self, run: list[Message]) -> None:
        # A call whose result does not follow at once is refused by OpenAI and by most others.
        # https://platform.openai.com/docs/guides/function-calling
        for message in run:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self._write_result(part)
        for message in run:
            said = [part for part in message.parts if not isinstance(part, ToolResult)]
            if said:
                self._write("user", self._content(said, None), message)
            elif not message.parts:
                self._write("user", "", message)
        self._flush()

    def write_assistant(self, run: list[Message]) -> None:
        encoder = AssistantEncoder(self._request, self._target, self._dropped)
        for message in run:
            for part in message.parts:
                if isinstance(part, Media) and not encoder.can_say(part):
                    self._move(part, "From the assistant's last message:")
                else:
                    encoder.add(part)
        fields = encoder.fields()
        name = next((message.name for message in run if message.name is not None), None)
        if name is not None:
            fields["name"] = name
        for message in run:
            self._add_extras(fields, message.extras)
        self._written.append(fields)

    def finish(self) -> list[Fields]:
        """All that was written."""
        self._flush()
        return self._written

    def _write(self, role: str, content: object, message: Message) -> None:
        fields: Fields = {"role": role, "content": content}
        if message.name is not None:
            fields["name"] = message.name
        self._add_extras(fields, message.extras)
        self._written.append(fields)

    def _write_result(self, result: ToolResult) -> None:
        call_id = fit_call_id(result.call_id, self._target)
        texts = []
        for part in result.parts:
            if isinstance(part, Text):
                texts.append(part.text)
            elif isinstance(part, Media):
                self._move(part, f"From the result of the tool call {call_id}:")
            else:
                self._drop(part.type)
        # Text, not a list of parts: Groq, DeepSeek and others take nothing else here.
        content: object = "\n".join(texts)
        if not texts and result.parts:
            content = _RESULT_ELSEWHERE
        marks = [result.cache, *(p.cache for p in result.parts if isinstance(p, Text))]
        mark = next((mark for mark in marks if mark is not None), None)
        if mark is not None:
            content = [encode_text(Text(str(content), cache=mark), self._target)]
        if result.is_error:
            # The role has no field for it; that it failed is in the text or nowhere.
            self._drop("is_error")
        fields: Fields = {"role": "tool", "tool_call_id": call_id, "content": content}
        if result.name is not None and self._request.dialect == NAME:
            fields["name"] = result.name
        self._add_extras(fields, result.extras)
        self._written.append(fields)

    def _move(self, media: Media, note: str) -> None:
        self._moved.append({"type": "text", "text": note})
        self._moved.append(encode_media(media, self._request, self._target))

    def _flush(self) -> None:
        if self._moved:
            self._written.append({"role": "user", "content": self._moved})
            self._moved = []

    def _content(self, parts: Iterable[Part], joint: str | None) -> object:
        """Content: text alone where it can be, a list where it has to be.

        Texts are put together with `joint`; of None, they stay apart where the provider lets them.
        """
        # Media on their way go before what the user says, who speaks of them.
        moved, self._moved = self._moved, []
        encoded: list[object] = [*moved]
        texts: list[str] = []
        for part in parts:
            if isinstance(part, Text):
                texts.append(part.text)
                fields = encode_text(part, self._target)
                self._add_extras(fields, part.extras)
                encoded.append(fields)
            elif isinstance(part, Media):
                if part.has_citations:
                    self._drop("citations")
                fields = encode_media(part, self._request, self._target)
                self._add_extras(fields, part.extras)
                encoded.append(fields)
            elif isinstance(part, Opaque) and part.dialect == NAME:
                encoded.append(part.raw)
            else:
                self._drop(part.type if isinstance(part, Opaque) else type(part).__name__.lower())
        is_plain = len(texts) == len(encoded) and all(_is_bare(part) for part in encoded)
        if is_plain and joint is None and Trait.STRING_CONTENT in self._target.traits:
            joint = "\n\n"
        if is_plain and (joint is not None or len(texts) < 2):
            return (joint or "").join(texts)
        return encoded

    def _add_extras(self, fields: Fields, extras: Extras) -> None:
        for name, raw in extras.items():
            if self._request.dialect == NAME:
                fields[name] = raw
            else:
                self._drop(name)

    def _drop(self, name: str) -> None:
        self._dropped[name] = None


def _is_bare(part: object) -> bool:
    """Whether a part is a text with nothing beside it."""
    return not isinstance(part, msgspec.Raw) and isinstance(part, dict) and len(part) == 2
