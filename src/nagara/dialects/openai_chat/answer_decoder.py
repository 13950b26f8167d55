"""An answer on its way to events, from its chunks or from its whole body.

Choices may come interleaved, the usage with any chunk and again, and chunks after the finish
reason; so a choice ends, and usage is told, only when the answer does. Nothing here knows server-
sent events: `stream_decoder` and `response_decoder` both stand on this.
"""

from collections.abc import Iterable

import msgspec

from nagara.dialects.base import malformed_answer
from nagara.dialects.codec import Target
from nagara.dialects.json_fields import NULL
from nagara.dialects.openai_chat.choice_decoder import ChoiceDecoder
from nagara.dialects.openai_chat.citations import cite_found
from nagara.dialects.openai_chat.failure import decode_failure
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.usage import ChatUsage
from nagara.dialects.openai_chat.wire import (
    AnswerWire,
    ChoiceWire,
    LogprobsWire,
    LogprobWire,
    MessageWire,
)
from nagara.dialects.service_tier import note_tier
from nagara.domain.events import (
    Began,
    Ended,
    Event,
    Failed,
    LogprobsAdded,
    TokenLogprob,
    UsageReported,
)
from nagara.domain.messages import Citation
from nagara.domain.usage import Usage

CHOICES_MAX = 128
"""More choices than any provider gives: a bound on what a broken one can make us keep."""

FAILED = "error"
"""The reason that OpenRouter and Mistral give where generation failed: no end of an answer.

Sources: https://openrouter.ai/docs/api-reference/errors https://docs.mistral.ai/api
"""

_usage_decoder = msgspec.json.Decoder(ChatUsage)
_NO_MESSAGE = MessageWire()


class AnswerDecoder:
    """Makes events of the chunks of one answer, or of a whole one as its only chunk."""

    def __init__(self, target: Target, kept_bytes_max: int) -> None:
        self._target = target
        self._kept_bytes_max = kept_bytes_max
        self._choices: dict[int, ChoiceDecoder] = {}
        self._has_begun = False
        self._usage: Usage | None = None
        self._service_tier: str | None = None
        self._found: list[Citation] = []

    @property
    def is_complete(self) -> bool:
        """Whether every choice that began has its finish reason, and there is one."""
        choices = self._choices.values()
        return bool(choices) and all(choice.reason is not None for choice in choices)

    def take(self, answer: AnswerWire) -> list[Event]:
        """The events of one chunk; `Failed` is the last one if the provider says that it failed.

        Raises `GatewayError` (UPSTREAM_PROTOCOL, UPSTREAM_TOO_LARGE) for what no answer may hold.
        """
        if answer.error and answer.error != NULL:
            return [self._fail(answer.error)]
        events: list[Event] = [] if self._has_begun else [self._begin(answer)]
        for choice in answer.choices or ():
            if choice.error and choice.error != NULL:
                # OpenRouter puts a model's failure in the choice, whose reason is `error` then.
                return [*events, self._fail(choice.error)]
            self._take_choice(choice, events)
            if choice.finish_reason == FAILED:
                return [*events, self._fail(NULL)]
        # With the last chunk, after it, or growing with each: the last one counts.
        for said in (answer.usage, answer.x_groq.usage if answer.x_groq is not None else NULL):
            if said and said != NULL:
                self._usage = _read_usage(said) or self._usage
                break
        if answer.service_tier is not None:
            self._service_tier = answer.service_tier
        # Perplexity repeats its whole list in every chunk.
        if not self._found and (answer.search_results or answer.citations):
            self._found = cite_found(answer.search_results, answer.citations)
        return events

    def end(self) -> list[Event]:
        """The events that close every choice and the answer."""
        events: list[Event] = []
        for index in sorted(self._choices):
            events += self._choices[index].end(self._found)
        if self._usage is not None:
            usage = note_tier(self._usage, self._service_tier) or self._usage
            events.append(UsageReported(usage))
        events.append(Ended(service_tier=self._service_tier))
        return events

    def _begin(self, answer: AnswerWire) -> Began:
        self._has_begun = True
        return Began(
            dialect=NAME,
            id=answer.id,
            model=answer.model,
            created_s=int(answer.created) if answer.created is not None else None,
            service_tier=answer.service_tier,
        )

    def _fail(self, error: msgspec.Raw) -> Failed:
        return Failed(decode_failure(bytes(error), self._target.provider))

    def _take_choice(self, choice: ChoiceWire, events: list[Event]) -> None:
        # A choice without a number is the only one.
        index = choice.index or 0
        decoder = self._choices.get(index)
        if decoder is None:
            if not 0 <= index < CHOICES_MAX:
                raise malformed_answer()
            decoder = ChoiceDecoder(index, self._target.maker, self._kept_bytes_max)
            self._choices[index] = decoder
        decoder.take(choice, choice.delta or choice.message or _NO_MESSAGE, events)
        if choice.logprobs is not None:
            tokens = _decode_logprobs(choice.logprobs)
            if tokens:
                events.append(LogprobsAdded(tokens, index))


def _read_usage(raw: msgspec.Raw) -> Usage | None:
    try:
        return _usage_decoder.decode(raw).to_usage()
    except msgspec.DecodeError:
        # The answer is worth more than its bill: it is metered by what was relayed then.
        return None


def _decode_logprobs(said: LogprobsWire) -> tuple[TokenLogprob, ...]:
    # A refusal's tokens are the answer's only ones, and told in the same list.
    return _decode_tokens([*(said.content or ()), *(said.refusal or ())])


def _decode_tokens(tokens: Iterable[LogprobWire]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            token.token, token.logprob, token.bytes, _decode_tokens(token.top_logprobs or ())
        )
        for token in tokens
    )
