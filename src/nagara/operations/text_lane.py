"""The lane of what is no conversation: embeddings, rankings, moderations, images. Pure.

Several calls may be needed for one request. The answers to them come as one body, a JSON array in
the order of the calls, which is what `join_answers` makes. Nothing here is streamed by a provider;
a caller who wants a stream is told the whole answer as one, where its endpoint has streams.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from nagara.dialects.addresses import Wanted
from nagara.dialects.base import RequestView, malformed_answer
from nagara.dialects.exchange import Aim
from nagara.dialects.translation import Translated
from nagara.dialects.turns import Turn
from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Usage
from nagara.operations.endpoint import Endpoint

_answers = msgspec.json.Decoder(list[msgspec.Raw])


def join_answers(answers: Sequence[bytes]) -> bytes:
    """The answers to several calls as one body."""
    return b"[" + b",".join(answers) + b"]"


def aim_at(
    deployment: Deployment, operation: Operation, caller_model: str, seed: str, now_s: int = 0
) -> Aim:
    """The deployment, as the exchanges of `operation` see it."""
    provider = deployment.provider
    # The operator may have several of a kind, and knows each by the name given to it.
    has_own_name = deployment.name != provider.name
    return Aim(
        provider=deployment.name if has_own_name else provider.display_name,
        model=deployment.model,
        caller_model=caller_model,
        seed=seed,
        form=provider.form_of(operation, deployment.model),
        traits=provider.traits,
        inputs_max=provider.inputs_max.get(operation),
        tokens_max=provider.tokens_max_of(operation, deployment.model),
        file_bytes_max=provider.file_bytes_max.get(operation),
        now_s=now_s,
    )


class AnswerBounds(Protocol):
    """How much of an answer is held at once."""

    @property
    def response_bytes_max(self) -> int:
        """Of a whole one."""


class TextLane:
    """One exchange, as the pipeline sees it."""

    encoding: str | None = None

    def __init__(
        self, endpoint: Endpoint, view: RequestView, deployment: Deployment, seed: str, now_s: int
    ) -> None:
        """Raises `GatewayError` for what the provider cannot be given."""
        assert endpoint.open_exchange is not None
        aim = aim_at(deployment, endpoint.operation, view.model, seed, now_s)
        self._exchange = endpoint.open_exchange(view, aim)
        self._endpoint = endpoint
        self.operation = endpoint.operation
        self.places: Mapping[str, str] = self._exchange.places
        self.body = self._exchange.bodies[0]
        self.more_bodies: Sequence[bytes] = self._exchange.bodies[1:]
        found = () if endpoint.find_dropped is None else endpoint.find_dropped(view)
        self.dropped: Sequence[str] = (*self._exchange.dropped, *found)
        self.wanted: Sequence[Wanted] = ()
        self.is_pass_through = self.sends_form = self._exchange.is_pass_through

    def read_whole(self, body: bytes, bounds: object, *, is_event_stream: bool) -> Translated:  # noqa: ARG002 - the lanes' signature
        """The answer for the caller. Raises `GatewayError`."""
        if not self.more_bodies:
            return self._exchange.read([body])
        try:
            answers = _answers.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise malformed_answer() from error
        return self._exchange.read([bytes(answer) for answer in answers])

    def choose_media_type(self, said: bytes, *, is_event_stream: bool) -> None:
        """The usual: JSON."""

    def open_stream(self, bounds: AnswerBounds, *, is_event_stream: bool) -> "WholeStream":  # noqa: ARG002 - the lanes' signature
        """The answer, told as a stream once all of it is there."""
        assert self._endpoint.tell_whole is not None, f"{self.operation} is never streamed"
        return WholeStream(self, self._endpoint, bounds)


class WholeStream:
    """A whole answer for a caller who wants a stream: nothing is told before its end."""

    def __init__(self, lane: TextLane, endpoint: Endpoint, bounds: AnswerBounds) -> None:
        self._lane = lane
        self._endpoint = endpoint
        self._bounds = bounds
        self._pieces: list[bytes] = []
        self._bytes_left = bounds.response_bytes_max
        self.usage: Usage | None = None
        self.is_ended = False
        self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0
        self.breaks_off = False
        self.dropped: Sequence[str] = ()
        self.turn: Turn | None = None

    def feed(self, data: bytes) -> bytes:
        """Keep what came. Raises `GatewayError` for more than an answer may have."""
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE, "The provider's answer is larger than it may be."
            )
        self._pieces.append(data)
        return b""

    def close(self) -> bytes:
        """All the events at once. Raises `GatewayError` for an answer that is none."""
        whole = self._lane.read_whole(b"".join(self._pieces), self._bounds, is_event_stream=False)
        assert self._endpoint.tell_whole is not None
        if whole.refusal is not None:
            # An event like any other: what was used is charged.
            told = self.fail(whole.refusal, "")
        else:
            told = self._endpoint.tell_whole(whole.body)
        self.usage, self.is_ended = whole.usage, True
        self.output_bytes = self.text_bytes = len(told)
        return told

    def terminator(self) -> bytes:
        """Nothing: it went out with the events."""
        return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """The events that end this stream with an error."""
        assert self._endpoint.forward_stream is not None
        stream = self._endpoint.forward_stream(0, None, hides_usage=False)
        return stream.fail(error, request_id)
