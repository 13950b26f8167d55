"""Events to a Responses stream for a caller.

Theory of operation. Texts and refusals that follow each other are one message item; every other
part is an item of its own. An item's `done` holds all of it, and clients act on that, so a call is
done only when its arguments are whole JSON: a provider that writes parallel calls in turns ends a
part before it has said all. What the dialect has no item for is named as dropped, and what its
provider must get back goes into sealed reasoning items (`replay.py`).

A whole answer is encoded by the same steps with nobody listening, so the object is the same.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nagara.dialects.codec import Frame, StreamEncoder
from nagara.dialects.openai_responses.echo import echo_request, make_response
from nagara.dialects.openai_responses.finish import Finish, encode_finish
from nagara.dialects.openai_responses.hosted_items import HostedItems
from nagara.dialects.openai_responses.output_items import (
    CallItem,
    MessageItem,
    Output,
    ReasoningItem,
    RefusalContent,
    TextContent,
)
from nagara.dialects.openai_responses.replay import enclose_call_signature
from nagara.dialects.openai_responses.response import encode_usage
from nagara.dialects.openai_responses.wire import NAME
from nagara.dialects.sse import DONE
from nagara.domain.errors import GatewayError
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    Failed,
    LogprobsAdded,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    UsageReported,
)
from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from nagara.domain.usage import Usage

_Growing = TextContent | RefusalContent | ReasoningItem | CallItem


class ResponsesStreamEncoder(StreamEncoder):
    """One answer as a stream."""

    def __init__(self, frame: Frame, output: Output | None = None) -> None:
        super().__init__(frame)
        self._output = output or Output(frame)
        self._echo = echo_request(frame)
        self._hosted = HostedItems(self._output, self.dropped)
        self._parts: dict[int, _Growing] = {}
        self._message: MessageItem | None = None
        self._last_text: TextContent | None = None
        # A delta waits for the probabilities of its tokens, which are the event after it.
        self._has_logprobs = frame.request.top_logprobs is not None
        self._held: tuple[TextContent, str] | None = None
        self._is_own = False
        self._has_refusal = False
        self._finish = Finish("completed")
        self._failure = _MALFORMED
        self._usage: Usage | None = None
        self._service_tier: str | None = None

    def encode(self, event: Event) -> bytes:
        """The bytes for one event; with `Ended` the terminal event and `[DONE]`."""
        if self._held is not None and not isinstance(event, LogprobsAdded):
            self._release()
        take = _TAKES[type(event)]
        take(self, event)
        return self._output.take()

    def _begin(self, event: Began) -> None:
        self._is_own = event.dialect == NAME
        self._service_tier = event.service_tier
        response = self._respond(Finish("in_progress"))
        self._output.tell("response.created", {"response": response})
        self._output.tell("response.in_progress", {"response": response})
        # Where the answer fails, nothing more may be known of what it cost.
        self._usage = event.usage

    def _begin_part(self, event: PartBegan) -> None:
        if event.choice:
            # There is one answer to a request here.
            self.dropped.append("choices")
            return
        part = event.part
        if not isinstance(part, Text | Refusal):
            self._end_message()
        match part:
            case Text():
                self._begin_text(event.index, part)
            case Refusal():
                self._has_refusal = True
                refusal = self._open_message().begin_refusal()
                self._grow(event.index, refusal, part.text)
            case Reasoning():
                thought = ReasoningItem(self._output, part)
                self._grow(event.index, thought, part.text)
            case ToolCall():
                call = CallItem(self._output, part)
                self._grow(event.index, call, part.arguments)
            case HostedCall() | HostedResult() | Opaque():
                self._hosted.add(part)
            case Media():
                self._add_media(event.index, part)
            case _:
                # A result is said by the caller, never by the model.
                self.dropped.append("tool_result")

    def _begin_text(self, index: int, part: Text) -> None:
        text = self._open_message().begin_text(is_own=self._is_own)
        self._last_text = text
        self._grow(index, text, part.text)
        for citation in part.citations:
            text.cite(citation)

    def _grow(self, index: int, growing: _Growing, text: str) -> None:
        self._parts[index] = growing
        if text:
            growing.add(text)

    def _open_message(self) -> MessageItem:
        if self._message is None:
            self._message = MessageItem(self._output)
        return self._message

    def _end_message(self, status: str = "completed") -> None:
        if self._message is not None:
            self._message.end(status)
            self._message = None

    def _add_media(self, index: int, media: Media) -> None:
        if media.kind is MediaKind.IMAGE and media.data is not None:
            self._hosted.add_image(media)
            return
        self.dropped.append(media.kind.value)
        if media.transcript:
            # What was said is the answer, also where it cannot be heard.
            self._begin_text(index, Text(media.transcript))

    def _add_delta(self, event: PartDelta) -> None:
        growing = None if event.choice else self._parts.get(event.index)
        if growing is None:
            return
        if growing.is_ended:
            growing = self._reopen(event.index, growing)
        if self._has_logprobs and isinstance(growing, TextContent):
            self._held = growing, event.text
        else:
            growing.add(event.text)

    def _reopen(self, index: int, ended: _Growing) -> _Growing:
        """A part for what is said after its part was done, so that nothing of it is lost."""
        part: Part = Text("")
        if isinstance(ended, RefusalContent):
            part = Refusal("")
        elif isinstance(ended, ReasoningItem):
            part = Reasoning()
        elif isinstance(ended, CallItem):
            part = msgspec.structs.replace(ended.call, arguments="")
        self._begin_part(PartBegan(index, part))
        return self._parts[index]

    def _release(self) -> None:
        if self._held is not None:
            text, delta = self._held
            self._held = None
            text.add(delta)

    def _add_logprobs(self, event: LogprobsAdded) -> None:
        if event.choice:
            return
        if self._held is not None:
            text, delta = self._held
            self._held = None
            text.add(delta, event.logprobs)
        elif self._last_text is not None and not self._last_text.is_ended:
            self._last_text.add("", event.logprobs)
        elif self._last_text is not None:
            self._last_text.note_logprobs(event.logprobs)

    def _amend(self, event: PartAmended) -> None:
        growing = None if event.choice else self._parts.get(event.index)
        if event.citation is not None and isinstance(growing, TextContent):
            growing.cite(event.citation)
        if event.signature is not None and isinstance(growing, ReasoningItem | CallItem):
            growing.signature = event.signature

    def _end_part(self, event: PartEnded) -> None:
        growing = None if event.choice else self._parts.get(event.index)
        match growing:
            case CallItem() if growing.is_whole:
                self._end_call(growing)
            case ReasoningItem():
                growing.end()
            case TextContent() | RefusalContent():
                growing.end()
            case _:
                pass
        if isinstance(growing, TextContent):
            self.dropped.extend(["citations"] * growing.dropped_citations)

    def _end_call(self, call: CallItem, status: str = "completed") -> None:
        call.end(status)
        if call.signature is not None:
            sealed = enclose_call_signature(call.call_id, call.signature)
            self._hosted.seal(sealed)

    def _end_choice(self, event: ChoiceEnded) -> None:
        if event.choice:
            return
        self._finish = encode_finish(event.finish, has_refusal=self._has_refusal)
        if event.explanation:
            self._explain(event.explanation)
        is_cut = self._finish.status == "incomplete"
        self._end_items("incomplete" if is_cut else "completed")

    def _explain(self, explanation: str) -> None:
        """The provider's sentence about the end: only a failure has a place for one."""
        if self._finish.status == "failed":
            self._failure = explanation
        else:
            self.dropped.append("explanation")

    def _end_items(self, status: str) -> None:
        self._end_growing(status)
        self._hosted.end()

    def _end_growing(self, status: str) -> None:
        self._end_message(status)
        for growing in list(self._parts.values()):
            if isinstance(growing, CallItem) and not growing.is_ended:
                self._end_call(growing, status)
            elif isinstance(growing, ReasoningItem) and not growing.is_ended:
                growing.end()

    def _note_usage(self, event: UsageReported) -> None:
        # Encoded once, at the end: some providers count anew in every piece.
        self._usage = event.usage

    def _end(self, event: Ended) -> None:
        self._service_tier = event.service_tier or self._service_tier
        self._output.tell(f"response.{self._finish.status}", {"response": self.response()})
        self._output.write(DONE)

    def response(self) -> dict[str, Any]:
        """The response object as of now."""
        error = None
        if self._finish.status == "failed":
            error = {"code": "server_error", "message": self._failure}
        return self._respond(self._finish, error)

    def _respond(self, finish: Finish, error: dict[str, Any] | None = None) -> dict[str, Any]:
        return make_response(
            self.frame,
            self._echo,
            finish,
            self._output.items,
            None if self._usage is None else encode_usage(self._usage),
            self._service_tier,
            error,
        )

    def _fail(self, event: Failed) -> None:
        self._output.write(self.fail(event.error))

    def fail(self, error: GatewayError) -> bytes:
        """`error`, `response.failed` with what there is of the answer, `[DONE]`."""
        self._release()
        code = error.code or "server_error"
        said = {"code": code, "message": error.message, "param": error.param}
        self._output.tell("error", said)
        with self._output.silence():
            # Kept in the response, but never told as done: clients run a call that is done.
            self._end_growing("incomplete")
        told = {"code": code, "message": error.message}
        self._output.tell("response.failed", {"response": self._respond(Finish("failed"), told)})
        return self._output.take() + DONE


_MALFORMED = "The model wrote a tool call that cannot be read. Send the request again."

_Take = Callable[[ResponsesStreamEncoder, Any], None]
_TAKES: Mapping[type[Event], _Take] = {
    Began: ResponsesStreamEncoder._begin,
    PartBegan: ResponsesStreamEncoder._begin_part,
    PartDelta: ResponsesStreamEncoder._add_delta,
    PartAmended: ResponsesStreamEncoder._amend,
    PartEnded: ResponsesStreamEncoder._end_part,
    LogprobsAdded: ResponsesStreamEncoder._add_logprobs,
    ChoiceEnded: ResponsesStreamEncoder._end_choice,
    UsageReported: ResponsesStreamEncoder._note_usage,
    Ended: ResponsesStreamEncoder._end,
    Failed: ResponsesStreamEncoder._fail,
}


def encode_stream(frame: Frame) -> StreamEncoder:
    """The encoder of one streamed answer."""
    return ResponsesStreamEncoder(frame)
