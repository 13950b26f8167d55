"""One choice of an answer on its way to events, from deltas or from a whole message.

Theory of operation. A choice is told as parts, one open at a time: reasoning, text, a refusal, or a
tool call; when another kind begins, the open one ends. A delta has no part number of its own, so
the kind of its field decides; only tool calls are numbered, and later pieces of one may come after
the next has begun. A whole message is read as a single delta, which makes both ways agree. What
comes in pieces that mean nothing alone (audio) is kept, within a bound, until the end.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming
https://openrouter.ai/docs/use-cases/reasoning-tokens https://docs.mistral.ai/capabilities/reasoning
"""

import msgspec

from nagara.dialects.openai_chat.call_pieces import (
    OpenCall,
    OpenCalls,
    begin_call,
    read_arguments,
)
from nagara.dialects.openai_chat.citations import decode_annotation
from nagara.dialects.openai_chat.finish import decode_finish
from nagara.dialects.openai_chat.hosted import NAME, decode_executed, executed_decoder
from nagara.dialects.openai_chat.media import decode_image
from nagara.dialects.openai_chat.reasoning_details import decode_detail
from nagara.dialects.openai_chat.wire import (
    AnnotationWire,
    AudioWire,
    CallWire,
    ChoiceWire,
    DetailWire,
    MessageWire,
    PieceWire,
    decode_wire,
)
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import ChoiceEnded, Event, PartAmended, PartBegan, PartDelta, PartEnded
from nagara.domain.messages import (
    Citation,
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
)

_EMPTY_TEXT, _EMPTY_REASONING, _EMPTY_REFUSAL = Text(""), Reasoning(), Refusal("")

_piece_decoder = msgspec.json.Decoder(PieceWire)


class ChoiceDecoder:
    """Makes events of what is said in one choice; `end` closes it. Feed it in order."""

    def __init__(self, index: int, maker: str, kept_bytes_max: int) -> None:
        self.index = index
        self.reason: str | None = None
        """The provider's finish reason; the choice is complete when there is one."""
        self._maker = maker
        self._kept_bytes_left = kept_bytes_max
        self._count = 0
        self._open: int | None = None
        self._open_kind: type[Part] | None = None
        self._open_detail: tuple[str, int | None] | None = None
        self._text: int | None = None
        self._calls = OpenCalls()
        self._audio: list[AudioWire] = []
        self._executing: dict[int, tuple[HostedCall, HostedResult]] = {}
        self._stop_sequence: str | None = None
        self._native: str | None = None

    def take(self, choice: ChoiceWire, said: MessageWire, events: list[Event]) -> None:
        """Append the events of one delta, or of the whole message."""
        content = said.content
        if said.reasoning_details or said.reasoning_content or said.reasoning:
            self._take_reasoning(said, events)
        if said.executed_tools:
            self._take_executed(said.executed_tools, events)
        if content:
            if isinstance(content, str):
                self._add(_EMPTY_TEXT, content, events)
            else:
                self._take_pieces(content, events)
        if said.refusal:
            self._add(_EMPTY_REFUSAL, said.refusal, events)
        if said.annotations or said.audio or said.images or said.tool_calls or said.function_call:
            self._take_others(said, events)
        # Last: some servers put the reason beside the last text, and some an empty text after it.
        if choice.finish_reason:
            self._note_reason(choice)

    def end(self, found: list[Citation]) -> list[Event]:
        """The events that close the choice. `found` are citations of all its text."""
        events: list[Event] = []
        for ran, result in self._executing.values():
            self._put(ran, events)
            if result.output is not None or result.sources:
                self._put(result, events)
        for call in self._calls.unnamed():
            self._begin_call(call, CallWire(), "", events)
        if self._text is not None:
            self._cite(self._text, found, events)
        self._take_whole_audio(events)
        self._close_part(events)
        events.append(
            ChoiceEnded(
                choice=self.index,
                finish=decode_finish(self.reason, has_calls=self._calls.begun_count > 0),
                native_finish=self._native or self.reason,
                stop_sequence=self._stop_sequence,
            )
        )
        return events

    def _note_reason(self, choice: ChoiceWire) -> None:
        # OpenRouter gives the reason again with the usage; the first one is the model's.
        self.reason = self.reason or choice.finish_reason
        self._native = self._native or choice.native_finish_reason
        # A number is the token that ended it, which says nothing to anybody.
        # https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html
        if isinstance(choice.stop_reason, str):
            self._stop_sequence = choice.stop_reason

    # Parts: opening, adding to, and closing.

    def _begin(self, part: Part, events: list[Event]) -> int:
        self._close_part(events)
        index = self._open = self._count
        self._count += 1
        self._open_kind, self._open_detail = type(part), None
        events.append(PartBegan(index, part, self.index))
        return index

    def _close_part(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartEnded(self._open, self.index))
            self._open = self._open_kind = None

    def _put(self, part: Part, events: list[Event]) -> None:
        """A part that is whole at once."""
        self._begin(part, events)
        self._close_part(events)

    def _add(self, empty: Text | Refusal | Reasoning, text: str, events: list[Event]) -> None:
        """More of the open part if it is of this kind, else a new one."""
        if self._open_kind is not type(empty):
            index = self._begin(empty, events)
            if empty is _EMPTY_TEXT:
                self._text = index
        if text and self._open is not None:
            events.append(PartDelta(self._open, text, self.index))

    # Reasoning: plain text under either name, or OpenRouter's details.

    def _take_reasoning(self, said: MessageWire, events: list[Event]) -> None:
        details = said.reasoning_details or ()
        # The plain text repeats that of the details; it counts only where they have none.
        if not any(detail.text or detail.summary for detail in details):
            text = said.reasoning_content or said.reasoning
            if text:
                self._add(_EMPTY_REASONING, text, events)
        for detail in details:
            self._take_detail(detail, events)

    def _take_detail(self, detail: DetailWire, events: list[Event]) -> None:
        part = decode_detail(detail, self._maker)
        place = (detail.type, detail.index)
        if part.is_redacted:
            # What is encrypted comes whole, and nothing is ever added to it.
            self._put(part, events)
            return
        if self._open_kind is not Reasoning or self._open_detail not in (None, place):
            self._begin(msgspec.structs.replace(part, text="", signature=None), events)
        # Plain reasoning before has no place of its own, and takes the first that comes.
        self._open_detail = place
        index = self._open or 0
        if part.text:
            events.append(PartDelta(index, part.text, self.index))
        if part.signature is not None:
            events.append(PartAmended(index=index, choice=self.index, signature=part.signature))

    def _take_pieces(self, pieces: list[msgspec.Raw], events: list[Event]) -> None:
        """Mistral's content as a list, in which reasoning and text follow one another."""
        for raw in pieces:
            piece = decode_wire(bytes(raw), _piece_decoder)
            thinking = piece.thinking
            if isinstance(thinking, str):
                self._add(_EMPTY_REASONING, thinking, events)
            elif thinking is not None:
                for thought in thinking:
                    self._add(_EMPTY_REASONING, thought.text or "", events)
            elif piece.text is not None:
                if piece.text:
                    self._add(_EMPTY_TEXT, piece.text, events)
            elif piece.image_url is not None:
                url = piece.image_url
                self._take_image(url if isinstance(url, str) else url.url, events)
            else:
                # What the text refers to, say: no other dialect has it, so it is named.
                self._put(Opaque(dialect=NAME, type=piece.type, raw=raw.copy()), events)

    # What seldom comes.

    def _take_others(self, said: MessageWire, events: list[Event]) -> None:
        if said.annotations:
            self._take_annotations(said.annotations, events)
        if said.audio is not None:
            self._keep_audio(said.audio)
        for image in said.images or ():
            if image.image_url is not None:
                self._take_image(image.image_url.url, events)
        for call in said.tool_calls or ():
            self._take_call(call, events)
        if said.function_call is not None:
            # The deprecated field knows one call, without an id.
            self._take_call(CallWire(index=0, function=said.function_call), events)

    def _take_annotations(self, annotations: list[AnnotationWire], events: list[Event]) -> None:
        citations = [c for c in map(decode_annotation, annotations) if c is not None]
        if not citations:
            return
        if self._text is None:
            # OpenRouter may cite before the first word of the text.
            self._text = self._begin(_EMPTY_TEXT, events)
        self._cite(self._text, citations, events)

    def _cite(self, text: int, citations: list[Citation], events: list[Event]) -> None:
        choice = self.index
        events += (PartAmended(index=text, choice=choice, citation=c) for c in citations)

    def _take_image(self, url: str, events: list[Event]) -> None:
        self._put(decode_image(url), events)

    def _keep_audio(self, audio: AudioWire) -> None:
        self._keep(len(audio.data or "") + len(audio.transcript or ""))
        self._audio.append(audio)

    def _keep(self, count: int) -> None:
        """Count what is kept until later, so that no provider can make us keep any amount."""
        self._kept_bytes_left -= count
        if self._kept_bytes_left < 0:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                "The provider sent more in pieces (audio, say) than one answer may have.",
            )

    def _take_whole_audio(self, events: list[Event]) -> None:
        data = "".join(piece.data or "" for piece in self._audio)
        transcript = "".join(piece.transcript or "" for piece in self._audio)
        if data or transcript:
            media = Media(kind=MediaKind.AUDIO, data=data, transcript=transcript or None)
            self._put(media, events)

    def _take_executed(self, executed: list[msgspec.Raw], events: list[Event]) -> None:
        for raw in executed:
            # Told twice in a stream: when it starts, and again with what came of it.
            said = decode_wire(bytes(raw), executed_decoder)
            call, result = decode_executed(said, raw)
            if not said.is_done:
                self._keep(len(raw))
                self._executing[said.index] = (call, result)
                continue
            self._executing.pop(said.index, None)
            self._put(call, events)
            self._put(result, events)

    # Tool calls.

    def _take_call(self, piece: CallWire, events: list[Event]) -> None:
        said = piece.function or piece.custom
        name = said.name if said is not None else None
        call = self._calls.find(piece, name)
        if call.part is None and name:
            self._begin_call(call, piece, name, events)
        text = read_arguments(piece)
        if not text:
            return
        if call.part is None:
            self._keep(len(text))
            call.waiting.append(text)
        else:
            events.append(PartDelta(call.part, text, self.index))

    def _begin_call(self, call: OpenCall, piece: CallWire, name: str, events: list[Event]) -> None:
        call.part = self._begin(begin_call(call, piece, name, self._maker), events)
        self._calls.begun_count += 1
        if call.waiting:
            events.append(PartDelta(call.part, "".join(call.waiting), self.index))
            call.waiting = []
