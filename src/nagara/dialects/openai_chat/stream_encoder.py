"""Streamed answers for callers of Chat Completions.

Theory of operation. Chunks differ only in their delta, so what surrounds it is written once. Every
choice begins with its role and ends with its finish reason; between them each part's deltas go out
at once, except that reasoning is told again as one entry of `reasoning_details` when it ends, with
its signature, and citations come with the finish reason: clients add up lists entry by entry, and
an entry must be whole to be replayed. Put together, the chunks are the message of a whole answer.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import msgspec

from nagara.dialects.codec import Frame, StreamEncoder
from nagara.dialects.openai_chat.caller_shapes import (
    encode_audio,
    encode_call,
    encode_image,
    encode_logprobs,
    find_call_id,
    is_legacy,
)
from nagara.dialects.openai_chat.citations import encode_annotation
from nagara.dialects.openai_chat.finish import LEGACY_TOOL_CALL, encode_finish
from nagara.dialects.openai_chat.reasoning_details import encode_for_caller
from nagara.dialects.openai_chat.replay import encode_block, encode_call_signature
from nagara.dialects.openai_chat.stream_state import ToldChoice, ToldPart
from nagara.dialects.openai_chat.usage import encode_usage
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.dialects.openai_error import encode_error
from nagara.dialects.service_tier import openai_tier
from nagara.dialects.sse import DONE, encode_event
from nagara.domain.errors import GatewayError
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    FinishReason,
    LogprobsAdded,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    TokenLogprob,
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
    ToolKind,
)
from nagara.domain.usage import Usage

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


class ChatStreamEncoder(StreamEncoder):
    """The chunks of one answer."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self._is_legacy = is_legacy(frame)
        self._choices: dict[int, ToldChoice] = {}
        self._usage: Usage | None = None
        self._has_tier = False
        self._has_usage_request = frame.request.has_usage_request
        fields = {
            "id": frame.make_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": frame.created_s,
            "model": frame.model,
        }
        self._stem = _encode(fields)[:-1]
        self._head = b"data: " + self._stem + b',"choices":[{"index":'
        # OpenAI writes the null into every chunk of those who asked for usage.
        self._end = b',"usage":null}\n\n' if self._has_usage_request else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._end

    def encode(self, event: Event) -> bytes:
        """The chunks for one event; with `Ended` come the usage, if asked for, and `[DONE]`."""
        match event:
            case PartDelta():
                return self._encode_delta(event)
            case PartBegan(index, part, choice):
                return self._begin_choice(choice) + self._begin_part(choice, index, part)
            case PartEnded(index, choice):
                return self._end_part(choice, index)
            case PartAmended():
                self._amend(event)
            case LogprobsAdded(logprobs, choice):
                return self._begin_choice(choice) + self._encode_logprobs(choice, logprobs)
            case ChoiceEnded():
                return self._begin_choice(event.choice) + self._end_choice(event)
            case Began():
                return self._begin(event)
            case UsageReported(usage):
                self._usage = usage
            case Ended():
                return self._finish(event)
        return b""

    def fail(self, error: GatewayError) -> bytes:
        """An error chunk, which the SDKs raise; nothing follows it."""
        return encode_event(encode_error(error, ""))

    # Chunks.

    def _chunk(self, choice: int, delta: bytes) -> bytes:
        return b'%b%d,"delta":%b%b' % (self._head, choice, delta, self._tail)

    def _chunk_of(self, choice: int, **fields: object) -> bytes:
        return self._chunk(choice, _encode(fields))

    def _encode_delta(self, event: PartDelta) -> bytes:
        told = self._choices[event.choice].parts.get(event.index)
        if told is None:
            return b""
        text = event.text
        # The hot path: one chunk for each of the provider's, with nothing built but its text.
        if isinstance(told.part, Reasoning):
            told.pieces.append(text)
        else:
            told.length += len(text)
        return b'%b%d,"delta":{%b%b%b}%b' % (
            self._head, event.choice, told.before, _encode(text), told.after, self._tail
        )  # fmt: skip

    # Beginnings.

    def _begin(self, event: Began) -> bytes:
        self._usage = event.usage
        if (tier := openai_tier(event.service_tier)) is not None:
            # In every chunk, as at OpenAI: the SDK takes it from the first.
            self._stem += b',"service_tier":' + _encode(tier)
            self._has_tier = True
            self._head = b"data: " + self._stem + b',"choices":[{"index":'
        # At once, before anything is known: clients show that somebody answers.
        return self._begin_choice(self.frame.request.choice_count - 1)

    def _begin_choice(self, choice: int) -> bytes:
        """The roles of this choice and those before it: clients number choices as they come."""
        if choice in self._choices:
            return b""
        roles = []
        for index in range(len(self._choices), choice + 1):
            self._choices[index] = ToldChoice()
            roles.append(self._chunk(index, b'{"role":"assistant"}'))
        return b"".join(roles)

    def _begin_part(self, choice: int, index: int, part: Part) -> bytes:
        state = self._choices[choice]
        match part:
            case Text():
                state.has_content = True
                told = ToldPart(part, b'"content":', b"")
                told.offset = state.text_length
                state.citations += ((index, citation) for citation in part.citations)
                return self._tell(state, choice, index, told, part.text, is_said_empty=True)
            case Reasoning():
                told = ToldPart(part, b'"reasoning_content":', b"")
                return self._tell(state, choice, index, told, part.text)
            case Refusal():
                state.is_answered = True
                told = ToldPart(part, b'"refusal":', b"")
                return self._tell(state, choice, index, told, part.text)
            case ToolCall():
                return self._begin_call(state, choice, index, part)
            case Media():
                return self._tell_media(state, choice, part)
            case HostedCall() | HostedResult() | Opaque():
                self._drop(part.type if isinstance(part, Opaque) else part.name)
                return self._tell_detail(state, choice, encode_block(part, state.detail_count))
        self._drop("tool_result")
        return b""

    def _tell(
        self, state: ToldChoice, choice: int, index: int, told: ToldPart, text: str,
        *, is_said_empty: bool = False,
    ) -> bytes:  # fmt: skip
        """Open a part of text, with what is known of it; an empty text is said, or it is null."""
        state.parts[index] = told
        if not text and not is_said_empty:
            return b""
        return self._encode_delta(PartDelta(index, text, choice))

    def _begin_call(self, state: ToldChoice, choice: int, index: int, part: ToolCall) -> bytes:
        state.is_answered = True
        number, state.call_count = state.call_count, state.call_count + 1
        call_id = find_call_id(part, self.frame, choice, index)
        call = encode_call(part, call_id)
        delta: dict[str, object] = {"tool_calls": [{"index": number, **call}]}
        before, after = _surround_arguments(part.kind, number)
        if self._is_legacy:
            if number:
                # The deprecated field has room for one call.
                self._drop("tool_calls")
                return b""
            delta = {"function_call": call["function"]}
            before, after = b'"function_call":{"arguments":', b"}"
        told = state.parts[index] = ToldPart(part, before, after)
        told.call_id, told.signature = call_id, part.signature
        return self._chunk_of(choice, **delta)

    def _tell_media(self, state: ToldChoice, choice: int, part: Media) -> bytes:
        if part.kind is MediaKind.AUDIO:
            state.is_answered = True
            return self._chunk_of(choice, audio=encode_audio(part, self.frame))
        if part.kind is MediaKind.IMAGE and (image := encode_image(part, state.image_count)):
            state.image_count += 1
            return self._chunk_of(choice, images=[image])
        self._drop(str(part.kind))
        return b""

    def _tell_detail(self, state: ToldChoice, choice: int, detail: DetailWire | None) -> bytes:
        if detail is None:
            return b""
        state.detail_count += 1
        return self._chunk_of(choice, reasoning_details=[detail])

    # Ends.

    def _amend(self, event: PartAmended) -> None:
        state = self._choices[event.choice]
        told = state.parts.get(event.index)
        if told is None:
            return
        if event.signature is not None:
            told.signature = event.signature
        if event.citation is not None:
            state.citations.append((event.index, event.citation))

    def _end_part(self, choice: int, index: int) -> bytes:
        state = self._choices[choice]
        told = state.parts.get(index)
        if told is None:
            return b""
        part, count = told.part, state.detail_count
        if isinstance(part, Text):
            state.text_length = max(state.text_length, told.offset + told.length)
        elif isinstance(part, Reasoning):
            # Told again as a whole: an entry in pieces would be replayed in pieces by clients that
            # only collect, and then its signature fits nothing.
            whole = msgspec.structs.replace(
                part, text="".join(told.pieces), signature=told.signature or part.signature
            )
            return self._tell_detail(state, choice, encode_for_caller(whole, count))
        elif isinstance(part, ToolCall):
            signed = msgspec.structs.replace(part, signature=told.signature)
            detail = encode_call_signature(signed, told.call_id, count)
            return self._tell_detail(state, choice, detail)
        return b""

    def _encode_logprobs(self, choice: int, logprobs: tuple[TokenLogprob, ...]) -> bytes:
        said = encode_logprobs(logprobs)
        return b'%b%d,"delta":{},"logprobs":%b,"finish_reason":null}]%b' % (
            self._head, choice, _encode(said), self._end
        )  # fmt: skip

    def _end_choice(self, event: ChoiceEnded) -> bytes:
        state = self._choices[event.choice]
        has_refusal = any(isinstance(told.part, Refusal) for told in state.parts.values())
        finish = encode_finish(event.finish, has_refusal=has_refusal)
        if event.explanation:
            self._drop("explanation")
        if event.finish is FinishReason.TOOL_CALLS and self._is_legacy:
            finish = LEGACY_TOOL_CALL
        delta: dict[str, object] = {}
        # A message whose content is null for no reason breaks clients.
        if not state.has_content and not state.is_answered:
            delta["content"] = ""
        # All at once: the SDK's accumulator joins a list only once if its entries have no number.
        if annotations := self._encode_annotations(state):
            delta["annotations"] = annotations
        return b'%b%d,"delta":%b,"logprobs":null,"finish_reason":%b}]%b' % (
            self._head, event.choice, _encode(delta), _encode(finish), self._end
        )  # fmt: skip

    def _encode_annotations(self, state: ToldChoice) -> list[dict[str, object]]:
        annotations = []
        for index, citation in state.citations:
            told = state.parts[index]
            annotation = encode_annotation(citation, told.offset, told.length)
            if annotation is None:
                self._drop("citations")
            else:
                annotations.append(annotation)
        return annotations

    def _finish(self, event: Ended) -> bytes:
        if self._usage is None or not self._has_usage_request:
            return DONE
        fields: dict[str, object] = {"choices": [], "usage": encode_usage(self._usage)}
        if (tier := openai_tier(event.service_tier)) is not None and not self._has_tier:
            fields["service_tier"] = tier
        return b"data: " + self._stem + b"," + _encode(fields)[1:] + b"\n\n" + DONE

    def _drop(self, name: str) -> None:
        self.dropped.append(name)


def _surround_arguments(kind: ToolKind, number: int) -> tuple[bytes, bytes]:
    """What stands before and after a piece of a call's arguments."""
    field = b"custom" if kind is ToolKind.CUSTOM else b"function"
    name = b"input" if kind is ToolKind.CUSTOM else b"arguments"
    return b'"tool_calls":[{"index":%d,"%b":{"%b":' % (number, field, name), b"}}]"


def encode_stream(frame: Frame) -> StreamEncoder:
    """The encoder of one streamed answer."""
    return ChatStreamEncoder(frame)
