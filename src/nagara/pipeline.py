"""The life of one inference request, top to bottom.

    admit   who calls, what they ask for, may they, where to, can they pay                 (pure)
    allow   not too fast: taken before it is served, ended after it                         (I/O)
    serve   hold the money, try candidates until one begins to answer, relay it, settle     (I/O)
            files that a candidate does not fetch itself are fetched before it is asked

No stage calls back up. Every way out of `admit`, and out of `serve` before the head of its answer
is sent, is a `GatewayError` for the edge to render; after that, errors are events in the stream.
"""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from nagara.access import authorize, require_standard
from nagara.answer_headers import name_deployment, name_dropped
from nagara.bill import Bill, Ending, Terms
from nagara.billing import BoundLimits, find_rate_card, needs_price
from nagara.dialects import envelope
from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.translation import Translated
from nagara.dialects.turns import Turn
from nagara.domain.catalog import Account, Deployment, Key, KeyKind, Route, Snapshot, Transport
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.domain.usage import Usage
from nagara.limits.gate import Allowance, Gate
from nagara.media.audio_file import import_av
from nagara.media.encoded_stream import EncodedStream
from nagara.media.fetching import FileFetcher
from nagara.media.request_files import RequestFiles
from nagara.media.upload import Upload
from nagara.observe.observations import Observe, RequestEnded
from nagara.operations import Endpoint
from nagara.operations.forms import FormLimits
from nagara.operations.image_links import write_links
from nagara.operations.lanes import Asking, Bounds
from nagara.outcomes import describe_failure, interruption, sum_up
from nagara.routing.lookup import nearest_models, resolve_route
from nagara.routing.plan import plan
from nagara.runtime import Clock, make_id
from nagara.sandbox.faults import split_fault
from nagara.settlement import Settlements
from nagara.storage.claims import Claim
from nagara.storage.kept_files import KeptFiles
from nagara.storage.snapshots import Snapshots
from nagara.storage.turns import KeptTurns
from nagara.upstream.absences import Absences, is_absence
from nagara.upstream.answer import Headers
from nagara.upstream.attempt import Begun, Call, Upstreams
from nagara.upstream.relay import StreamRelay, read_whole
from nagara.upstream.reply import Reply, ResponseHeaders

TRIED_ELSEWHERE = frozenset({ErrorKind.UNSUPPORTED, ErrorKind.NOT_FOUND})
"""What one provider does not have or cannot be asked, another that serves the model perhaps can."""

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")


class PipelineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one request. `public_url` is where callers find us, else at the host they ask."""

    attempts_max: int
    event_bytes_max: int
    response_bytes_max: int
    bounds: BoundLimits = BoundLimits()
    public_url: str = ""
    forms: FormLimits = FormLimits()


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be served: by whom it is asked, and where it can go.

    Without `candidates` the answer is estimated. `began_s` is when it came, on the monotonic
    clock. `allowance` is its share of its limits: who admits it takes that before it is served, and
    ends it afterwards. `fit` makes of `call` the one that a deployment gets, where that differs
    from one to the other. `claim` is to the idempotency key that the request came with.
    """

    began_s: float
    call: Call
    key: Key
    route: Route
    candidates: Sequence[Deployment]
    terms: Terms
    allowance: Allowance
    fit: Callable[[Call, Deployment], Call] | None = None
    claim: Claim | None = None


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
        self._files = files
        self._fetcher = fetcher
        self._clock = clock
        self._observe = observe
        self._absences = Absences()

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
        began_s: float,
        ended: RequestEnded,
        upload: Upload | None = None,
    ) -> Admitted:
        """Stages 2 to 6. Nothing but memory is looked at; nothing is spent yet."""
        snapshot, key = self._snapshots.authenticate(headers)
        ended.key, ended.account = f"{key.id} {key.hint}", key.account_id
        require_standard(key)
        is_form = upload is not None and endpoint.read_form is not None
        read = endpoint.read_form if is_form else endpoint.read_request
        assert read is not None
        view = read(body)
        ended.model, ended.is_streamed = view.model, view.is_streamed
        route = find_route(snapshot, view.model, key)
        candidates = plan(route, endpoint, random.random())  # noqa: S311 - spreads load
        demand = endpoint.measure(view)
        if endpoint.widen is not None:
            demand = endpoint.widen(demand, headers)
        terms = self._find_terms(snapshot, key, route, endpoint, demand)
        asking = Asking(
            endpoint=endpoint,
            view=view,
            request_id=ended.request_id,
            seed=make_id(""),
            now_s=int(self._clock.now_s()),
            is_enveloped=envelope.is_in(body),
            recall=partial(self._turns.recall, key.account_id),
        )
        call = Call(asking=asking, headers=headers, query=query, upload=upload)
        return Admitted(
            began_s=began_s,
            call=call,
            key=key,
            route=route,
            candidates=candidates,
            terms=terms,
            allowance=self._open_allowance(
                terms.account,
                key,
                route.model.id,
                endpoint,
                # Pictures are no text, in a form or in JSON.
                len(body) if endpoint.files is None else demand.text_bytes,
            ),
        )

    def _open_allowance(
        self, account: Account, key: Key, model_id: str, endpoint: Endpoint, body_bytes: int
    ) -> Allowance:
        """Stage 7, not taken yet."""
        input_bytes = 0 if endpoint.is_free else body_bytes
        return self._gate.open(account, key, model_id, endpoint.operation, input_bytes)

    def _find_terms(
        self, snapshot: Snapshot, key: Key, route: Route, endpoint: Endpoint, demand: Demand
    ) -> Terms:
        """Stage 6: who pays, and by which prices. Raises `GatewayError` where there are none."""
        now_ms = int(self._clock.now_s() * 1000)
        card = None
        if key.kind is not KeyKind.TEST and not endpoint.is_free:
            card = find_rate_card(route.prices, now_ms / 1000)
            if card is None and not self.limits.bounds.is_unpriced_free:
                raise needs_price(route.model.id)
        return Terms(
            snapshot=snapshot,
            account=snapshot.accounts[key.account_id],
            key=key,
            route=route,
            card=card,
            demand=demand,
            came_at_ms=now_ms,
        )

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
        await bill.open()
        try:
            await self._serve_held(admitted, bill, reply, ended)
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

    async def _serve_held(
        self, admitted: Admitted, bill: Bill, reply: Reply, ended: RequestEnded
    ) -> None:
        begun, deployment = await self._attempt(admitted, bill, ended)
        call = admitted.call
        answer = Answering(begun, deployment, bill, head_of(admitted, deployment, bill, ended))
        ended.dropped = begun.lane.dropped
        is_streamed = call.asking.view.is_streamed
        is_relayed = is_streamed and call.asking.endpoint.forward_stream is not None
        try:
            if is_relayed:
                await self._serve_stream(admitted, answer, reply, ended)
            else:
                await self._serve_whole(admitted, answer, reply, ended)
        except GatewayError as error:
            if reply.has_started:
                raise
            # It broke off after it had begun: what was generated may be billed, so it is not
            # asked for again elsewhere.
            self._observe(describe_failure(call, deployment, error))
            raise sum_up([(deployment, error)], ended.attempts) from error

    async def _attempt(
        self, admitted: Admitted, bill: Bill, ended: RequestEnded
    ) -> tuple[Begun, Deployment]:
        """Stage 9: the candidates in order, until one begins to answer."""
        failed: list[tuple[Deployment, GatewayError]] = []
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
                return await self._ask(call, deployment, files, ended), deployment
            except GatewayError as error:
                if error.kind.value.fault is not Fault.CLIENT:
                    self._observe(describe_failure(admitted.call, deployment, error))
                failed.append((deployment, error))
                if not (error.kind.value.is_retryable or error.kind in TRIED_ELSEWHERE):
                    break
            if ended.attempts >= self.limits.attempts_max:
                break
        raise sum_up(failed, ended.attempts)

    async def _ask(
        self, call: Call, deployment: Deployment, files: RequestFiles, ended: RequestEnded
    ) -> Begun:
        """One candidate; in its next dialect, as one more attempt, where it lacks the first."""
        now_s = call.asking.now_s
        spoken = self._absences.narrow(deployment, now_s)
        lane = await files.choose_lane(call.asking, spoken)
        if lane.encoding is not None:
            # Before anybody is paid for what could not be encoded here.
            import_av()
        refusal: GatewayError | None = None
        while True:
            ended.provider_operation = lane.operation
            try:
                begun = await self._upstreams.attempt(call, deployment, lane)
            except GatewayError as error:
                if not is_absence(error, deployment):
                    raise
                refusal = refusal or error
                spoken = spoken.without(lane.operation)
                other = await files.next_lane(call.asking, spoken)
                if other is None or ended.attempts >= self.limits.attempts_max:
                    # All were refused alike: it is not the dialect, and the caller's own says why.
                    raise refusal from None
                self._observe(describe_failure(call, deployment, error, lane.operation))
                lane = other
                ended.attempts += 1
                continue
            if refusal is not None:
                self._absences.learn(deployment, spoken, now_s)
            return begun

    async def _serve_stream(
        self, admitted: Admitted, answer: "Answering", reply: Reply, ended: RequestEnded
    ) -> None:
        begun, bill = answer.begun, answer.bill
        usual = admitted.call.asking.endpoint.stream_media_type
        media_type = find_media_type(begun, usual)
        stream = begun.lane.open_stream(self._bounds(), is_event_stream=begun.is_event_stream)
        if begun.lane.encoding is not None:
            stream = EncodedStream(stream, begun.lane.encoding)
        relay = StreamRelay(begun, stream, reply, ended.request_id)
        headers = [
            *answer.headers,
            *name_dropped(begun.lane.dropped),
            (b"content-type", media_type),
            (b"cache-control", b"no-cache"),
            # nginx and its like hold streams back unless they are told not to.
            (b"x-accel-buffering", b"no"),
        ]
        ended.status = 200
        ended.first_byte_ms = round((self._clock.monotonic_s() - admitted.began_s) * 1000, 3)

        async def settle(last: bytes) -> None:
            ended.bytes_out = stream.output_bytes
            ending = note_ending(relay, stream, ended)
            self._note(admitted, answer, stream.usage, stream.text_bytes, ending)
            self._keep(admitted, stream.turn, stream.dropped, ended)
            # What broke off is no answer to give again.
            is_answer = ending is Ending.DELIVERED
            await bill.settle(reply.statements_for(last) if is_answer else ())

        try:
            await relay.run(headers, settle)
        except asyncio.CancelledError:
            relay.interrupt(interruption(ended))
            if not bill.is_settled:
                ended.bytes_out = stream.output_bytes
                ending = note_ending(relay, stream, ended)
                self._note(admitted, answer, stream.usage, stream.text_bytes, ending)
                bill.settle_soon()
            raise

    async def _serve_whole(
        self, admitted: Admitted, answer: "Answering", reply: Reply, ended: RequestEnded
    ) -> None:
        media_type = find_media_type(answer.begun, b"application/json")
        whole = await read_whole(answer.begun, self._bounds())
        if admitted.call.asking.endpoint.plan_links is not None:
            whole = await self._link(admitted.call, whole)
        ended.bytes_out, ended.status = len(whole.body), 200
        self._note(admitted, answer, whole.usage, len(whole.body), Ending.DELIVERED)
        self._keep(admitted, whole.turn, whole.dropped, ended)
        headers = [*answer.headers, *name_dropped(ended.dropped)]
        if ended.charge_usd is not None:
            headers.append((b"x-nagara-cost", ended.charge_usd.encode()))
        headers += [
            (b"content-type", media_type),
            (b"content-length", str(len(whole.body)).encode()),
        ]
        reply.start(200, headers)
        await answer.bill.settle(reply.statements_for(whole.body))
        reply.end(whole.body)

    async def _link(self, call: Call, whole: Translated) -> Translated:
        """The answer with links to its pictures, where the caller is to have those."""
        asking, base_url = call.asking, self._find_base_url(call.headers)
        assert asking.endpoint.plan_links is not None
        linking = await asyncio.to_thread(asking.endpoint.plan_links, asking.view, whole.body)
        if linking is None:
            return whole
        links = {}
        for index, (content, ending) in linking.pictures.items():
            name = await self._files.keep(content, ending) if base_url else None
            if name is not None:
                links[index] = f"{base_url}/v1/images/files/{name}"
        body, dropped = write_links(linking, links)
        return msgspec.structs.replace(whole, body=body, dropped=(*whole.dropped, *dropped))

    def _find_base_url(self, headers: Headers) -> str | None:
        """The address that the caller knows us by; None where that is none."""
        if self.limits.public_url:
            return self.limits.public_url.rstrip("/")
        host = next((value for name, value in headers if name == b"host"), b"")
        return f"http://{host.decode()}" if _HOST.fullmatch(host) else None

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
        self,
        admitted: Admitted,
        answer: "Answering",
        usage: Usage | None,
        text_bytes: int,
        ending: Ending,
    ) -> None:
        """What the answer was, and what it costs."""
        if not admitted.call.asking.endpoint.is_free:
            usage = answer.bill.charge(usage, text_bytes, answer.deployment, ending)
            admitted.allowance.charge(usage)


class Answering(msgspec.Struct, frozen=True):
    """An answer that has begun: where it comes from, who pays for it, and its head."""

    begun: Begun
    deployment: Deployment
    bill: Bill
    headers: ResponseHeaders


def find_media_type(begun: Begun, usual: bytes) -> bytes:
    """What kind of answer the caller gets. Raises `GatewayError` if it is not the endpoint's."""
    said = next((value for name, value in begun.answer.headers if name == b"content-type"), b"")
    try:
        chosen = begun.lane.choose_media_type(said, is_event_stream=begun.is_event_stream)
    except GatewayError:
        begun.answer.abort()
        raise
    return usual if chosen is None else chosen


def note_ending(relay: StreamRelay, stream: AnswerStream, ended: RequestEnded) -> Ending:
    """How a stream came to its end, said in the record too."""
    failure = relay.failure
    if failure is None and not stream.has_failed:
        return Ending.DELIVERED
    ended.outcome = "cut"
    ended.error = failure.code if failure is not None else "upstream_error_event"
    # A provider may fail too while its answer is read on for a client that has left.
    kind = None if failure is None else failure.kind
    # Beyond our own bounds it goes because of what was asked for (an event may repeat all that):
    # what was handed on by then is no provider's failure, nor a gift.
    is_bounded = kind is ErrorKind.UPSTREAM_TOO_LARGE and stream.text_bytes > 0
    return Ending.LEFT if is_bounded or kind is ErrorKind.CLIENT_LEFT else Ending.FAILED


def lower_output(call: Call, deployment: Deployment, cap: int) -> Call:
    """The call with a cap on its output that can be paid."""
    asking = call.asking
    view = asking.endpoint.limit_output(asking.view, cap, deployment.provider.traits)
    asking = msgspec.structs.replace(asking, view=view)
    return msgspec.structs.replace(call, asking=asking)


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
    faulty = msgspec.structs.replace(route.deployments[0], model=model)
    return msgspec.structs.replace(route, deployments=(faulty,))


def serve_estimate(admitted: Admitted, reply: Reply, ended: RequestEnded) -> None:
    """Answer from the request alone, and say so: there is no provider that could be asked."""
    asking = admitted.call.asking
    assert asking.endpoint.estimate is not None
    body = asking.endpoint.estimate(asking.view)
    headers = [
        (b"x-request-id", ended.request_id.encode()),
        *admitted.allowance.headers,
        (b"x-nagara-estimated", b"input_tokens"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    ended.status, ended.is_usage_estimated, ended.bytes_out = 200, True, len(body)
    reply.start(200, headers)
    reply.end(body)


def head_of(
    admitted: Admitted, deployment: Deployment, bill: Bill, ended: RequestEnded
) -> ResponseHeaders:
    """The headers that every answer has, whatever its body."""
    return [
        (b"x-request-id", ended.request_id.encode()),
        *name_deployment(deployment.name, deployment.model),
        (b"x-nagara-attempts", str(ended.attempts).encode()),
        *admitted.allowance.headers,
        *bill.headers,
    ]
