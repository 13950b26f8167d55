"""The items of an answer as they are written: each tells its events and becomes its final form.

Every item goes through the same steps, whether the caller reads them as a stream or gets only the
last form of each, so both see the same answer. An item's id comes from its place in the output.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from nagara.dialects.codec import Frame
from nagara.dialects.envelope import enclose
from nagara.dialects.openai_responses.content import encode_citation, encode_logprob
from nagara.dialects.openai_responses.replay import enclose_redacted, enclose_unsigned
from nagara.dialects.openai_responses.wire import encode_json
from nagara.domain.events import TokenLogprob
from nagara.domain.messages import Citation, Reasoning, Signature, ToolCall, ToolKind


class Output:
    """The items so far, and the bytes of the events that tell of them since the last `take`."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.items: list[Any] = []
        self._sequence_number = -1
        self._pieces: list[bytes] = []

    def tell(self, kind: str, fields: dict[str, Any]) -> None:
        """Write one event."""
        self._sequence_number += 1
        wire = {"type": kind, "sequence_number": self._sequence_number, **fields}
        self._pieces.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), encode_json(wire)))

    def write(self, data: bytes) -> None:
        """Write bytes that are no numbered event."""
        self._pieces.append(data)

    @contextmanager
    def silence(self) -> Iterator[None]:
        """What happens to the items meanwhile is not told, and takes no numbers."""
        told = self._sequence_number, self._pieces
        self._pieces = []
        try:
            yield
        finally:
            self._sequence_number, self._pieces = told

    def take(self) -> bytes:
        """The bytes of the events told since this was last called."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def make_id(self, prefix: str) -> str:
        """The id of the item that begins next."""
        return self.frame.make_id(prefix, len(self.items))

    def begin(self, item: Any) -> int:
        """An item begins; gives its index."""
        index = len(self.items)
        self.items.append(item)
        self.tell("response.output_item.added", {"output_index": index, "item": item})
        return index

    def end(self, index: int, item: Any) -> None:
        """The item is whole, and this is its final form."""
        self.items[index] = item
        self.tell("response.output_item.done", {"output_index": index, "item": item})

    def add(self, item: Any) -> None:
        """An item that is whole at once."""
        self.end(self.begin(item), item)


class SilentOutput(Output):
    """The items alone, for a caller who does not read a stream."""

    def tell(self, kind: str, fields: dict[str, Any]) -> None:
        """Nobody listens."""

    def write(self, data: bytes) -> None:
        """Nobody listens."""


class TextContent:
    """A text in a message."""

    def __init__(self, output: Output, place: dict[str, Any], *, is_own: bool) -> None:
        self.is_ended = False
        self.dropped_citations = 0
        self._output = output
        self._place = place
        self._is_own = is_own
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self.wire: dict[str, Any] = {
            "type": "output_text",
            "text": "",
            "annotations": [],
            "logprobs": [],
        }
        output.tell("response.content_part.added", place | {"part": self.wire})

    def add(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> None:
        """More of the text, and how likely its tokens were."""
        self._pieces.append(text)
        told = [encode_logprob(logprob) for logprob in logprobs]
        self.wire["logprobs"] += told
        self._output.tell(
            "response.output_text.delta", self._place | {"delta": text, "logprobs": told}
        )

    def note_logprobs(self, logprobs: Sequence[TokenLogprob]) -> None:
        """Probabilities that came after the text had ended; a stream has no event for them."""
        self.wire["logprobs"] += [encode_logprob(logprob) for logprob in logprobs]

    def cite(self, citation: Citation) -> None:
        """A source. One of the whole text is told at its end, when its length is known."""
        if citation.end is None:
            self._citations.append(citation)
        else:
            self._annotate(citation, 0)

    def _annotate(self, citation: Citation, length: int) -> None:
        annotation = encode_citation(citation, length, is_own=self._is_own)
        if annotation is None:
            self.dropped_citations += 1
            return
        index = len(self.wire["annotations"])
        self.wire["annotations"].append(annotation)
        self._output.tell(
            "response.output_text.annotation.added",
            self._place | {"annotation_index": index, "annotation": annotation},
        )

    def end(self) -> None:
        """The text is whole."""
        self.is_ended = True
        text = "".join(self._pieces)
        for citation in self._citations:
            self._annotate(citation, len(text))
        self.wire["text"] = text
        logprobs = self.wire["logprobs"]
        self._output.tell(
            "response.output_text.done", self._place | {"text": text, "logprobs": logprobs}
        )
        self._output.tell("response.content_part.done", self._place | {"part": self.wire})


class RefusalContent:
    """A refusal in a message."""

    def __init__(self, output: Output, place: dict[str, Any]) -> None:
        self.is_ended = False
        self._output = output
        self._place = place
        self._pieces: list[str] = []
        self.wire: dict[str, Any] = {"type": "refusal", "refusal": ""}
        output.tell("response.content_part.added", place | {"part": self.wire})

    def add(self, text: str) -> None:
        """More of its words."""
        self._pieces.append(text)
        self._output.tell("response.refusal.delta", self._place | {"delta": text})

    def end(self) -> None:
        """The refusal is whole."""
        self.is_ended = True
        self.wire["refusal"] = text = "".join(self._pieces)
        self._output.tell("response.refusal.done", self._place | {"refusal": text})
        self._output.tell("response.content_part.done", self._place | {"part": self.wire})


class MessageItem:
    """A message, which holds the texts and refusals that follow each other."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._contents: list[TextContent | RefusalContent] = []
        self._id = output.make_id("msg_")
        self._index = output.begin(self._wire("in_progress"))

    def _wire(self, status: str) -> dict[str, Any]:
        content = [part.wire for part in self._contents]
        return {
            "type": "message",
            "id": self._id,
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _place(self) -> dict[str, Any]:
        return {
            "item_id": self._id,
            "output_index": self._index,
            "content_index": len(self._contents),
        }

    def begin_text(self, *, is_own: bool) -> TextContent:
        """The next part is a text; `is_own` says that it came in this dialect."""
        self._end_content()
        content = TextContent(self._output, self._place(), is_own=is_own)
        self._contents.append(content)
        return content

    def begin_refusal(self) -> RefusalContent:
        """The next part is a refusal."""
        self._end_content()
        content = RefusalContent(self._output, self._place())
        self._contents.append(content)
        return content

    def _end_content(self) -> None:
        if self._contents and not self._contents[-1].is_ended:
            self._contents[-1].end()

    def end(self, status: str) -> None:
        """The message is whole, or as whole as it gets: `status` is `incomplete` where cut."""
        self._end_content()
        self._output.end(self._index, self._wire(status))


class ReasoningItem:
    """A thought: its text as one summary, its signature sealed for the next turn."""

    def __init__(self, output: Output, part: Reasoning) -> None:
        self.is_ended = False
        self.signature: Signature | None = part.signature
        self._is_redacted = part.is_redacted
        self._output = output
        self._pieces: list[str] = []
        self._id = output.make_id("rs_")
        self._index = output.begin({"type": "reasoning", "id": self._id, "summary": []})
        self._place = {"item_id": self._id, "output_index": self._index, "summary_index": 0}

    def add(self, text: str) -> None:
        """More of the thought."""
        if not self._pieces:
            empty = {"type": "summary_text", "text": ""}
            self._output.tell(
                "response.reasoning_summary_part.added", self._place | {"part": empty}
            )
        self._pieces.append(text)
        self._output.tell("response.reasoning_summary_text.delta", self._place | {"delta": text})

    def end(self) -> None:
        """The thought is whole."""
        self.is_ended = True
        text = "".join(self._pieces)
        part = {"type": "summary_text", "text": text}
        if self._pieces:
            self._output.tell("response.reasoning_summary_text.done", self._place | {"text": text})
            self._output.tell("response.reasoning_summary_part.done", self._place | {"part": part})
        item: dict[str, Any] = {
            "type": "reasoning",
            "id": self._id,
            "summary": [part] if self._pieces else [],
            "encrypted_content": self._seal(text),
        }
        self._output.end(self._index, item)

    def _seal(self, text: str) -> str:
        if self.signature is None:
            return enclose_unsigned()
        if self._is_redacted:
            return enclose_redacted(self.signature)
        if self.signature.text is None and text:
            # With the text, because a client may show the summary in its own way and lose it.
            return enclose(msgspec.structs.replace(self.signature, text=text))
        return enclose(self.signature)


class CallItem:
    """A call for the caller to run."""

    def __init__(self, output: Output, call: ToolCall) -> None:
        self.is_ended = False
        self.call = call
        self.signature = call.signature
        self._output = output
        self._pieces: list[str] = []
        self._is_custom = call.kind is ToolKind.CUSTOM
        self._id = output.make_id("ctc_" if self._is_custom else "fc_")
        self.call_id = call.id or output.make_id("call_")
        self._index = output.begin(self._wire("", "in_progress"))
        self._place = {"item_id": self._id, "output_index": self._index}
        self._event = "custom_tool_call_input" if self._is_custom else "function_call_arguments"

    def _wire(self, arguments: str, status: str) -> dict[str, Any]:
        kind, key = ("custom_tool_call", "input") if self._is_custom else _FUNCTION
        wire = {"type": kind, "id": self._id, "call_id": self.call_id, "name": self.call.name}
        wire |= {key: arguments, "status": status}
        if self.call.namespace is not None:
            wire["namespace"] = self.call.namespace
        return wire

    def add(self, text: str) -> None:
        """More of its arguments."""
        self._pieces.append(text)
        self._output.tell(f"response.{self._event}.delta", self._place | {"delta": text})

    @property
    def is_whole(self) -> bool:
        """Whether the arguments could be all of them: free text could always be."""
        if self._is_custom:
            return True
        try:
            msgspec.json.decode("".join(self._pieces), type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True

    def end(self, status: str) -> None:
        """The call is whole, or as whole as it gets: `status` is `incomplete` where cut."""
        self.is_ended = True
        # A whole call without arguments has none, which is an empty object; those of one that was
        # cut before them nobody knows.
        if not self._pieces and not self._is_custom and status == "completed":
            self.add("{}")
        arguments = "".join(self._pieces)
        key = "input" if self._is_custom else "arguments"
        self._output.tell(f"response.{self._event}.done", self._place | {key: arguments})
        self._output.end(self._index, self._wire(arguments, status))


_FUNCTION = ("function_call", "arguments")
