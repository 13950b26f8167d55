"""Streams of a provider of this dialect to events.

Theory of operation. Items begin, grow and end by `output_index`; what an item says of itself when
it is done is whole, so deltas are given as they come, and at the end only what they left out. Items
that the provider runs itself are told when they are done, because only then they are whole. Servers
differ: some send no deltas, some never end an item, and some send everything in the last event;
what an item has not told by then is taken from there, so nothing is lost and nothing told twice.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from nagara.dialects.codec import StreamDecoder, Target
from nagara.dialects.json_fields import read_fields
from nagara.dialects.openai_responses.content import decode_citation
from nagara.dialects.openai_responses.finish import decode_finish
from nagara.dialects.openai_responses.response import read_usage
from nagara.dialects.openai_responses.response_decoder import (
    begin_call,
    blame_upstream,
    decode_item,
    decode_logprobs,
    read_answer,
    read_failure,
    read_seal,
    read_time,
)
from nagara.dialects.openai_responses.stream_events import WireEvent, read_event
from nagara.dialects.openai_responses.wire import NAME, Reader
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
    TokenLogprob,
    UsageReported,
)
from nagara.domain.messages import Part, Reasoning, Refusal, Signature, Text, ToolCall, ToolKind

_TEXT, _REFUSAL, _REASONING, _ARGUMENTS = "text", "refusal", "reasoning", "arguments"

_Key = tuple[int, str, int]
"""A piece of an item: its output index, what it is, and which of its kind."""


class _Open:
    """A part that is being told, and how much of it was."""

    __slots__ = ("citations", "index", "is_ended", "length", "section")

    def __init__(self, index: int) -> None:
        self.index = index
        self.length = 0
        self.is_ended = False
        self.section = (False, 0)
        self.citations = 0


class ResponsesStreamDecoder(StreamDecoder):
    """One Responses stream."""

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        super().__init__(event_bytes_max, target)
        self._has_begun = False
        self._part_count = 0
        self._open: dict[_Key, _Open] = {}
        self._done: set[int] = set()
        self._live: list[_Open] = []
        self._deciding: list[Part] = []
        """The parts that say why the answer ended; texts are not kept."""

    def take(self, data: bytes) -> Sequence[Event]:
        """The events of one wire event. Raises `GatewayError` for what cannot be read."""
        if data == b"[DONE]":
            return ()
        event = read_event(data)
        if event.type == "error":
            # It is the failure itself, which others wrap in a response.
            event.response = msgspec.Raw(data)
        take = _TAKES.get(event.type)
        if take is None:
            return ()
        try:
            return take(self, event)
        except GatewayError as error:
            raise blame_upstream(error) from error

    def _begin(self, event: WireEvent) -> list[Event]:
        if self._has_begun:
            return []
        self._has_begun = True
        answer = read_answer(bytes(event.response))
        return [
            Began(
                dialect=NAME,
                id=answer.text("id"),
                model=answer.text("model"),
                created_s=read_time(answer),
                service_tier=answer.text("service_tier"),
            )
        ]

    def _begin_part(self, key: _Key, part: Part) -> list[Event]:
        """The events with which a part begins; those before it end, for parts come one by one."""
        events = self._end_parts()
        self._open[key] = told = _Open(self._part_count)
        self._live.append(told)
        self._note(part)
        events.append(PartBegan(told.index, part))
        return events

    def _note(self, part: Part) -> None:
        self._part_count += 1
        if isinstance(part, ToolCall | Refusal) and len(self._deciding) < 2:
            self._deciding.append(part)

    def _end_parts(self) -> list[Event]:
        ended = [part for part in self._live if not part.is_ended]
        for part in ended:
            part.is_ended = True
        self._live.clear()
        return [PartEnded(part.index) for part in ended]

    def _tell(self, key: _Key, part: Part, text: str) -> list[Event]:
        """More text of a part, which begins with it if it has not."""
        events = [] if key in self._open else self._begin_part(key, part)
        told = self._open[key]
        if text:
            told.length += len(text)
            events.append(PartDelta(told.index, text))
        return events

    def _tell_rest(self, key: _Key, part: Part, text: str) -> list[Event]:
        """The whole text of a part as it is said at its end, if no delta told of it."""
        told = self._open.get(key)
        return self._tell(key, part, text) if text and (told is None or not told.length) else []

    def _add_text(self, event: WireEvent) -> list[Event]:
        key = (event.output_index, _TEXT, event.content_index)
        told = self._open.get(key)
        events: list[Event]
        if told is not None and event.delta:
            told.length += len(event.delta)
            events = [PartDelta(told.index, event.delta)]
        else:
            events = self._tell(key, Text(""), event.delta)
        if len(event.logprobs) > 2 and (logprobs := decode_logprobs(event.logprobs)):
            events.append(LogprobsAdded(tuple(logprobs)))
        return events

    def _end_text(self, event: WireEvent) -> list[Event]:
        return self._tell_rest(
            (event.output_index, _TEXT, event.content_index), Text(""), event.text
        )

    def _add_refusal(self, event: WireEvent) -> list[Event]:
        key = (event.output_index, _REFUSAL, event.content_index)
        return self._tell(key, Refusal(""), event.delta)

    def _end_refusal(self, event: WireEvent) -> list[Event]:
        key = (event.output_index, _REFUSAL, event.content_index)
        return self._tell_rest(key, Refusal(""), event.refusal)

    def _add_summary(self, event: WireEvent) -> list[Event]:
        return self._add_reasoning(event, event.summary_index, is_summary=True)

    def _add_thought(self, event: WireEvent) -> list[Event]:
        return self._add_reasoning(event, event.content_index, is_summary=False)

    def _add_reasoning(self, event: WireEvent, index: int, *, is_summary: bool) -> list[Event]:
        key, section = (event.output_index, _REASONING, 0), (is_summary, index)
        text = event.delta
        told = self._open.get(key)
        if told is not None and section != told.section:
            # The sections of one thought are one text in the hub, as in a whole answer.
            told.section = section
            text = "\n\n" + text if told.length else text
        events = self._tell(key, Reasoning(is_summary=is_summary), text)
        if told is None:
            self._open[key].section = section
        return events

    def _add_arguments(self, event: WireEvent) -> list[Event]:
        told = self._open.get((event.output_index, _ARGUMENTS, 0))
        if told is None or not event.delta:
            # Of a tool that the provider runs (MCP): told when it is done.
            return []
        told.length += len(event.delta)
        return [PartDelta(told.index, event.delta)]

    def _end_arguments(self, event: WireEvent) -> list[Event]:
        told = self._open.get((event.output_index, _ARGUMENTS, 0))
        whole = event.arguments or event.input
        if told is None or told.length or not whole:
            return []
        told.length = len(whole)
        return [PartDelta(told.index, whole)]

    def _annotate(self, event: WireEvent) -> list[Event]:
        told = self._open.get((event.output_index, _TEXT, event.content_index))
        if told is None or not event.annotation:
            return []
        told.citations += 1
        annotation = Reader(read_fields(bytes(event.annotation)))
        return [PartAmended(index=told.index, citation=decode_citation(annotation))]

    def _begin_item(self, event: WireEvent) -> list[Event]:
        item = Reader(read_fields(bytes(event.item)))
        return self._begin_call(event.output_index, item)

    def _begin_call(self, output_index: int, item: Reader) -> list[Event]:
        """The beginning of a call for the caller; any other item tells of itself later."""
        kind = _CALLS.get(item.text("type") or "")
        key = (output_index, _ARGUMENTS, 0)
        if kind is None or key in self._open:
            return []
        return self._begin_part(key, begin_call(item, "", kind))

    def _end_item(self, event: WireEvent) -> list[Event]:
        return self._finish_item(event.output_index, bytes(event.item))

    def _finish_item(self, output_index: int, raw: bytes) -> list[Event]:
        """What an item says at its end and has not told yet."""
        if output_index in self._done:
            return []
        self._done.add(output_index)
        item = Reader(read_fields(raw))
        kind = item.fields.get("type")
        if kind == _REASONING_TYPE:
            return self._finish_reasoning(output_index, item)
        if kind == _MESSAGE_TYPE:
            return self._finish_message(output_index, item)
        if kind in _CALL_TYPES:
            return self._finish_call(output_index, item)
        return self._finish_hosted(item)

    def _finish_reasoning(self, output_index: int, item: Reader) -> list[Event]:
        key = (output_index, _REASONING, 0)
        parts = decode_item(Reader(dict(item.fields)), self.target, [])
        if not parts or not isinstance(parts[0], Reasoning):
            return self._end_parts()
        part = parts[0]
        events = self._tell_rest(key, Reasoning(is_summary=part.is_summary), part.text)
        if part.signature is not None:
            events += self._sign(key, part, read_seal(item, self.target))
        return events + self._end_parts()

    def _sign(self, key: _Key, part: Reasoning, signature: Signature | None) -> list[Event]:
        if key not in self._open:
            return self._begin_part(key, part)
        return [PartAmended(index=self._open[key].index, signature=signature)]

    def _finish_message(self, output_index: int, item: Reader) -> list[Event]:
        """Texts and citations that no event told of; the message's parts end with it."""
        logprobs: list[TokenLogprob] = []
        events: list[Event] = []
        has_told = False
        for place, part in enumerate(decode_item(item, self.target, logprobs)):
            kind = _REFUSAL if isinstance(part, Refusal) else _TEXT
            told = self._open.get((output_index, kind, place))
            if told is None:
                events += self._tell_whole(part)
                continue
            has_told = True
            if isinstance(part, Text):
                events += [
                    PartAmended(index=told.index, citation=citation)
                    for citation in part.citations[told.citations :]
                ]
        events += self._end_parts()
        if logprobs and not has_told:
            events.append(LogprobsAdded(tuple(logprobs)))
        return events

    def _tell_whole(self, part: Part) -> list[Event]:
        """A part at once: its text in one delta, as the grammar wants it."""
        events, index = self._end_parts(), self._part_count
        self._note(part)
        if not isinstance(part, Text | Refusal):
            return [*events, PartBegan(index, part), PartEnded(index)]
        citations = part.citations if isinstance(part, Text) else ()
        empty: Part = Text("") if isinstance(part, Text) else Refusal("")
        events += [PartBegan(index, empty), PartDelta(index, part.text)]
        events += [PartAmended(index=index, citation=citation) for citation in citations]
        events.append(PartEnded(index))
        return events

    def _finish_call(self, output_index: int, item: Reader) -> list[Event]:
        key = (output_index, _ARGUMENTS, 0)
        whole = item.text("arguments") or item.text("input") or ""
        events = self._begin_call(output_index, item)
        told = self._open[key]
        if whole and not told.length:
            told.length = len(whole)
            events.append(PartDelta(told.index, whole))
        if not told.is_ended:
            told.is_ended = True
            events.append(PartEnded(told.index))
        return events

    def _finish_hosted(self, item: Reader) -> list[Event]:
        events: list[Event] = []
        for part in decode_item(item, self.target, []):
            events += self._tell_whole(part)
        return events

    def _end(self, event: WireEvent) -> list[Event]:
        """The terminal event, which holds the whole answer again."""
        events = self._begin(event)
        response = bytes(event.response)
        answer = read_answer(response)
        for index, item in enumerate(answer.objects("output")):
            if index not in self._done:
                events += self._finish_item(index, bytes(item.whole_raw()))
        events += self._end_parts()
        if (usage := read_usage(response)) is not None:
            events.append(UsageReported(usage))
        status, details = answer.text("status"), answer.object("incomplete_details")
        reason = None if details is None else details.text("reason")
        finish = decode_finish(status, reason, self._deciding)
        events.append(ChoiceEnded(finish=finish, native_finish=reason or status))
        events.append(Ended(service_tier=answer.text("service_tier")))
        self.is_complete = self.is_ended = True
        return events

    def _fail(self, event: WireEvent) -> list[Event]:
        """What the provider said went wrong; an `error` may be followed by a failed response."""
        self.is_complete = self.is_ended = True
        return [Failed(read_failure(read_answer(bytes(event.response))))]


_REASONING_TYPE = msgspec.Raw(b'"reasoning"')
_MESSAGE_TYPE = msgspec.Raw(b'"message"')
_CALL_TYPES = (msgspec.Raw(b'"function_call"'), msgspec.Raw(b'"custom_tool_call"'))
_CALLS = {"function_call": ToolKind.FUNCTION, "custom_tool_call": ToolKind.CUSTOM}

_Take = Callable[[ResponsesStreamDecoder, WireEvent], Sequence[Event]]
_TAKES: Mapping[str, _Take] = {
    "response.created": ResponsesStreamDecoder._begin,
    "response.queued": ResponsesStreamDecoder._begin,
    "response.in_progress": ResponsesStreamDecoder._begin,
    "response.output_item.added": ResponsesStreamDecoder._begin_item,
    "response.output_item.done": ResponsesStreamDecoder._end_item,
    "response.output_text.delta": ResponsesStreamDecoder._add_text,
    "response.output_text.done": ResponsesStreamDecoder._end_text,
    "response.output_text.annotation.added": ResponsesStreamDecoder._annotate,
    "response.refusal.delta": ResponsesStreamDecoder._add_refusal,
    "response.refusal.done": ResponsesStreamDecoder._end_refusal,
    "response.reasoning_summary_text.delta": ResponsesStreamDecoder._add_summary,
    "response.reasoning_text.delta": ResponsesStreamDecoder._add_thought,
    "response.function_call_arguments.delta": ResponsesStreamDecoder._add_arguments,
    "response.function_call_arguments.done": ResponsesStreamDecoder._end_arguments,
    "response.custom_tool_call_input.delta": ResponsesStreamDecoder._add_arguments,
    "response.custom_tool_call_input.done": ResponsesStreamDecoder._end_arguments,
    "response.completed": ResponsesStreamDecoder._end,
    "response.incomplete": ResponsesStreamDecoder._end,
    "response.cancelled": ResponsesStreamDecoder._end,
    "response.failed": ResponsesStreamDecoder._fail,
    "error": ResponsesStreamDecoder._fail,
}


def decode_stream(event_bytes_max: int, target: Target) -> StreamDecoder:
    """The decoder of one streamed answer."""
    return ResponsesStreamDecoder(event_bytes_max, target)
