"""An answer that has begun, on its way to the caller: handed on, priced, settled, and recorded.

A stream is relayed piece by piece, and its end waits until it is settled; what is no stream is read
whole first. Pictures become links here, and what the caller's dialect cannot carry is kept for the
next turn.
"""

import asyncio
import re
from collections.abc import Awaitable, Sequence

import msgspec

from nagara.admitted import Admitted, PipelineLimits
from nagara.answer_headers import name_deployment, name_dropped
from nagara.bill import DELIVERED, Bill, Ending
from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.translation import Translated
from nagara.dialects.turns import Turn
from nagara.domain.catalog import Deployment
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Usage
from nagara.limits.gate import UNLIMITED
from nagara.media.encoded_stream import EncodedStream
from nagara.observe.observations import RequestEnded
from nagara.operations.image_links import write_links
from nagara.outcomes import interruption
from nagara.runtime import Clock
from nagara.storage.kept_files import KeptFiles
from nagara.storage.turns import KeptTurns
from nagara.upstream.answer import Headers
from nagara.upstream.attempt import Begun, Call
from nagara.upstream.relay import StreamRelay, read_whole
from nagara.upstream.reply import Reply, ResponseHeaders

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")


class Answering(msgspec.Struct, frozen=True):
    """An answer that has begun: whose it is, where it comes from, who pays for it, and its head."""

    admitted: Admitted
    begun: Begun
    deployment: Deployment
    bill: Bill
    headers: ResponseHeaders


class Delivery:
    """Hands answers on. One for the process; it holds nothing of a single request."""

    def __init__(self, turns: KeptTurns, files: KeptFiles, clock: Clock) -> None:
        self._turns = turns
        self._files = files
        self._clock = clock

    def hand_on(
        self, answer: Answering, limits: PipelineLimits, reply: Reply, ended: RequestEnded
    ) -> Awaitable[None]:
        """The whole way, to the settled end. Raises `GatewayError` for what breaks off.

        Once the reply has started a stream ends with the error itself, and nothing is raised.
        Cancelled, it stops the upstream, and what was handed on by then is settled.
        """
        asking = answer.admitted.call.asking
        ended.dropped = answer.begun.lane.dropped
        if asking.view.is_streamed and asking.endpoint.forward_stream is not None:
            return self._hand_on_stream(answer, limits, reply, ended)
        return self._hand_on_whole(answer, limits, reply, ended)

    async def _hand_on_stream(
        self, answer: Answering, limits: PipelineLimits, reply: Reply, ended: RequestEnded
    ) -> None:
        admitted, begun, bill = answer.admitted, answer.begun, answer.bill
        usual = admitted.call.asking.endpoint.stream_media_type
        media_type = find_media_type(begun, usual)
        stream = begun.lane.open_stream(limits.answers, is_event_stream=begun.is_event_stream)
        worker: EncodedStream | None = None
        if begun.lane.encoding is not None:
            stream = worker = EncodedStream(stream, begun.lane.encoding)
        relay = StreamRelay(begun, stream, reply, ended.request_id, worker)
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
            _note(answer, stream.usage, stream.text_bytes, ending)
            self._keep(admitted, stream.turn, stream.dropped, ended)
            # What broke off is no answer to give again.
            is_answer = ending is DELIVERED
            settling = bill.settle(reply.statements_for(last) if is_answer else ())
            if settling is not None:
                await settling

        try:
            await relay.run(headers, settle)
        except asyncio.CancelledError:
            relay.interrupt(interruption(ended))
            if not bill.is_settled:
                ended.bytes_out = stream.output_bytes
                ending = note_ending(relay, stream, ended)
                _note(answer, stream.usage, stream.text_bytes, ending)
                bill.settle_soon()
            raise

    async def _hand_on_whole(
        self, answer: Answering, limits: PipelineLimits, reply: Reply, ended: RequestEnded
    ) -> None:
        admitted = answer.admitted
        media_type = find_media_type(answer.begun, b"application/json")
        whole = await read_whole(answer.begun, limits.answers)
        if whole.refusal is not None:
            await _hand_on_refusal(answer, whole.usage, whole.refusal, reply, ended)
            return
        if admitted.call.asking.endpoint.plan_links is not None:
            whole = await self._link(admitted.call, whole, limits.public_url)
        ended.bytes_out, ended.status = len(whole.body), 200
        _note(answer, whole.usage, len(whole.body), DELIVERED)
        if whole.dropped or whole.turn is not None:
            self._keep(admitted, whole.turn, whole.dropped, ended)
        headers = answer.headers
        if ended.dropped:
            headers += name_dropped(ended.dropped)
        if ended.charge_usd is not None:
            headers.append((b"x-nagara-cost", ended.charge_usd.encode()))
        headers.append((b"content-type", media_type))
        headers.append((b"content-length", str(len(whole.body)).encode()))
        reply.start(200, headers)
        settling = answer.bill.settle(reply.statements_for(whole.body))
        if settling is not None:
            await settling
        reply.end(whole.body)

    async def _link(self, call: Call, whole: Translated, public_url: str) -> Translated:
        """The answer with links to its pictures, where the caller is to have those."""
        asking, base_url = call.asking, find_base_url(call.headers, public_url)
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

    def _keep(
        self, admitted: Admitted, turn: Turn | None, dropped: Sequence[str], ended: RequestEnded
    ) -> None:
        """What the caller was not given of an answer: named, and kept for the next turn."""
        if dropped:
            ended.dropped = tuple(dict.fromkeys((*ended.dropped, *dropped)))
        if turn is not None:
            self._turns.keep(admitted.key.account_id, turn)


def _note(answer: Answering, usage: Usage | None, text_bytes: int, ending: Ending) -> None:
    """What the answer was, and what it costs."""
    admitted = answer.admitted
    if not admitted.call.asking.endpoint.is_free:
        usage = answer.bill.charge(usage, text_bytes, answer.deployment, ending)
        if admitted.allowance is not UNLIMITED:
            admitted.allowance.charge(usage)


async def _hand_on_refusal(
    answer: Answering,
    usage: Usage | None,
    refusal: GatewayError,
    reply: Reply,
    ended: RequestEnded,
) -> None:
    """An error that is an answer: the model used something to say that it does not do it."""
    ended.status, ended.outcome, ended.error = refusal.status, "error", refusal.code
    _note(answer, usage, 0, DELIVERED)
    encode_error = answer.admitted.call.asking.endpoint.encode_error
    body = encode_error(refusal, ended.request_id)
    ended.bytes_out = len(body)
    headers = [
        *answer.headers,
        (b"x-nagara-cost", (ended.charge_usd or "0.00").encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    reply.start(refusal.status, headers)
    settling = answer.bill.settle(reply.statements_for(body))
    if settling is not None:
        await settling
    reply.end(body)


def find_base_url(headers: Headers, public_url: str) -> str | None:
    """The address that the caller knows us by; None where that is none."""
    if public_url:
        return public_url.rstrip("/")
    host = next((value for name, value in headers if name == b"host"), b"")
    return f"http://{host.decode()}" if _HOST.fullmatch(host) else None


def find_media_type(begun: Begun, usual: bytes) -> bytes:
    """What kind of answer the caller gets. Raises `GatewayError` if it is not the endpoint's."""
    try:
        chosen = begun.lane.choose_media_type(
            begun.media_type, is_event_stream=begun.is_event_stream
        )
    except GatewayError:
        begun.answer.abort()
        raise
    return usual if chosen is None else chosen


def note_ending(relay: StreamRelay, stream: AnswerStream, ended: RequestEnded) -> Ending:
    """How a stream came to its end, said in the record too."""
    failure = relay.failure
    if failure is None and not stream.has_failed:
        return DELIVERED
    ended.outcome = "cut"
    ended.error = failure.code if failure is not None else "upstream_error_event"
    # A provider may fail too while its answer is read on for a client that has left.
    kind = None if failure is None else failure.kind
    # Beyond our own bounds it goes because of what was asked for (an event may repeat all that):
    # what was handed on by then is no provider's failure, nor a gift.
    is_bounded = kind is ErrorKind.UPSTREAM_TOO_LARGE and stream.text_bytes > 0
    return Ending.LEFT if is_bounded or kind is ErrorKind.CLIENT_LEFT else Ending.FAILED


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
    headers = [
        (b"x-request-id", ended.request_id.encode()),
        *name_deployment(deployment.name, deployment.model),
        (b"x-nagara-attempts", str(ended.attempts).encode()),
        *admitted.allowance.headers,
    ]
    if bill.output_cap is not None:
        headers += bill.headers
    return headers
