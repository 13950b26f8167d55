"""The canonical answer, whole (`Response`) and as it comes (events); each makes the other.

`unfold` tells an answer as events, `fold` puts events together; `fold(unfold(r)) == r`. So a caller
who wants a stream can be served from a whole answer, and one who does not from a stream.

The grammar of events: `Began` first; parts of a choice are numbered from 0 in the order in which
they begin; `PartBegan` gives the part as far as it is known (hosted calls, their results, media and
opaque blocks are whole then), `PartDelta` adds to its text, `PartAmended` adds what is not text,
`PartEnded` closes it. One `ChoiceEnded` for each choice; `UsageReported` may come anywhere and the
last one counts; `Ended` is last. `Failed` ends a stream in place of `Ended`. A delta for a part
that has ended is legal: some providers interleave parallel tool calls.
"""

import enum
from collections.abc import Iterable, Iterator

import msgspec

from nagara.domain.errors import GatewayError
from nagara.domain.messages import (
    NO_EXTRAS,
    Citation,
    Extras,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Usage


class FinishReason(enum.StrEnum):
    """Why generation ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    STOP_SEQUENCE = "stop_sequence"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    """The provider stopped a long turn of its own tools; the caller sends it back to go on."""
    CONTEXT_WINDOW = "context_window"
    MALFORMED_TOOL_CALL = "malformed_tool_call"
    OTHER = "other"


class TokenLogprob(msgspec.Struct, frozen=True, gc=False):
    """A token that was chosen and how likely it was; `top` are the likeliest ones."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple["TokenLogprob", ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One of the answers, nearly always the only one.

    `native_finish` is the provider's word for the reason, `explanation` its sentence about it: not
    what the model says, but what is said of its stopping.
    """

    parts: tuple[Part, ...]
    index: int = 0
    finish: FinishReason | None = None
    native_finish: str | None = None
    explanation: str | None = None
    stop_sequence: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    extras: Extras = NO_EXTRAS


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole answer. `id`, `model` and `created_s` are the provider's; `dialect` owns `extras`."""

    dialect: str
    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    service_tier: str | None = None
    extras: Extras = NO_EXTRAS


class Began(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer begins. `usage` is what is known of it now (Anthropic counts the input first)."""

    dialect: str
    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None


class PartBegan(msgspec.Struct, frozen=True, gc=False):
    """Part `index` of a choice begins as `part`."""

    index: int
    part: Part
    choice: int = 0


class PartDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the part's text: of a text, reasoning or refusal, or of a tool call's arguments."""

    index: int
    text: str
    choice: int = 0


class PartAmended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a part gets besides text: a citation, a signature, or fields of its own dialect."""

    index: int
    choice: int = 0
    citation: Citation | None = None
    signature: Signature | None = None
    extras: Extras = NO_EXTRAS


class PartEnded(msgspec.Struct, frozen=True, gc=False):
    """Part `index` of a choice is whole."""

    index: int
    choice: int = 0


class LogprobsAdded(msgspec.Struct, frozen=True, gc=False):
    """Probabilities of the tokens of the delta before this."""

    logprobs: tuple[TokenLogprob, ...]
    choice: int = 0


class ChoiceEnded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A choice is whole, and why it ended."""

    finish: FinishReason | None
    choice: int = 0
    native_finish: str | None = None
    explanation: str | None = None
    stop_sequence: str | None = None
    extras: Extras = NO_EXTRAS


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """What has been used so far, in total; a later report replaces it."""

    usage: Usage


class Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The terminal event: the answer is complete."""

    service_tier: str | None = None
    extras: Extras = NO_EXTRAS


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The provider said, in the middle of the stream, that it failed. Nothing follows."""

    error: GatewayError


Event = (
    Began
    | PartBegan
    | PartDelta
    | PartAmended
    | PartEnded
    | LogprobsAdded
    | ChoiceEnded
    | UsageReported
    | Ended
    | Failed
)


def unfold(response: Response) -> Iterator[Event]:
    """The events that tell this answer, each part's text in one delta."""
    yield Began(
        dialect=response.dialect,
        id=response.id,
        model=response.model,
        created_s=response.created_s,
        service_tier=response.service_tier,
    )
    for choice in response.choices:
        for index, part in enumerate(choice.parts):
            yield from _unfold_part(index, part, choice.index)
        if choice.logprobs:
            yield LogprobsAdded(choice.logprobs, choice.index)
        yield ChoiceEnded(
            choice=choice.index,
            finish=choice.finish,
            native_finish=choice.native_finish,
            explanation=choice.explanation,
            stop_sequence=choice.stop_sequence,
            extras=choice.extras,
        )
    if response.usage is not None:
        yield UsageReported(response.usage)
    yield Ended(service_tier=response.service_tier, extras=response.extras)


def _unfold_part(index: int, part: Part, choice: int) -> Iterator[Event]:
    replace = msgspec.structs.replace
    match part:
        case Text(text=text, citations=citations) if text or citations:
            yield PartBegan(index, replace(part, text="", citations=()), choice)
            if text:
                yield PartDelta(index, text, choice)
            for citation in citations:
                yield PartAmended(index=index, choice=choice, citation=citation)
        case Refusal(text=text) if text:
            yield PartBegan(index, replace(part, text=""), choice)
            yield PartDelta(index, text, choice)
        case Reasoning(text=text, signature=signature) if text:
            yield PartBegan(index, replace(part, text="", signature=None), choice)
            yield PartDelta(index, text, choice)
            if signature is not None:
                yield PartAmended(index=index, choice=choice, signature=signature)
        case ToolCall(arguments=arguments) if arguments:
            yield PartBegan(index, replace(part, arguments=""), choice)
            yield PartDelta(index, arguments, choice)
        case _:
            yield PartBegan(index, part, choice)
    yield PartEnded(index, choice)


def fold(events: Iterable[Event]) -> Response:
    """The answer that the events tell. Raises the `GatewayError` of a `Failed` among them."""
    folding = Folding()
    for event in events:
        folding.add(event)
    return folding.response()


class _OpenPart:
    """A part that is being put together: deltas are joined once, at the end."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.signature: Signature | None = None
        self.extras: dict[str, msgspec.Raw] = {}

    def whole(self) -> Part:
        part, text = self.part, "".join(self.pieces)
        changes: dict[str, object] = {}
        if text:
            name = "arguments" if isinstance(part, ToolCall) else "text"
            changes[name] = (getattr(part, name, None) or "") + text
        if self.citations and isinstance(part, Text):
            changes["citations"] = (*part.citations, *self.citations)
        if self.signature is not None and hasattr(part, "signature"):
            changes["signature"] = self.signature
        if self.extras and hasattr(part, "extras"):
            changes["extras"] = {**part.extras, **self.extras}
        return msgspec.structs.replace(part, **changes) if changes else part


class _OpenChoice:
    def __init__(self, index: int) -> None:
        self.index = index
        self.parts: dict[int, _OpenPart] = {}
        self.logprobs: list[TokenLogprob] = []
        self.ended = ChoiceEnded(finish=None)

    def whole(self) -> Choice:
        return Choice(
            index=self.index,
            parts=tuple(self.parts[index].whole() for index in sorted(self.parts)),
            finish=self.ended.finish,
            native_finish=self.ended.native_finish,
            explanation=self.ended.explanation,
            stop_sequence=self.ended.stop_sequence,
            logprobs=tuple(self.logprobs),
            extras=self.ended.extras,
        )


class Folding:
    """Puts one answer together, event by event."""

    def __init__(self) -> None:
        self._began = Began(dialect="")
        self._choices: dict[int, _OpenChoice] = {}
        self._usage: Usage | None = None
        self._ended = Ended()

    def add(self, event: Event) -> None:
        """Take the next event. Raises the error of a `Failed`."""
        match event:
            case PartDelta(index, text, choice):
                if (part := self._part(choice, index)) is not None:
                    part.pieces.append(text)
            case PartBegan(index, begun, choice):
                self._choice(choice).parts[index] = _OpenPart(begun)
            case PartAmended():
                self._amend(event)
            case Began():
                self._began, self._usage = event, event.usage or self._usage
            case LogprobsAdded(logprobs, choice):
                self._choice(choice).logprobs.extend(logprobs)
            case ChoiceEnded(choice=choice):
                self._choice(choice).ended = event
            case UsageReported(usage):
                self._usage = usage
            case Ended():
                self._ended = event
            case Failed(error):
                raise error
            case PartEnded():
                pass

    def response(self) -> Response:
        """The answer as far as it has come."""
        began = self._began
        return Response(
            dialect=began.dialect,
            id=began.id,
            model=began.model,
            created_s=began.created_s,
            choices=tuple(self._choices[index].whole() for index in sorted(self._choices)),
            usage=self._usage,
            service_tier=self._ended.service_tier or began.service_tier,
            extras=self._ended.extras,
        )

    def _choice(self, index: int) -> _OpenChoice:
        if index not in self._choices:
            self._choices[index] = _OpenChoice(index)
        return self._choices[index]

    def _part(self, choice: int, index: int) -> _OpenPart | None:
        opened = self._choices.get(choice) or self._choice(choice)
        return opened.parts.get(index)

    def _amend(self, event: PartAmended) -> None:
        part = self._part(event.choice, event.index)
        if part is None:
            return
        if event.citation is not None:
            part.citations.append(event.citation)
        if event.signature is not None:
            part.signature = event.signature
        part.extras.update(event.extras)
