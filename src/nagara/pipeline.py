"""The life of one inference request, top to bottom.

    admit   who calls, what they ask for, may they, where to, can they pay                 (pure)
    allow   not too fast: taken before it is served, ended after it                         (I/O)
    serve   hold the money, try candidates until one begins to answer, relay it, settle     (I/O)
            files that a candidate does not fetch itself are fetched before it is asked

No stage calls back up. Every way out of `admit`, and out of `serve` before the head of its answer
is sent, is a `GatewayError` for the edge to render; after that, errors are events in the stream.
"""

import random
from functools import partial

import msgspec

from nagara.access import require_standard
from nagara.admitted import Admitted, PipelineLimits
from nagara.bill import Bill, Terms
from nagara.billing import find_rate_card, needs_price
from nagara.delivery import Answering, Delivery, head_of, serve_estimate
from nagara.dialects import envelope
from nagara.domain.catalog import Deployment, Key, KeyKind, Route
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.domain.rates import RateCard
from nagara.finding import find_route
from nagara.limits.gate import Gate
from nagara.media.audio_file import import_av
from nagara.media.fetching import FileFetcher
from nagara.media.request_files import RequestFiles
from nagara.media.upload import Upload
from nagara.observe.observations import Observe, RequestEnded
from nagara.operations import Endpoint
from nagara.operations.lanes import Asking, Lane, choose_lane, next_lane
from nagara.outcomes import describe_failure, sum_up
from nagara.routing.plan import plan
from nagara.runtime import Clock
from nagara.settlement import Settlements
from nagara.storage.kept_files import KeptFiles
from nagara.storage.snapshots import Snapshots
from nagara.storage.turns import KeptTurns
from nagara.upstream.absences import Absences, is_absence
from nagara.upstream.answer import Headers
from nagara.upstream.attempt import Begun, Call, Upstreams
from nagara.upstream.reply import Reply

# Looking up a member of an enum is a call, and every request asks for this one.
_TEST = KeyKind.TEST

TRIED_ELSEWHERE = frozenset({ErrorKind.UNSUPPORTED, ErrorKind.NOT_FOUND})
"""What one provider does not have or cannot be asked, another that serves the model perhaps can."""


class Pipeline:
    """Serves requests. One for the process; it holds nothing of a single request."""

    def __init__(
        self,
        snapshots: Snapshots,
        upstreams: Upstreams,
        gate: Gate,
        settlements: Settlements,
        turns: KeptTurns,
        files: KeptFiles,
        fetcher: FileFetcher,
        limits: PipelineLimits,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self.limits = limits
        self._snapshots = snapshots
        self._upstreams = upstreams
        self._gate = gate
        self._settlements = settlements
        self._turns = turns
        self._fetcher = fetcher
        self._clock = clock
        self._observe = observe
        self._absences = Absences()
        self._delivery = Delivery(turns, files, clock)

    def check_key(self, headers: Headers) -> None:
        """Raise `GatewayError` for whom nothing may be read from."""
        _, key = self._snapshots.authenticate(headers)
        require_standard(key)

    def admit(
        self,
        endpoint: Endpoint,
        headers: Headers,
        query: bytes,
        body: bytes,
        seed: str,
        began_s: float,
        ended: RequestEnded,
        upload: Upload | None = None,
    ) -> Admitted:
        """Stages 2 to 6. Nothing but memory is looked at; nothing is spent yet.

        `seed` is our own id of the request, which no other has.
        """
        snapshot, key = self._snapshots.authenticate(headers)
        ended.key, ended.account = key.shown, key.account_id
        require_standard(key)
        read = endpoint.read_request
        if upload is not None and endpoint.read_form is not None:
            read = endpoint.read_form
        view = read(body)
        ended.model, ended.is_streamed = view.model, view.is_streamed
        route = find_route(snapshot, view.model, key)
        candidates = plan(route, endpoint, random.random())  # noqa: S311 - spreads load
        demand = endpoint.measure(view)
        if endpoint.widen is not None:
            demand = endpoint.widen(demand, headers)
        now_s = self._clock.now_s()
        account = snapshot.accounts[key.account_id]
        terms = Terms(
            snapshot=snapshot,
            account=account,
            key=key,
            route=route,
            card=self._find_card(key, route, endpoint, int(now_s)),
            demand=demand,
            came_at_ms=int(now_s * 1000),
        )
        # Pictures are no text, in a form or in JSON.
        input_bytes = len(body) if endpoint.files is None else demand.text_bytes
        if endpoint.is_free:
            input_bytes = 0
        asking = Asking(
            endpoint=endpoint,
            view=view,
            request_id=ended.request_id,
            seed=seed,
            now_s=int(now_s),
            is_enveloped=not view.is_plain and envelope.is_in(body),
            recall=partial(self._turns.recall, key.account_id),
        )
        return Admitted(
            began_s=began_s,
            call=Call(asking=asking, headers=headers, query=query, upload=upload),
            key=key,
            route=route,
            candidates=candidates,
            terms=terms,
            # Stage 7, not taken yet.
            allowance=self._gate.open(
                account, key, route.model.id, endpoint.operation, input_bytes
            ),
        )

    def _find_card(self, key: Key, route: Route, endpoint: Endpoint, now_s: int) -> RateCard | None:
        """Stage 6: by which prices it is paid; None where nobody does.

        Raises `GatewayError` where it has none and should.
        """
        if key.kind is _TEST or endpoint.is_free:
            return None
        card = find_rate_card(route.prices, now_s)
        if card is None and not self.limits.bounds.is_unpriced_free:
            raise needs_price(route.model.id)
        return card

    async def serve(self, admitted: Admitted, reply: Reply, ended: RequestEnded) -> None:
        """Stages 8 to 12: hold the money, get an answer and hand it on, settle.

        Raises `GatewayError` while nothing has been sent yet, and `ClaimTakenError` when another
        request has its idempotency key. Cancelled, it stops the upstream;
        the client's stream is then ended by `SHUTTING_DOWN` if it is still there.
        """
        if not admitted.candidates:
            serve_estimate(admitted, reply, ended)
            return
        bill = Bill(
            admitted.call.asking.seed,
            admitted.terms,
            self._settlements,
            self.limits.bounds,
            self._clock,
            ended,
            admitted.claim,
        )
        opening = bill.open()
        if opening is not None:
            await opening
        try:
            begun, deployment = await self._attempt(admitted, bill, ended)
            head = head_of(admitted, deployment, bill, ended)
            answer = Answering(admitted, begun, deployment, bill, head)
            try:
                await self._delivery.hand_on(answer, self.limits, reply, ended)
            except GatewayError as error:
                if reply.has_started:
                    raise
                # It broke off after it had begun: what was generated may be billed, so it is not
                # asked for again elsewhere.
                self._observe(describe_failure(admitted.call, deployment, error))
                raise sum_up([(deployment, error)], ended.attempts) from error
        except BaseException as error:
            bill.void(error)
            raise

    async def claim(self, admitted: Admitted) -> None:
        """Make the claim of a request that is answered before it is served. Raises as `serve`."""
        if admitted.claim is not None:
            await self._settlements.claim(admitted.claim)
            admitted.claim.is_made = True

    def forget_claim(self, admitted: Admitted) -> None:
        """Give up a claim that was made for nothing: whatever fails then, its key is free soon."""
        if admitted.claim is not None:
            self._settlements.forget(admitted.claim)

    async def _attempt(
        self, admitted: Admitted, bill: Bill, ended: RequestEnded
    ) -> tuple[Begun, Deployment]:
        """Stage 9: the candidates in order, until one begins to answer."""
        failed: list[tuple[Deployment, GatewayError]] = []
        # Most requests have only text, and need not be looked through for addresses.
        files: RequestFiles | None = None
        if not admitted.call.asking.view.is_plain and admitted.terms.demand.may_have_files:
            files = RequestFiles(self._fetcher)
        for deployment in admitted.candidates:
            ended.attempts += 1
            ended.provider, ended.deployment = deployment.name, deployment.model
            try:
                call = admitted.call
                if admitted.fit is not None:
                    call = admitted.fit(call, deployment)
                if bill.output_cap is not None:
                    call = lower_output(call, deployment, bill.output_cap)
                spoken = self._absences.narrow(deployment, call.asking.now_s)
                if files is None:
                    lane = choose_lane(call.asking, spoken)
                else:
                    lane = await files.choose_lane(call.asking, spoken)
                if lane.encoding is not None:
                    # Before anybody is paid for what could not be encoded here.
                    import_av()
                ended.provider_operation = lane.operation
                try:
                    return await self._upstreams.attempt(call, deployment, lane), deployment
                except GatewayError as error:
                    if not is_absence(error, deployment):
                        raise
                    refusal = error
                begun = await self._ask_otherwise(
                    call, deployment, spoken, lane, refusal, files, ended
                )
                return begun, deployment
            except GatewayError as error:
                if error.kind.value.fault is not Fault.CLIENT:
                    self._observe(describe_failure(admitted.call, deployment, error))
                failed.append((deployment, error))
                if not (error.kind.value.is_retryable or error.kind in TRIED_ELSEWHERE):
                    break
            if ended.attempts >= self.limits.attempts_max:
                break
        raise sum_up(failed, ended.attempts)

    async def _ask_otherwise(
        self,
        call: Call,
        deployment: Deployment,
        spoken: Deployment,
        lane: Lane,
        refusal: GatewayError,
        files: RequestFiles | None,
        ended: RequestEnded,
    ) -> Begun:
        """A candidate that lacks the dialect of its lane: in its next ones, each one more attempt.

        `spoken` is the deployment as it was taken for.
        """
        error = refusal
        while True:
            spoken = spoken.without(lane.operation)
            if files is None:
                other = next_lane(call.asking, spoken)
            else:
                other = await files.next_lane(call.asking, spoken)
            if other is None or ended.attempts >= self.limits.attempts_max:
                # All were refused alike: it is not the dialect, and the caller's own says why.
                raise refusal from None
            self._observe(describe_failure(call, deployment, error, lane.operation))
            lane = other
            ended.attempts += 1
            ended.provider_operation = lane.operation
            try:
                begun = await self._upstreams.attempt(call, deployment, lane)
            except GatewayError as failure:
                if not is_absence(failure, deployment):
                    raise
                error = failure
                continue
            self._absences.learn(deployment, spoken, call.asking.now_s)
            return begun


def lower_output(call: Call, deployment: Deployment, cap: int) -> Call:
    """The call with a cap on its output that can be paid."""
    asking = call.asking
    view = asking.endpoint.limit_output(asking.view, cap, deployment.provider.traits)
    asking = msgspec.structs.replace(asking, view=view)
    return msgspec.structs.replace(call, asking=asking)
