"""The edge of the inference endpoints: a body in, an answer or an error out.

A request runs in its connection's one task, which goes on when the client leaves, so that settling
does not depend on the client. The connection says when that happens: the task is then cancelled,
which stops the upstream at once, or may read on for a while, as the settings say. A second task
that waits for the client would cost a tenth of a call.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from nagara.admitted import Admitted
from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.idempotency.calls import HEADER, identify, read_key
from nagara.idempotency.once import Once
from nagara.limits.gate import UNLIMITED
from nagara.media.upload import Upload
from nagara.observe.observations import Observe, RequestEnded, describe_mistake
from nagara.operations import Endpoint
from nagara.outcomes import internal_error, interruption, shutting_down
from nagara.pipeline import Pipeline
from nagara.responses.stateful import StatefulResponses
from nagara.runtime import Clock, make_id
from nagara.storage.claims import ClaimTakenError
from nagara.upstream.reply import Reply
from nagara.web.cycle import Cycle
from nagara.web.errors import send_error
from nagara.web.refused_keys import RefusedKeys
from nagara.web.request_id import choose_request_id
from nagara.web.uploads import receive_upload

SETTLE_CHECK_S = 0.01

_RESPONSES = Operation.RESPONSES


class InferenceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds at the edge. `drain_timeout_s` of zero stops the upstream when the client leaves."""

    body_bytes_max: int
    upload_bytes_max: int
    requests_in_flight_max: int
    overload_retry_after_s: int
    drain_timeout_s: float
    drain_bytes_max: int


class Drain(msgspec.Struct, frozen=True):
    """How much of an answer is read on when its client has left, and for how long.

    A time of zero stops it at once; of None leaves it to the provider's own bounds.
    """

    bytes_max: int
    timeout_s: float | None


STOP = Drain(0, 0.0)


class Leaving(msgspec.Struct, frozen=True):
    """What happens when the client of a request leaves: it is stopped, at once or after a while."""

    cycle: Cycle
    task: asyncio.Task[None]
    ended: RequestEnded
    drain: Drain

    def __call__(self) -> None:
        """The client has left."""
        self.ended.has_client_left = True
        task, timeout_s = self.task, self.drain.timeout_s
        if timeout_s == 0:
            task.cancel()
            return
        self.cycle.abandon(self.drain.bytes_max)
        if timeout_s is not None:
            timer = task.get_loop().call_later(timeout_s, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())


def attend(cycle: Cycle, ended: RequestEnded, drain: Drain) -> None:
    """From now on the client's leaving stops the exchange."""
    connection = cycle.connection
    connection.on_lost = Leaving(cycle, connection.task, ended, drain)


class InferenceEdge:
    """Takes requests for inference. `is_closing` turns new ones away."""

    def __init__(
        self,
        pipeline: Pipeline,
        responses: StatefulResponses,
        once: Once,
        refused_keys: RefusedKeys,
        limits: InferenceLimits,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self.is_closing = False
        self._pipeline = pipeline
        self._responses = responses
        self._once = once
        self._refused_keys = refused_keys
        self._limits = limits
        self._drain = Drain(limits.drain_bytes_max, limits.drain_timeout_s)
        self._clock = clock
        self._observe = observe
        self._in_flight = 0

    async def handle(self, endpoint: Endpoint, cycle: Cycle) -> None:
        """Serve one request from its head to its end."""
        began_s = self._clock.monotonic_s()
        head, seed = cycle.head, make_id("")
        ended = RequestEnded(
            request_id=choose_request_id(head.named.get(b"x-request-id"), seed),
            method=head.method,
            path=endpoint.path,
            operation=endpoint.operation,
        )
        self._in_flight += 1
        upload: Upload | None = None
        try:
            if self.is_closing or self._in_flight > self._limits.requests_in_flight_max:
                raise self._turn_away()
            self._refused_keys.check(cycle.connection.peername, head.headers)
            accepted = endpoint.accepted_files
            if accepted is None or not is_form(endpoint, head.named):
                body = cycle.take_whole()
                if body is None:
                    body = await self._read_body(cycle)
                ended.bytes_in = len(body)
                if ended.bytes_in > self._limits.body_bytes_max:
                    raise _too_large(self._limits.body_bytes_max)
            else:
                await self._check_key(cycle)
                limit = self._limits.upload_bytes_max
                upload, ended.bytes_in = await receive_upload(
                    cycle, accepted, limit, self._pipeline.limits.forms
                )
                body = upload.describe()
            headers, admit = head.headers, self._pipeline.admit
            query = head.query
            try:
                admitted = admit(endpoint, headers, query, body, seed, began_s, ended, upload)
            except GatewayError as refusal:
                await self._check_again(refusal, cycle)
                admitted = admit(endpoint, headers, query, body, seed, began_s, ended, upload)
            try:
                if HEADER in head.named and not endpoint.is_free:
                    await self._serve_once(admitted, cycle, body, ended)
                else:
                    if admitted.allowance is not UNLIMITED:
                        await admitted.allowance.take()
                    await self._serve(admitted, cycle, cycle, ended, self._drain)
            finally:
                if admitted.allowance is not UNLIMITED:
                    admitted.allowance.end()
        except GatewayError as error:
            self._refuse(endpoint, error, cycle, ended)
        except asyncio.CancelledError:
            # The client left, or the gateway stops; who is still there reads the second.
            if not cycle.has_started:
                self._refuse(endpoint, interruption(ended), cycle, ended)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            self._confess(endpoint, error, cycle, ended)
        finally:
            if upload is not None:
                upload.close()
            self._end(began_s, ended)

    async def _check_key(self, cycle: Cycle) -> None:
        """Raise `GatewayError` for whoever has no key, before anything is read."""
        headers = cycle.head.headers
        try:
            self._pipeline.check_key(headers)
        except GatewayError as refusal:
            await self._check_again(refusal, cycle)
            self._pipeline.check_key(headers)

    async def _check_again(self, refusal: GatewayError, cycle: Cycle) -> None:
        """Raise the refusal of a request, unless its key has become known by now."""
        peername, headers = cycle.connection.peername, cycle.head.headers
        if not await self._refused_keys.may_try_again(refusal, peername, headers):
            raise refusal

    def _serve(
        self, admitted: Admitted, reply: Reply, cycle: Cycle, ended: RequestEnded, drain: Drain
    ) -> Coroutine[Any, Any, None]:
        """What serves to `reply`, which leads to the cycle, what its allowance was taken for."""
        if admitted.allowance is not UNLIMITED:
            cycle.on_end = admitted.allowance.release
        attend(cycle, ended, drain)
        if admitted.call.asking.endpoint.operation is _RESPONSES:
            return self._responses.serve(admitted, reply, ended)
        return self._pipeline.serve(admitted, reply, ended)

    async def _serve_once(
        self, admitted: Admitted, cycle: Cycle, body: bytes, ended: RequestEnded
    ) -> None:
        """Serve a request with an idempotency key. Who only waits may leave."""
        endpoint, limits = admitted.call.asking.endpoint, self._once.limits
        name = read_key(cycle.head.headers, limits.key_bytes_max)
        asked = admitted.call.asking.view.identity or body
        call = identify(admitted.key, name, cycle.head.path, endpoint.stream_media_type, asked)
        # It is read to its end for whoever asks again, who pays no second time.
        drain = Drain(limits.answer_bytes_max, None)

        async def run(claiming: Admitted, reply: Reply) -> None:
            try:
                await claiming.allowance.take()
                await self._serve(claiming, reply, cycle, ended, drain)
            except ClaimTakenError:
                attend(cycle, ended, STOP)
                raise

        attend(cycle, ended, STOP)
        await self._once.serve(call, admitted, cycle, ended, run)

    @property
    def in_flight(self) -> int:
        """How many requests run now."""
        return self._in_flight

    async def settle(self, timeout_s: float) -> None:
        """Wait until no request runs any more, for so long at the most."""
        until_s = self._clock.monotonic_s() + timeout_s
        # Only at the very end: an event would have to be kept up by every request.
        while self._in_flight and self._clock.monotonic_s() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(SETTLE_CHECK_S)

    async def _read_body(self, cycle: Cycle) -> bytes:
        limit = self._limits.body_bytes_max
        declared = cycle.head.named.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        pieces, size = [], 0
        while piece := await cycle.read():
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _turn_away(self) -> GatewayError:
        if self.is_closing:
            return shutting_down()
        return GatewayError(
            ErrorKind.OVERLOADED,
            "The gateway is serving as many requests as it may. Send this one again shortly.",
            retry_after_s=self._limits.overload_retry_after_s,
        )

    def _refuse(
        self, endpoint: Endpoint, error: GatewayError, cycle: Cycle, ended: RequestEnded
    ) -> None:
        ended.status, ended.outcome = error.status, "error"
        ended.error = error.code or error.kind.value.openai_type
        send_error(cycle, error, ended.request_id, endpoint.encode_error)

    def _confess(
        self, endpoint: Endpoint, error: Exception, cycle: Cycle, ended: RequestEnded
    ) -> None:
        """A mistake of ours: traceback to the log, an error to the client if it can have one."""
        self._observe(describe_mistake(ended.request_id, error))
        if not cycle.has_started:
            self._refuse(endpoint, internal_error(), cycle, ended)

    def _end(self, began_s: float, ended: RequestEnded) -> None:
        self._in_flight -= 1
        # To the microsecond. `round` would take it through its decimal digits and back.
        ended.duration_ms = int((self._clock.monotonic_s() - began_s) * 1e6 + 0.5) / 1000
        if ended.outcome != "background":
            self._observe(ended)


def is_form(endpoint: Endpoint, named: Mapping[bytes, bytes]) -> bool:
    """Whether the body is read as a form: what says that it is JSON may be, where that is taken."""
    kind = named.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return endpoint.read_form is None or kind != b"application/json"


def _too_large(limit: int) -> GatewayError:
    return GatewayError(
        ErrorKind.BODY_TOO_LARGE,
        f"The body is larger than the {limit} bytes that this gateway takes.",
        headers={"connection": "close"},
    )
