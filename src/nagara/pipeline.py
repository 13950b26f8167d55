"""The life of one inference request, top to bottom.

    admit   who calls, what they ask for, may they, where to, can they pay, not too fast   (pure)
    serve   try candidates until one begins to answer, relay it, price it, note it         (I/O)

No stage calls back up. Every way out of `admit`, and out of `serve` before the head of its answer
is sent, is a `GatewayError` for the edge to render; after that, errors are events in the stream.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from nagara.access import authorize, require_standard
from nagara.answer_headers import name_deployment, name_dropped
from nagara.billing import (
    BoundLimits,
    bound_charge,
    estimate_usage,
    find_rate_card,
    needs_price,
    not_enough_credit,
    price,
    settle_tier,
)
from nagara.dialects import envelope
from nagara.dialects.turns import Turn
from nagara.domain.catalog import Deployment, Key, KeyKind, Route, Snapshot, Transport
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.domain.money import format_dollars
from nagara.domain.usage import Usage
from nagara.limits.base import Limit, Limiter
from nagara.observe.observations import Observe, RequestEnded
from nagara.operations import Endpoint
from nagara.operations.lanes import Asking, Bounds
from nagara.outcomes import describe_failure, interruption, sum_up
from nagara.routing.lookup import nearest_models, resolve_route
from nagara.routing.plan import plan
from nagara.runtime import Clock, make_id
from nagara.sandbox.faults import split_fault
from nagara.storage.snapshots import Snapshots
from nagara.storage.turns import KeptTurns
from nagara.upstream.answer import Headers
from nagara.upstream.attempt import Begun, Call, Upstreams
from nagara.upstream.relay import StreamRelay, read_whole
from nagara.upstream.reply import Reply, ResponseHeaders

TRIED_ELSEWHERE = frozenset({ErrorKind.UNSUPPORTED, ErrorKind.NOT_FOUND})
"""What one provider does not have or cannot be asked, another that serves the model perhaps can."""


class PipelineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one request, and of the requests of one key. Zero a minute is no limit."""

    attempts_max: int
    event_bytes_max: int
    response_bytes_max: int
    requests_per_minute_max: int


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be served: by whom it is asked, and where it can go.

    `began_s` is when it came, on the monotonic clock. `fit` makes of `call` the one
    that a deployment gets, where that differs from one to the other.
    """

    began_s: float
    call: Call
    key: Key
    route: Route
    candidates: Sequence[Deployment]
    limit_headers: ResponseHeaders
    fit: Callable[[Call, Deployment], Call] | None = None


class Pipeline:
    """Serves requests. One for the process; it holds nothing of a single request."""

    def __init__(
        self,
        snapshots: Snapshots,
        upstreams: Upstreams,
        limiter: Limiter,
        turns: KeptTurns,
        limits: PipelineLimits,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self.limits = limits
        self._snapshots = snapshots
        self._upstreams = upstreams
        self._limiter = limiter
        self._turns = turns
        self._clock = clock
        self._observe = observe

    def admit(
        self,
        endpoint: Endpoint,
        headers: Headers,
        query: bytes,
        body: bytes,
        began_s: float,
        ended: RequestEnded,
    ) -> Admitted:
        """Stages 2 to 7. Nothing but memory is looked at; nothing is spent yet."""
        snapshot, key = self._snapshots.authenticate(headers)
        ended.key, ended.account = f"{key.id} {key.hint}", key.account_id
        require_standard(key)
        view = endpoint.read_request(body)
        ended.model, ended.is_streamed = view.model, view.is_streamed
        route = find_route(snapshot, view.model, key)
        candidates = plan(route, endpoint, random.random())  # noqa: S311 - spreads load
        if key.kind is not KeyKind.TEST and not endpoint.is_free:
            check_credit(snapshot, key, route, endpoint.measure(view), self._clock.now_s())
        limit_headers = self._take_turn(key)
        asking = Asking(
            endpoint=endpoint,
            view=view,
            request_id=ended.request_id,
            seed=make_id(""),
            now_s=int(self._clock.now_s()),
            is_enveloped=envelope.is_in(body),
            recall=partial(self._turns.recall, key.account_id),
        )
        call = Call(asking=asking, headers=headers, query=query)
        return Admitted(
            began_s=began_s,
            call=call,
            key=key,
            route=route,
            candidates=candidates,
            limit_headers=limit_headers,
        )

    async def may_try_again(self, refusal: GatewayError, headers: Headers) -> bool:
        """Whether `admit` should be asked once more: its key was made a moment ago."""
        is_about_key = refusal.kind is ErrorKind.AUTHENTICATION
        return is_about_key and await self._snapshots.knows_by_now(headers)

    async def serve(self, admitted: Admitted, reply: Reply, ended: RequestEnded) -> None:
        """Stages 9 to 12: get an answer and hand it on.

        Raises `GatewayError` while nothing has been sent yet. Cancelled, it stops the upstream;
        the client's stream is then ended by `SHUTTING_DOWN` if it is still there.
        """
        begun, deployment = await self._attempt(admitted, ended)
        call = admitted.call
        headers = head_of(admitted, deployment, ended)
        ended.dropped = begun.lane.dropped
        if call.asking.view.is_streamed and call.asking.endpoint.forward_stream is not None:
            await self._serve_stream(admitted, begun, headers, reply, ended)
        else:
            try:
                await self._serve_whole(admitted, begun, headers, reply, ended)
            except GatewayError as error:
                # It broke off after it had begun: what was generated may be billed, so it is not
                # asked for again elsewhere.
                self._observe(describe_failure(call, deployment, error))
                raise sum_up([(deployment, error)], ended.attempts) from error

    async def _attempt(self, admitted: Admitted, ended: RequestEnded) -> tuple[Begun, Deployment]:
        """Stage 9: the candidates in order, until one begins to answer."""
        failed: list[tuple[Deployment, GatewayError]] = []
        for deployment in admitted.candidates[: self.limits.attempts_max]:
            ended.attempts += 1
            ended.provider, ended.deployment = deployment.name, deployment.model
            try:
                call = admitted.call
                if admitted.fit is not None:
                    call = admitted.fit(call, deployment)
                return await self._upstreams.attempt(call, deployment), deployment
            except GatewayError as error:
                if error.kind.value.fault is not Fault.CLIENT:
                    self._observe(describe_failure(admitted.call, deployment, error))
                failed.append((deployment, error))
                if not (error.kind.value.is_retryable or error.kind in TRIED_ELSEWHERE):
                    break
        raise sum_up(failed, ended.attempts)

    async def _serve_stream(
        self,
        admitted: Admitted,
        begun: Begun,
        headers: ResponseHeaders,
        reply: Reply,
        ended: RequestEnded,
    ) -> None:
        stream = begun.lane.open_stream(self._bounds(), is_event_stream=begun.is_event_stream)
        relay = StreamRelay(begun, stream, reply, ended.request_id)
        headers += [
            *name_dropped(begun.lane.dropped),
            (b"content-type", admitted.call.asking.endpoint.stream_media_type),
            (b"cache-control", b"no-cache"),
            # nginx and its like hold streams back unless they are told not to.
            (b"x-accel-buffering", b"no"),
        ]
        ended.status = 200
        ended.first_byte_ms = round((self._clock.monotonic_s() - admitted.began_s) * 1000, 3)
        try:
            await relay.run(headers)
        except asyncio.CancelledError:
            relay.interrupt(interruption(ended))
            raise
        finally:
            ended.bytes_out = stream.output_bytes
            self._note(admitted, stream.usage, stream.text_bytes, ended)
            self._keep(admitted, stream.turn, stream.dropped, ended)
            if relay.failure is not None or stream.has_failed:
                ended.outcome = "cut"
                ended.error = relay.failure.code if relay.failure else "upstream_error_event"

    async def _serve_whole(
        self,
        admitted: Admitted,
        begun: Begun,
        headers: ResponseHeaders,
        reply: Reply,
        ended: RequestEnded,
    ) -> None:
        whole = await read_whole(begun, self._bounds())
        ended.bytes_out = len(whole.body)
        self._note(admitted, whole.usage, len(whole.body), ended)
        self._keep(admitted, whole.turn, whole.dropped, ended)
        headers += name_dropped(ended.dropped)
        if ended.charge_usd is not None:
            headers.append((b"x-nagara-cost", ended.charge_usd.encode()))
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(whole.body)).encode()),
        ]
        ended.status = 200
        reply.start(200, headers)
        reply.end(whole.body)

    def _bounds(self) -> Bounds:
        return Bounds(self.limits.event_bytes_max, self.limits.response_bytes_max)

    def _keep(
        self, admitted: Admitted, turn: Turn | None, dropped: Sequence[str], ended: RequestEnded
    ) -> None:
        """What the caller was not given of an answer: named, and kept for the next turn."""
        if dropped:
            ended.dropped = tuple(dict.fromkeys((*ended.dropped, *dropped)))
        if turn is not None:
            self._turns.keep(admitted.key.account_id, turn)

    def _note(
        self, admitted: Admitted, usage: Usage | None, text_bytes: int, ended: RequestEnded
    ) -> None:
        """Stages 11 and 12, as far as they go without the ledger: what it was, what it costs."""
        if admitted.call.asking.endpoint.is_free:
            return
        if usage is None:
            usage = estimate_usage(ended.bytes_in, text_bytes)
        ended.usage = usage.quantities
        ended.is_usage_estimated = usage.is_estimated
        is_free = admitted.key.kind is KeyKind.TEST
        card = find_rate_card(admitted.route.prices, admitted.call.asking.now_s)
        if is_free or card is None:
            ended.charge_usd = format_dollars(0)
            return
        requested = admitted.call.asking.endpoint.measure(admitted.call.asking.view).service_tier
        tier = settle_tier(card, requested, usage.service_tier)
        ended.charge_usd = format_dollars(price(usage, card, service_tier=tier).amount_nano)

    def _take_turn(self, key: Key) -> ResponseHeaders:
        """Stage 7: one request of the key's minute."""
        amount = self.limits.requests_per_minute_max
        if not amount:
            return []
        limit = Limit("requests per minute", amount, 60)
        decision = self._limiter.acquire(str(key.id), limit, self._clock.monotonic_s())
        said = {
            "x-ratelimit-limit-requests": str(amount),
            "x-ratelimit-remaining-requests": str(decision.remaining),
            "x-ratelimit-reset-requests": f"{decision.reset_s:.3f}s",
        }
        if decision.is_allowed:
            return [(name.encode(), value.encode()) for name, value in said.items()]
        retry_after_s = -int(-decision.retry_after_s // 1)
        raise GatewayError(
            ErrorKind.RATE_LIMIT,
            f"Too fast: this key may make {amount} requests per minute. "
            f"The next one is free in {retry_after_s} s.",
            retry_after_s=retry_after_s,
            headers=said,
        )


def find_route(snapshot: Snapshot, model: str, key: Key) -> Route:
    """The route of a model that the key may use; raises `GatewayError` for any other."""
    route = resolve_route(snapshot, model, key.kind) or find_faulty(snapshot, model, key)
    if route is None:
        raise model_not_found(snapshot, model)
    if key.allowed_models is not None:
        authorize(key, model, (route.model.id, *route.model.aliases))
    return route


def model_not_found(snapshot: Snapshot, model: str) -> GatewayError:
    """Why a model is not to be had, and what is."""
    name, fault = split_fault(model)
    nearest = nearest_models(snapshot, model)
    if fault is not None and resolve_route(snapshot, name, KeyKind.STANDARD):
        reason = f"Failures on request (':{fault.name}') are for test keys (ng-test-…). "
    elif model in snapshot.sandbox:
        reason = "It is known, but none of the providers in use here has it. "
    else:
        reason = f"The nearest are {', '.join(nearest)}. " if nearest else ""
    return GatewayError(
        ErrorKind.MODEL_NOT_FOUND,
        f"There is no model {model[:100]!r} here. {reason}GET /v1/models lists all there are.",
        param="model",
    )


def find_faulty(snapshot: Snapshot, model: str, key: Key) -> Route | None:
    """The route of a model with a fault's suffix (`:fail-429`): only where the sandbox serves."""
    name, fault = split_fault(model)
    route = resolve_route(snapshot, name, key.kind) if fault is not None else None
    if route is None or route.deployments[0].provider.transport is not Transport.SANDBOX:
        return None
    return Route(route.model, (msgspec.structs.replace(route.deployments[0], model=model),))


def check_credit(snapshot: Snapshot, key: Key, route: Route, demand: Demand, now_s: float) -> None:
    """Stage 6: whether the account can pay what the request may cost. Raises `GatewayError`."""
    card = find_rate_card(route.prices, now_s)
    if card is None:
        raise needs_price(route.model.id)
    estimate = bound_charge(demand, route.model, card, BoundLimits())
    if estimate.unpriced:
        raise needs_price(route.model.id, estimate.unpriced)
    available_nano = snapshot.accounts[key.account_id].balance_nano
    if estimate.needed_nano > available_nano:
        raise not_enough_credit(estimate, available_nano)


def head_of(admitted: Admitted, deployment: Deployment, ended: RequestEnded) -> ResponseHeaders:
    """The headers that every answer has, whatever its body."""
    return [
        (b"x-request-id", ended.request_id.encode()),
        *name_deployment(deployment.name, deployment.model),
        (b"x-nagara-attempts", str(ended.attempts).encode()),
        *admitted.limit_headers,
    ]
