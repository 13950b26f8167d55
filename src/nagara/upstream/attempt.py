"""One try at a deployment: build the request, send it, wait until the answer begins.

An attempt succeeds when the first piece of a good answer is there; until then nothing has gone to
the caller and another deployment may be tried. Every way to fail is a `GatewayError`.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import IO, Any, Protocol

import msgspec

from nagara import __version__
from nagara.domain.catalog import Deployment, Operation, Transport
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.media.upload import Upload
from nagara.operations.lanes import Asking, Lane
from nagara.upstream.answer import Answer, Headers
from nagara.upstream.authorization import EVERY_TIME, Authorizer, encode_credential
from nagara.upstream.batches import ask_all
from nagara.upstream.bounds import Timeouts
from nagara.upstream.origin import Origin, read_base_url
from nagara.upstream.pool import Pool
from nagara.upstream.refusal import classify_refusal
from nagara.upstream.request import encode_lines

REFUSAL_BYTES_MAX = 64 * 1024
TARGETS_MAX = 4096
ANSWERS_BYTES_MAX = 64 * 1024 * 1024
"""What the answers to the several calls of one request may have together, unless it is set."""

ANSWER_TYPES = b"application/json, text/event-stream"
SOUND_OPERATIONS = frozenset({Operation.SPEECH, Operation.TRANSCRIPTIONS, Operation.TRANSLATIONS})
"""Whose answers may be of any type."""

_EVENT_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_USER_AGENT = f"nagara/{__version__}".encode()

# Looking up a member of an enum is a call, and every request asks for this one.
_SANDBOX = Transport.SANDBOX


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt needs of the caller's request; the same for every candidate."""

    asking: Asking
    headers: Headers
    query: bytes
    upload: Upload | None = None


class Begun(msgspec.Struct, frozen=True):
    """An answer that has begun: its head, the first piece of its body, and the lane it came by.

    `media_type` is what it says it is; empty where it says nothing.
    """

    answer: Answer
    first: bytes
    is_event_stream: bool
    lane: Lane
    media_type: bytes = b""


class Target(msgspec.Struct, frozen=True):
    """What every request to a deployment has in common, computed once.

    It holds the deployment, so that the `id` which it is kept by stays that deployment's.
    """

    deployment: Deployment
    origin: Origin
    path: bytes
    lines: bytes
    is_authorized: bool
    """Whether the credential is in `lines`; if not, each request is authorized by itself."""


class Sandbox(Protocol):
    """The built-in provider, as an attempt uses it."""

    async def answer(
        self,
        operation: Operation,
        model: str,
        body: bytes,
        *,
        now_s: int,
        request_id: str,
        file: IO[bytes] | None = None,
        open_file: Callable[[int], IO[bytes]] | None = None,
    ) -> Answer:
        """Begin to answer one request; `open_file` is for those of a form that has several."""


class Upstreams:
    """Everything that can be asked: the network through one pool, and the sandbox."""

    def __init__(
        self,
        pool: Pool,
        sandbox: Sandbox,
        timeouts: Timeouts,
        answers_bytes_max: int = ANSWERS_BYTES_MAX,
    ) -> None:
        self._pool = pool
        self._answers_bytes_max = answers_bytes_max
        self._sandbox = sandbox
        self._timeouts = timeouts
        self._authorizer = Authorizer(pool, timeouts)
        self._targets: dict[tuple[int, Operation, bool], Target] = {}

    def attempt(self, call: Call, deployment: Deployment, lane: Lane) -> Coroutine[Any, Any, Begun]:
        """Try one deployment by this lane. Raises `GatewayError` if it gives nothing to forward.

        Cancelling the attempt closes the upstream connection. A lane of several bodies has begun
        when all are answered: until then another deployment may be tried.
        """
        if lane.more_bodies:
            return self._ask_all(call, deployment, lane)
        return self._ask(call, deployment, lane, lane.body)

    async def _ask_all(self, call: Call, deployment: Deployment, lane: Lane) -> Begun:
        bodies = (lane.body, *lane.more_bodies)
        asks = [partial(self._ask, call, deployment, lane, body) for body in bodies]
        answer = await ask_all(asks, self._answers_bytes_max)
        media_type = read_media_type(answer.headers)
        return Begun(answer, await answer.read(), False, lane, media_type)

    async def _ask(self, call: Call, deployment: Deployment, lane: Lane, body: bytes) -> Begun:
        """One call of an attempt."""
        asking, upload, endpoint = call.asking, call.upload, call.asking.endpoint
        if deployment.provider.transport is _SANDBOX:
            answer = await self._sandbox.answer(
                lane.operation,
                deployment.model,
                body,
                now_s=asking.now_s,
                request_id=asking.request_id,
                file=None if upload is None or endpoint.files is not None else upload.file,
                open_file=None if upload is None or endpoint.files is None else upload.open_file,
            )
        else:
            answer = await self._send(call, lane, deployment, body)
        try:
            if not 200 <= answer.status < 300:
                raise await _read_refusal(answer, deployment)
            # Nearly always it came with the head.
            first = answer.take()
            if first is None:
                first = await answer.read()
            if not first:
                raise GatewayError(ErrorKind.UPSTREAM_CUT, "The provider's answer is empty.")
            media_type = read_media_type(answer.headers)
            is_event_stream = media_type.lower().startswith(_EVENT_STREAMS)
            return Begun(answer, first, is_event_stream, lane, media_type)
        except BaseException:
            answer.abort()
            raise

    def _send(
        self, call: Call, lane: Lane, deployment: Deployment, body: bytes
    ) -> Coroutine[Any, Any, Answer]:
        endpoint, is_streamed = call.asking.endpoint, call.asking.view.is_streamed
        target = self._find_target(deployment, lane, is_streamed=is_streamed)
        path, lines = target.path, target.lines
        # What the caller says in headers and the query is said in the caller's own dialect.
        if lane.is_pass_through:
            forwarded = endpoint.forwarded_headers
            # Asked of each before any is picked out, since hardly any request has one.
            for name, _ in call.headers:
                if name in forwarded:
                    lines = encode_lines(build_headers(deployment, call.headers, forwarded))
                    break
            if call.query and endpoint.forwards_query:
                path += (b"&" if b"?" in path else b"?") + call.query
        if target.is_authorized and call.upload is None:
            return self._pool.send(target.origin, b"POST", path, [], body, self._timeouts, lines)
        return self._send_otherwise(call, lane, target, path, lines, body)

    async def _send_otherwise(
        self, call: Call, lane: Lane, target: Target, path: bytes, lines: bytes, body: bytes
    ) -> Answer:
        """Send what is authorized by itself, or has files."""
        deployment = target.deployment
        proof: Headers = []
        if not target.is_authorized:
            auth = deployment.choose_auth()
            proof = await self._authorizer.authorize(
                deployment, auth, target.origin, path, body, call.asking.now_s
            )
        if call.upload is None:
            return await self._pool.send(
                target.origin, b"POST", path, proof, body, self._timeouts, lines
            )
        if lane.sends_form:
            content_type, length, pieces = call.upload.encode(body)
            accept = b"*/*" if lane.operation in SOUND_OPERATIONS else ANSWER_TYPES
            headers = build_headers(deployment, [], frozenset(), content_type, accept)
            lines = encode_lines(headers)
        else:
            length, pieces = call.upload.encode_json(body, call.asking.seed)
        proof = [*proof, (b"content-length", str(length).encode())]
        return await self._pool.send(
            target.origin, b"POST", path, proof, pieces, self._timeouts, lines
        )

    def _find_target(self, deployment: Deployment, lane: Lane, *, is_streamed: bool) -> Target:
        place = id(deployment), lane.operation, is_streamed
        target = self._targets.get(place)
        if target is not None and target.deployment is deployment and not lane.places:
            return target
        target = make_target(deployment, lane, is_streamed=is_streamed)
        if lane.places:
            # A caller fills them, so there are too many to keep.
            return target
        if len(self._targets) >= TARGETS_MAX:
            # A reload makes new deployments; the old ones are not asked for any more.
            self._targets.clear()
        self._targets[place] = target
        return target


def make_target(deployment: Deployment, lane: Lane, *, is_streamed: bool) -> Target:
    """Where a lane leads to. Raises `GatewayError` if the deployment has no address."""
    operation = lane.operation
    address = deployment.address(operation, lane.places, is_streamed=is_streamed)
    if address is None:
        raise GatewayError(
            ErrorKind.UPSTREAM_UNAVAILABLE, f"{deployment.name} has no address configured."
        )
    address, mark, query = address.partition("?")
    base = read_base_url(address)
    path = base.prefix + (mark + query).encode()
    accept = b"*/*" if operation in SOUND_OPERATIONS else ANSWER_TYPES
    lines = encode_lines(build_headers(deployment, [], frozenset(), accept=accept))
    is_authorized = deployment.choose_auth() not in EVERY_TIME
    return Target(deployment, base.origin, path, lines, is_authorized)


def build_headers(
    deployment: Deployment,
    caller_headers: Sequence[tuple[bytes, bytes]],
    forwarded: frozenset[bytes],
    content_type: bytes = b"application/json",
    accept: bytes = ANSWER_TYPES,
) -> Headers:
    """The upstream request's headers: ours, the credential, and those the dialect lets through.

    A header of the caller's wins over the provider's default of the same name.
    """
    headers = [
        (b"content-type", content_type),
        (b"accept", accept),
        # Compressing a stream delays its events, and a short answer is not worth it.
        (b"accept-encoding", b"identity"),
        (b"user-agent", _USER_AGENT),
    ]
    provider = deployment.provider
    headers += encode_credential(deployment)
    passed = [header for header in caller_headers if header[0] in forwarded]
    headers += passed
    if provider.headers:
        names = {name for name, _ in passed}
        ours = ((name.encode(), value.encode()) for name, value in provider.headers)
        headers += [header for header in ours if header[0] not in names]
    return headers


def read_media_type(headers: Headers) -> bytes:
    """What an answer says it is; empty where it says nothing."""
    for name, value in headers:
        if name == b"content-type":
            return value
    return b""


async def _read_refusal(answer: Answer, deployment: Deployment) -> GatewayError:
    if answer.status < 400:
        return GatewayError(
            ErrorKind.UPSTREAM_PROTOCOL,
            f"The provider answered {answer.status}, which is neither an answer nor an error.",
        )
    body = bytearray()
    try:
        while len(body) < REFUSAL_BYTES_MAX and (piece := await answer.read()):
            body += piece
    except GatewayError:
        # What came of the body will do; the status says the most.
        pass
    is_sandbox = deployment.provider.transport is _SANDBOX
    name = "The sandbox" if is_sandbox else deployment.name
    error = classify_refusal(
        answer.status, answer.headers, bytes(body), name, deployment.credential
    )
    if is_sandbox:
        # The sandbox plays what a caller may see, so that retry logic can be tried against it.
        error.status = answer.status
    return error
