"""An answer, whole or in pieces, on its way to events: one `GenerateContentResponse` at a time.

Theory of operation. A stream is a run of whole responses, each with the parts that are new, so a
whole answer is a stream of one. For each candidate there is at most one open part: text goes on in
it while its kind stays the same and no signature stands between. A signature on text ends it, and
follows as a part of its own. Citations come with the last piece and are added to the texts before
the open one is closed. A candidate is whole when it has a finish reason.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

import msgspec

from nagara.dialects.base import NOTHING, malformed_answer
from nagara.dialects.codec import Target
from nagara.dialects.google_gemini.finish import read_finish
from nagara.dialects.google_gemini.grounding import (
    GroundingWire,
    RecitationWire,
    UrlContextWire,
    place_citations,
    read_search,
)
from nagara.dialects.google_gemini.parts import PartReader
from nagara.dialects.google_gemini.refusal import read_refusal
from nagara.dialects.google_gemini.usage import UsageWire, add_searches, count_searches
from nagara.dialects.google_gemini.wire import (
    NAME,
    ContentWire,
    ErrorWire,
    LogprobsWire,
    TokenWire,
    Wire,
    read,
)
from nagara.dialects.json_fields import NULL, decode_untyped
from nagara.dialects.service_tier import read_tier
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
    HostedKind,
    HostedResult,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Usage


class CandidateWire(msgspec.Struct, rename="camel", gc=False):
    """One of the answers, or what is new of it."""

    content: ContentWire | None = None
    finish_reason: str | None = None
    index: int | None = None
    finish_message: msgspec.Raw = NOTHING
    safety_ratings: msgspec.Raw = NOTHING
    avg_logprobs: msgspec.Raw = NOTHING
    logprobs_result: LogprobsWire | None = None
    grounding_metadata: msgspec.Raw = NOTHING
    citation_metadata: msgspec.Raw = NOTHING
    url_context_metadata: msgspec.Raw = NOTHING


class FeedbackWire(msgspec.Struct, rename="camel", gc=False):
    """`promptFeedback`: why a prompt was blocked. Vertex says it in a sentence, too."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class AnswerWire(msgspec.Struct, rename="camel", gc=False):
    """One response."""

    candidates: list[CandidateWire] | None = None
    prompt_feedback: msgspec.Raw = NOTHING
    usage_metadata: UsageWire | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: ErrorWire | None = None


_answer_decoder = msgspec.json.Decoder(AnswerWire)
_errors_decoder = msgspec.json.Decoder(list[AnswerWire])
_feedback_decoder = msgspec.json.Decoder(FeedbackWire)
_grounding_decoder = msgspec.json.Decoder(GroundingWire)
_recitation_decoder = msgspec.json.Decoder(RecitationWire)
_context_decoder = msgspec.json.Decoder(UrlContextWire)

_CARRIED = (
    ("finish_message", "finishMessage"),
    ("safety_ratings", "safetyRatings"),
    ("avg_logprobs", "avgLogprobs"),
    ("grounding_metadata", "groundingMetadata"),
    ("citation_metadata", "citationMetadata"),
    ("url_context_metadata", "urlContextMetadata"),
)
"""Fields of a candidate that a caller of this dialect gets as they are."""

CANDIDATES_MAX = 128


def read_answer(data: bytes) -> AnswerWire:
    """One response. Raises `GatewayError` (UPSTREAM_PROTOCOL) for what is none."""
    try:
        if data.lstrip()[:1] == b"[":
            # Errors of a stream may come as an array of one.
            found = read(data, _errors_decoder)
            return found[0] if len(found) == 1 else AnswerWire()
        return read(data, _answer_decoder)
    except msgspec.DecodeError as error:
        raise malformed_answer() from error


class AnswerReader:
    """Takes responses and gives events. `is_complete` once every candidate has its reason."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._candidates: dict[int, _Candidate] = {}
        self._has_begun = False
        self._tier: str | None = None
        self._counted: UsageWire | None = None
        self._searches = 0
        self._is_usage_told = True
        self._feedback: msgspec.Raw = NOTHING
        self.is_complete = False

    def take(self, answer: AnswerWire) -> list[Event]:
        """The events of one response. Raises the `GatewayError` of one that is an error."""
        if answer.error is not None:
            raise read_refusal(answer.error, self._target)
        if answer.usage_metadata is not None:
            self._note_usage(answer.usage_metadata)
        events: list[Event] = []
        if not self._has_begun:
            self._has_begun = True
            events.append(_begin(answer, self.usage))
        try:
            for said in answer.candidates or ():
                self._candidate(said.index or 0).take(said, events)
            if answer.prompt_feedback:
                self._take_feedback(answer.prompt_feedback, events)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed_answer() from error
        self._count_searches(answer)
        if answer.candidates or answer.prompt_feedback:
            self.is_complete = bool(self._candidates) and not self._has_unfinished()
        if self.is_complete:
            self._tell_usage(events)
        return events

    @property
    def usage(self) -> Usage | None:
        """What was counted last."""
        usage = None if self._counted is None else self._counted.to_usage()
        return None if usage is None else add_searches(usage, self._searches)

    def _note_usage(self, counted: UsageWire) -> None:
        # It stands in every piece, and the last one counts: only that is worth more than a look.
        if counted.service_tier is not None:
            self._tier = read_tier(counted.service_tier)
        if counted.has_counts:
            self._counted, self._is_usage_told = counted, False

    def _tell_usage(self, events: list[Event]) -> None:
        if not self._is_usage_told and (usage := self.usage) is not None:
            self._is_usage_told = True
            events.append(UsageReported(usage))

    def _count_searches(self, answer: AnswerWire) -> None:
        searches = 0
        for said in answer.candidates or ():
            if said.grounding_metadata:
                searches += count_searches(said.grounding_metadata, answer.model_version)
        # They are told once, or again as they grow.
        if searches > self._searches:
            self._searches, self._is_usage_told = searches, False

    def finish(self) -> list[Event]:
        """What is still owed when all is said."""
        events: list[Event] = []
        self._tell_usage(events)
        extras = {"promptFeedback": self._feedback} if self._feedback else {}
        return [*events, Ended(service_tier=self._tier, extras=extras)]

    def _has_unfinished(self) -> bool:
        # A plain loop, and it ends at the first one: this is asked for every piece of a stream.
        for candidate in self._candidates.values():  # noqa: SIM110
            if not candidate.is_finished:
                return True
        return False

    def _candidate(self, index: int) -> "_Candidate":
        if index not in self._candidates:
            if not 0 <= index < CANDIDATES_MAX:
                raise malformed_answer()
            self._candidates[index] = _Candidate(index, self._target)
        return self._candidates[index]

    def _take_feedback(self, raw: msgspec.Raw, events: list[Event]) -> None:
        """A blocked prompt has no candidate: an answer without words, held back by a filter."""
        self._feedback = msgspec.Raw(raw)
        feedback = read(raw, _feedback_decoder)
        if feedback.block_reason and not self._candidates:
            blocked = self._candidate(0)
            blocked.is_finished = True
            events.append(
                ChoiceEnded(
                    finish=FinishReason.CONTENT_FILTER,
                    native_finish=feedback.block_reason,
                    explanation=feedback.block_reason_message,
                )
            )


def _begin(answer: AnswerWire, usage: Usage | None) -> Began:
    # The first piece counts the input already, which a Messages caller is told at the beginning.
    return Began(dialect=NAME, id=answer.response_id, model=answer.model_version, usage=usage)


class _Candidate:
    """The state of one candidate."""

    def __init__(self, index: int, target: Target) -> None:
        self.is_finished = False
        self._choice = index
        self._maker = target.maker
        self._reader = PartReader(self._sign, makes_ids=False)
        self._count = 0
        self._open: type[Part] | None = None
        self._owed: Reasoning | None = None
        self._texts: list[list[str]] = []
        self._text_indices: list[int] = []
        self._has_calls = False
        self._told_tools: set[HostedKind] = set()
        """Those whose results came as parts, which the metadata then only repeats."""
        self._extras: dict[str, msgspec.Raw] = {}

    def take(self, said: CandidateWire, events: list[Event]) -> None:
        """Add the events of what is new."""
        content = said.content
        for raw in (content.parts if content is not None else None) or ():
            for part in self._reader.read(raw):
                self._take_part(part, events)
        if said.logprobs_result is not None:
            self._take_logprobs(said.logprobs_result, events)
        for attribute, name in _CARRIED:
            if (raw := getattr(said, attribute)) and raw != NULL:
                self._extras[name] = msgspec.Raw(raw)
        if said.finish_reason and not self.is_finished:
            self._finish(said.finish_reason, events)

    def _sign(self, value: str) -> Signature:
        return Signature(value, self._maker)

    def _take_part(self, part: Part, events: list[Event]) -> None:
        if self._owed is not None:
            self._close(events)
        kind = type(part)
        if isinstance(part, Text) or (isinstance(part, Reasoning) and part.text):
            if not part.text:
                return
            if self._open is not kind:
                self._close(events)
                self._begin(msgspec.structs.replace(part, text="", **_UNSIGNED[kind]), events)
                self._open = kind
            index = self._count - 1
            events.append(PartDelta(index, part.text, self._choice))
            if isinstance(part, Text):
                self._texts[-1].append(part.text)
            elif part.signature is not None:
                events.append(
                    PartAmended(index=index, choice=self._choice, signature=part.signature)
                )
                self._close(events)
        elif isinstance(part, Reasoning) and self._open is Text and part.signature is not None:
            # Grounding comes with the last text, and belongs into it before it ends.
            self._owed = part
        else:
            self._close(events)
            self._has_calls |= kind is ToolCall
            if isinstance(part, HostedResult):
                self._told_tools.add(part.kind)
            self._begin(part, events)
            events.append(PartEnded(self._count - 1, self._choice))

    def _begin(self, part: Part, events: list[Event]) -> None:
        if isinstance(part, Text):
            self._texts.append([])
            self._text_indices.append(self._count)
        events.append(PartBegan(self._count, part, self._choice))
        self._count += 1

    def _close(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartEnded(self._count - 1, self._choice))
            self._open = None
        if self._owed is not None:
            owed, self._owed = self._owed, None
            self._begin(owed, events)
            events.append(PartEnded(self._count - 1, self._choice))

    def _take_logprobs(self, said: LogprobsWire, events: list[Event]) -> None:
        tops = said.top_candidates or []
        logprobs = tuple(
            _read_token(chosen, tops[i].candidates or () if i < len(tops) else ())
            for i, chosen in enumerate(said.chosen_candidates or ())
        )
        if logprobs:
            events.append(LogprobsAdded(logprobs, self._choice))

    def _finish(self, native: str, events: list[Event]) -> None:
        self.is_finished = True
        extras = self._extras
        grounding = _maybe(extras.get("groundingMetadata"), _grounding_decoder)
        recitation = _maybe(extras.get("citationMetadata"), _recitation_decoder)
        context = _maybe(extras.get("urlContextMetadata"), _context_decoder)
        if grounding is not None or recitation is not None:
            texts = ["".join(pieces) for pieces in self._texts]
            for placed in place_citations(texts, grounding, recitation):
                index = self._text_indices[placed.text_number]
                events.append(
                    PartAmended(index=index, choice=self._choice, citation=placed.citation)
                )
        self._close(events)
        for part in read_search(grounding, context):
            if part.kind not in self._told_tools:
                self._begin(part, events)
                events.append(PartEnded(self._count - 1, self._choice))
        events.append(
            ChoiceEnded(
                finish=read_finish(native, has_calls=self._has_calls),
                choice=self._choice,
                native_finish=native,
                explanation=_read_text(extras.get("finishMessage")),
                extras=extras,
            )
        )


_UNSIGNED: dict[type[Part], dict[str, None]] = {Text: {}, Reasoning: {"signature": None}}


def _maybe(raw: msgspec.Raw | None, decoder: "msgspec.json.Decoder[Wire]") -> Wire | None:
    return None if raw is None else read(raw, decoder)


def _read_text(raw: msgspec.Raw | None) -> str | None:
    """A text; what is none fails no answer, as it is only handed on."""
    value = None if raw is None else decode_untyped(raw)
    return value if isinstance(value, str) else None


def _read_token(chosen: TokenWire, top: "list[TokenWire] | tuple[()]") -> TokenLogprob:
    return TokenLogprob(
        token=chosen.token or "",
        logprob=chosen.log_probability or 0.0,
        top=tuple(TokenLogprob(t.token or "", t.log_probability or 0.0) for t in top),
    )
