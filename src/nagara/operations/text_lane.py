"""The lane of what is no conversation: embeddings, rankings, moderations. Never streamed. Pure.

Several calls may be needed for one request. The answers to them come as one body, a JSON array in
the order of the calls, which is what `join_answers` makes.
"""

from collections.abc import Sequence
from typing import NoReturn

import msgspec

from nagara.dialects.addresses import Wanted
from nagara.dialects.base import RequestView, malformed_answer
from nagara.dialects.exchange import Aim, OpenExchange
from nagara.dialects.translation import Translated
from nagara.domain.catalog import Deployment, Operation

_answers = msgspec.json.Decoder(list[msgspec.Raw])


def join_answers(answers: Sequence[bytes]) -> bytes:
    """The answers to several calls as one body."""
    return b"[" + b",".join(answers) + b"]"


def aim_at(deployment: Deployment, operation: Operation, caller_model: str, seed: str) -> Aim:
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
    )


class TextLane:
    """One exchange, as the pipeline sees it."""

    def __init__(
        self,
        operation: Operation,
        open_exchange: OpenExchange,
        view: RequestView,
        deployment: Deployment,
        seed: str,
    ) -> None:
        """Raises `GatewayError` for what the provider cannot be given."""
        aim = aim_at(deployment, operation, view.model, seed)
        self._exchange = open_exchange(view, aim)
        self.operation = operation
        self.body = self._exchange.bodies[0]
        self.more_bodies: Sequence[bytes] = self._exchange.bodies[1:]
        self.dropped: Sequence[str] = self._exchange.dropped
        self.wanted: Sequence[Wanted] = ()
        self.is_pass_through = self._exchange.is_pass_through

    def read_whole(self, body: bytes, bounds: object, *, is_event_stream: bool) -> Translated:  # noqa: ARG002 - the lanes' signature
        """The answer for the caller. Raises `GatewayError`."""
        if not self.more_bodies:
            return self._exchange.read([body])
        try:
            answers = _answers.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise malformed_answer() from error
        return self._exchange.read([bytes(answer) for answer in answers])

    def open_stream(self, bounds: object, *, is_event_stream: bool) -> NoReturn:  # noqa: ARG002 - the lanes' signature
        """Never: no endpoint of this lane has streams."""
        raise AssertionError(f"{self.operation} is never streamed")
