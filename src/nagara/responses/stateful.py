"""What the Responses endpoint does beyond serving: keep, continue, and run in the background.

It stands between the edge and the pipeline, for that endpoint alone. A request with none of this
is handed on as it is, with one thing set on its reply; nothing is waited for before the provider
is asked. Everything is done on the caller's JSON, so it is the same for every provider and dialect.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec

from nagara.admitted import Admitted
from nagara.dialects.json_fields import NULL, encode_raw
from nagara.domain.catalog import Key, KeyKind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits.gate import Allowance
from nagara.observe.observations import Observe, RequestEnded, describe_mistake
from nagara.operations.kept_items import encode_kept
from nagara.operations.response_state import (
    ACTIVE,
    CONTINUABLE,
    StateRequest,
    begin_response,
    own_fields,
    previous_not_found,
    read_response,
    read_state_request,
    response_not_found,
)
from nagara.outcomes import shutting_down
from nagara.pipeline import Pipeline
from nagara.responses.background import Background
from nagara.responses.continuation import (
    Continuation,
    maker_of,
    prefer,
    whole_history,
)
from nagara.responses.following import Following
from nagara.responses.keeper import Keeper
from nagara.responses.kept_reply import KeptReply
from nagara.responses.run import Run, RunReply
from nagara.runtime import Clock, make_id
from nagara.storage.driver import StorageError
from nagara.storage.responses import Owner, StoredResponse
from nagara.storage.snapshots import Snapshots
from nagara.upstream.reply import Reply, wait_for_room

EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class StatefulResponses:
    """Serves what was admitted at the Responses endpoint."""

    def __init__(
        self,
        pipeline: Pipeline,
        snapshots: Snapshots,
        keeper: Keeper,
        background: Background,
        following: Following,
        clock: Clock,
        observe: Observe,
        request_bytes_max: int,
    ) -> None:
        self.keeper = keeper
        self.background = background
        self._following = following
        self._pipeline = pipeline
        self._snapshots = snapshots
        self._clock = clock
        self._observe = observe
        self._request_bytes_max = request_bytes_max

    async def serve(self, admitted: Admitted, reply: Reply, ended: RequestEnded) -> None:
        """As `Pipeline.serve`, and what the request says of state. Raises `GatewayError`."""
        asked = read_state_request(admitted.call.asking.view.fields)
        if not asked.is_plain:
            await self._serve_state(admitted, asked, reply, ended)
            return
        if asked.is_stored and self.keeper.is_on:
            listened = KeptReply(reply)
            listened.keep = partial(self._keep, admitted, b"", ended)
            reply = listened
        await self._pipeline.serve(admitted, reply, ended)

    async def find(self, owner: Owner, response_id: str) -> StoredResponse:
        """A response of the owner's as it is now.

        Raises `GatewayError`: NOT_FOUND, or STORAGE_UNAVAILABLE.
        """
        run = self.background.find(owner, response_id)
        if run is not None and not run.is_lost:
            return run.stored
        try:
            stored = await self.keeper.find(owner, response_id)
            if stored is not None:
                return await self.background.check_lease(stored)
        except StorageError as error:
            raise store_unavailable() from error
        raise response_not_found(response_id)

    async def delete(self, owner: Owner, response_id: str) -> None:
        """Stop and delete a response. Raises as `find`."""
        try:
            await self.background.drop(owner, response_id)
            await self.keeper.delete(owner, response_id)
        except StorageError as error:
            raise store_unavailable() from error

    async def cancel(self, owner: Owner, response_id: str) -> StoredResponse:
        """Cancel a background response, and give it as it then is. Raises as `find`."""
        stored = await self.find(owner, response_id)
        if not stored.is_background:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                "Only a response that was created with 'background': true can be cancelled. To "
                "stop any other, close its connection.",
                param="response_id",
            )
        try:
            return await self.background.cancel(stored)
        except StorageError as error:
            raise store_unavailable() from error

    async def follow(self, stored: StoredResponse, after: int) -> AsyncIterator[bytes]:
        """The events of a background response above `after`. Raises `GatewayError`."""
        try:
            await self._following.check(stored, after)
        except StorageError as error:
            raise store_unavailable() from error
        return self._following.follow(stored.owner, stored.id, after)

    async def _serve_state(
        self, admitted: Admitted, asked: StateRequest, reply: Reply, ended: RequestEnded
    ) -> None:
        if asked.is_background and not self.keeper.is_on:
            raise GatewayError(
                ErrorKind.UNSUPPORTED,
                "This gateway keeps no responses (responses_retention_days is 0), so none can be "
                "made in the background.",
                param="background",
            )
        admitted, continuation, history = await self._continue(admitted, asked, ended)
        if asked.is_background:
            await self._serve_background(admitted, history, reply, ended)
            return
        listened = KeptReply(reply)
        if asked.is_stored and self.keeper.is_on:
            listened.keep = partial(self._keep, admitted, history, ended)
        listened.edits = {"previous_response_id": encode_raw(asked.previous_id)}
        listened.name_dropped = partial(continuation.name_dropped, ended)
        await self._pipeline.serve(admitted, listened, ended)

    async def _continue(
        self, admitted: Admitted, asked: StateRequest, ended: RequestEnded
    ) -> tuple[Admitted, Continuation, bytes]:
        """The request with everything said before it, and that as it is kept."""
        fields, history, maker, kept = admitted.call.asking.view.fields, b"", None, []
        if asked.previous_id is not None:
            previous = await self._find_previous(owner_of(admitted.key), asked.previous_id)
            kept, maker = whole_history(previous), previous.maker
            history = encode_kept(kept)
            ended.bytes_in += len(history)
            self._check_size(ended.bytes_in)
            admitted = with_history(admitted, history)
        continuation = Continuation(kept, fields)
        candidates = prefer(admitted.candidates, maker)
        admitted = msgspec.structs.replace(admitted, fit=continuation.fit, candidates=candidates)
        return admitted, continuation, history

    async def _find_previous(self, owner: Owner, previous_id: str) -> StoredResponse:
        try:
            previous = await self.find(owner, previous_id)
        except GatewayError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            raise previous_not_found(previous_id) from error
        if previous.status in ACTIVE:
            raise previous_not_found(previous_id, f"is still {previous.status}")
        if previous.status not in CONTINUABLE:
            raise previous_not_found(
                previous_id, f"has the status {previous.status!r}, and cannot be continued"
            )
        return previous

    def _check_size(self, request_bytes: int) -> None:
        """Hold the whole conversation to the bounds that its last turn was held to."""
        if request_bytes > self._request_bytes_max:
            raise GatewayError(
                ErrorKind.BODY_TOO_LARGE,
                f"With the conversation that it continues, this request has {request_bytes} "
                f"bytes, more than the {self._request_bytes_max} that this gateway takes. Begin "
                "another conversation.",
                param="previous_response_id",
            )

    def _keep(
        self, admitted: Admitted, history: bytes, ended: RequestEnded, response: bytes
    ) -> None:
        """Hand an answer's last word to the keeper, when it is one that can be come back for."""
        view = read_response(response)
        if not view.id or not view.status or view.status in ACTIVE:
            return
        made_by = [d for d in admitted.candidates if d.name == ended.provider]
        stored = StoredResponse(
            owner=owner_of(admitted.key),
            id=view.id,
            key_id=admitted.key.id,
            status=view.status,
            created_at_s=int(self._clock.now_s()),
            expires_at_s=self.keeper.expiry_s(),
            response=response,
            input=bytes(admitted.call.asking.view.fields.get("input", NULL)),
            history=history,
            maker=maker_of(made_by[0]) if made_by else None,
        )
        self.keeper.keep(stored)

    async def _serve_background(
        self, admitted: Admitted, history: bytes, reply: Reply, ended: RequestEnded
    ) -> None:
        self.background.check_room()
        # The charge is of the run, which ends long after this answer to its caller.
        await self._pipeline.claim(admitted)
        run = self._prepare_run(admitted, history)
        body = run.stored.response
        # The run is in flight until it ends, which is long after this request.
        allowance = admitted.allowance.hand_over()
        made = as_run(admitted, allowance)
        try:
            await self.background.start(run, partial(self._make, made, ended))
        except StorageError as error:
            raise store_unavailable() from error
        finally:
            if run.task is None:
                allowance.end()
                self._pipeline.forget_claim(admitted)
        ended.status, ended.outcome = 200, "background"
        head = [(b"x-request-id", ended.request_id.encode()), *admitted.allowance.headers]
        if admitted.call.asking.view.is_streamed:
            await self._send_stream(run, [*head, *EVENT_STREAM], reply)
            return
        length = str(len(body)).encode()
        head += [(b"content-type", b"application/json"), (b"content-length", length)]
        reply.start(200, head)
        reply.end(body)

    async def _send_stream(self, run: Run, head: list[tuple[bytes, bytes]], reply: Reply) -> None:
        reply.start(200, head)
        async for event in self._following.follow(run.stored.owner, run.stored.id, -1):
            reply.write(event)
            await wait_for_room(reply)
        reply.end()

    def _prepare_run(self, admitted: Admitted, history: bytes) -> Run:
        view, now_s = admitted.call.asking.view, int(self._clock.now_s())
        response_id = make_id("resp_")
        begun = begin_response(view.fields, response_id, view.model, now_s)
        stored = StoredResponse(
            owner=owner_of(admitted.key),
            id=response_id,
            key_id=admitted.key.id,
            status="queued",
            created_at_s=now_s,
            expires_at_s=self.keeper.expiry_s(),
            response=msgspec.json.encode(begun),
            input=bytes(view.fields.get("input", NULL)),
            history=history,
            is_background=True,
            runner=self.background.runner,
            lease_until_s=self.background.lease_until_s(),
        )
        limits = self.background.limits
        return Run(
            stored,
            own_fields(begun),
            limits.event_bytes_max,
            limits.events_bytes_max,
            self.background.hurry,
        )

    async def _make(self, admitted: Admitted, asked: RequestEnded, run: Run) -> None:
        """Serve the request to the run, whatever comes of it, and tell its end."""
        ended = msgspec.structs.replace(
            asked, outcome="ok", operation="responses.background", is_streamed=True
        )

        def give_up() -> None:
            # It is paid as far as it came, as by any client that leaves.
            ended.has_client_left = True

        run.on_given_up = give_up
        try:
            await self._pipeline.serve(admitted, RunReply(run), ended)
            run.end("failed", _no_last_word())
        except GatewayError as error:
            ended.status, ended.outcome, ended.error = error.status, "error", error.code
            run.end("failed", error)
        except asyncio.CancelledError:
            # Whoever cancelled the response has ended the run before; else the gateway stops.
            ended.outcome = "cut"
            run.end("failed", shutting_down())
        except Exception as error:  # noqa: BLE001 - the outermost edge of a background response
            self._observe(describe_mistake(ended.request_id, error))
            run.end("failed", _mistake())
        finally:
            admitted.allowance.end()
            made_by = [d for d in admitted.candidates if d.name == ended.provider]
            run.set_maker(maker_of(made_by[0]) if made_by else None)
            ended.duration_ms = round((self._clock.monotonic_s() - admitted.began_s) * 1000, 3)
            self._observe(ended)


def with_history(admitted: Admitted, history: bytes) -> Admitted:
    """The same, asking for what was said before too: that is read, and paid for, again."""
    asking = admitted.call.asking
    said_before = msgspec.structs.replace(asking.view, fields={"input": msgspec.Raw(history)})
    demand = admitted.terms.demand.joined(asking.endpoint.measure(said_before))
    terms = msgspec.structs.replace(admitted.terms, demand=demand)
    return msgspec.structs.replace(admitted, terms=terms)


def owner_of(key: Key) -> Owner:
    """Whose the responses of a key are."""
    return Owner(key.account_id, key.kind is KeyKind.TEST)


def as_stream(admitted: Admitted) -> Admitted:
    """The same, asked for as a stream."""
    call = admitted.call
    view = call.asking.view
    fields = view.fields | {"stream": encode_raw(True)}
    view = msgspec.structs.replace(view, fields=fields, is_streamed=True)
    asking = msgspec.structs.replace(call.asking, view=view)
    return msgspec.structs.replace(admitted, call=msgspec.structs.replace(call, asking=asking))


def as_run(admitted: Admitted, allowance: Allowance) -> Admitted:
    """The same as what a background response is made by: a stream, and a request of its own.

    Its end must not end the claim to an idempotency key, which is the caller's request's: that has
    its answer later, and a key that was freed meanwhile would be charged again.
    """
    streamed = as_stream(admitted)
    asking = msgspec.structs.replace(streamed.call.asking, seed=make_id(""))
    call = msgspec.structs.replace(streamed.call, asking=asking)
    return msgspec.structs.replace(streamed, call=call, allowance=allowance, claim=None)


def store_unavailable() -> GatewayError:
    """The error of what cannot be read or written right now."""
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot reach its database right now, where responses are kept. "
        "Nothing is wrong with the request; send it again shortly.",
    )


def _mistake() -> GatewayError:
    return GatewayError(
        ErrorKind.INTERNAL,
        "The gateway made a mistake. Its log has the details under this request id.",
    )


def _no_last_word() -> GatewayError:
    return GatewayError(
        ErrorKind.UPSTREAM_CUT, "The provider ended its answer without saying how it ended."
    )
