"""One try at a deployment: what is sent, and what counts as an answer that has begun."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import IO

import msgspec
import pytest

from nagara.domain.catalog import Auth, Deployment, Operation, Provider, Secret, Transport
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking, choose_lane
from nagara.providers import PROVIDERS
from nagara.upstream.answer import Answer
from nagara.upstream.attempt import Begun, Call, Upstreams, build_headers
from nagara.upstream.bounds import Timeouts
from tests.fakes import FakeAnswer, FakeUpstream, Peer
from tests.unit.upstream.client import Client

TIMEOUTS = Timeouts(connect_s=1, first_byte_s=1, idle_s=1, total_s=1)
CHAT = ENDPOINTS["/v1/chat/completions"]
MESSAGES = ENDPOINTS["/v1/messages"]
BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


class FakeSandbox:
    """Gives the answer that it was made with, and keeps the body it was asked with."""

    def __init__(self, answer: FakeAnswer) -> None:
        self.reply = answer
        self.body = b""

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
        self.body = body
        return self.reply


def provider(transport: Transport = Transport.SANDBOX, auth: Auth = Auth.BEARER) -> Provider:
    return Provider(
        name="them",
        display_name="Them",
        homepage="",
        base_url=None,
        auth=auth,
        paths={Operation.CHAT: "/chat/completions"},
        transport=transport,
        headers=(("anthropic-version", "ours"), ("x-extra", "1")),
    )


def ask_chat(body: bytes) -> Asking:
    return Asking(
        endpoint=CHAT,
        view=CHAT.read_request(body),
        request_id="r",
        seed="0",
        now_s=0,
        is_enveloped=False,
        recall=lambda key: None,
    )


async def attempt(sandbox: FakeSandbox, body: bytes = BODY) -> Begun:
    upstreams = Upstreams(None, sandbox, TIMEOUTS)  # type: ignore[arg-type]
    call = Call(asking=ask_chat(body), headers=[], query=b"")
    them = Deployment(name="them", provider=provider(), model="theirs")
    return await upstreams.attempt(call, them, choose_lane(call.asking, them))


async def test_answer_has_begun_with_its_first_piece() -> None:
    sandbox = FakeSandbox(FakeAnswer(200, [STREAM], b"data: 1\n\n"))
    begun = await attempt(sandbox, BODY[:-1] + b',"stream":true}')
    assert begun.first == b"data: 1\n\n"
    assert begun.is_event_stream
    assert begun.lane.is_pass_through
    assert json.loads(sandbox.body)["model"] == "theirs"
    assert json.loads(sandbox.body)["stream_options"] == {"include_usage": True}


CUT = GatewayError(ErrorKind.UPSTREAM_CUT, "cut")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (FakeAnswer(200, [STREAM]), ErrorKind.UPSTREAM_CUT),
        (FakeAnswer(200, []), ErrorKind.UPSTREAM_CUT),
        (FakeAnswer(200, [STREAM], CUT), ErrorKind.UPSTREAM_CUT),
        (FakeAnswer(302, [], b"x"), ErrorKind.UPSTREAM_PROTOCOL),
        (FakeAnswer(400, [], b'{"error":{"message":"no"}}'), ErrorKind.INVALID_REQUEST),
        (FakeAnswer(429, [], b"{", CUT), ErrorKind.UPSTREAM_RATE_LIMIT),
        (FakeAnswer(500, [], *[b"x" * 60_000] * 5), ErrorKind.UPSTREAM_ERROR),
    ],
)
async def test_what_is_no_answer_is_a_failed_attempt_and_is_aborted(
    answer: FakeAnswer, kind: ErrorKind
) -> None:
    with pytest.raises(GatewayError) as caught:
        await attempt(FakeSandbox(answer))
    assert caught.value.kind is kind
    assert answer.is_aborted


async def test_refusals_body_is_read_within_a_bound() -> None:
    answer = FakeAnswer(500, [], *[b"x" * 60_000] * 5)
    with pytest.raises(GatewayError):
        await attempt(FakeSandbox(answer))
    assert len(answer.pieces) == 3


async def test_deployment_without_an_address_is_unavailable() -> None:
    upstreams = Upstreams(None, None, TIMEOUTS)  # type: ignore[arg-type]
    call = Call(asking=ask_chat(BODY), headers=[], query=b"")
    nowhere = Deployment(name="them", provider=provider(Transport.HTTP), model="theirs")
    with pytest.raises(GatewayError, match="no address") as caught:
        await upstreams.attempt(call, nowhere, choose_lane(call.asking, nowhere))
    assert caught.value.kind is ErrorKind.UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize(
    ("is_streamed", "target"), [(False, b"/chat?a=1"), (True, b"/stream?alt=sse&a=1")]
)
async def test_path_may_hold_a_query_beside_the_callers(
    client: Client, is_streamed: bool, target: bytes
) -> None:
    them = msgspec.structs.replace(
        provider(Transport.HTTP),
        paths={Operation.CHAT: "/chat"},
        stream_paths={Operation.CHAT: "/stream?alt=sse"},
    )
    asking = ask_chat(BODY[:-1] + b',"stream":%s}' % (b"true" if is_streamed else b"false"))
    upstreams = Upstreams(client.pool, FakeSandbox(FakeAnswer(200, [])), TIMEOUTS)
    async with FakeUpstream() as upstream:
        there = Deployment(name="t", provider=them, model="m", base_url=upstream.url)
        call = Call(asking=asking, headers=[], query=b"a=1")
        asked = asyncio.ensure_future(
            upstreams.attempt(call, there, choose_lane(call.asking, there))
        )
        peer = await upstream.accept()
        request = await peer.read_request()
        await peer.answer(b"{}")
        await asked
    assert request is not None
    assert request.target == target


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (Auth.BEARER, (b"authorization", b"Bearer sk-1")),
        (Auth.X_API_KEY, (b"x-api-key", b"sk-1")),
        (Auth.API_KEY, (b"api-key", b"sk-1")),
        (Auth.NONE, None),
    ],
)
def test_credential_is_presented_as_the_provider_wants_it(
    auth: Auth, header: tuple[bytes, bytes] | None
) -> None:
    them = Deployment(name="t", provider=provider(auth=auth), model="m", credential=Secret("sk-1"))
    headers = build_headers(them, [], frozenset())
    assert [h for h in headers if b"sk-1" in h[1]] == ([header] if header else [])


CALLERS: Sequence[tuple[bytes, bytes]] = [
    (b"authorization", b"Bearer ng-secret"),
    (b"x-api-key", b"ng-secret"),
    (b"cookie", b"c"),
    (b"host", b"h"),
    (b"x-forwarded-for", b"1.2.3.4"),
    (b"anthropic-version", b"theirs"),
    (b"anthropic-beta", b"a,b"),
    (b"anthropic-beta", b"c"),
]


def test_only_the_dialects_headers_of_the_caller_reach_the_provider() -> None:
    them = Deployment(name="t", provider=provider(), model="m", credential=Secret("sk-1"))
    headers = build_headers(them, CALLERS, MESSAGES.forwarded_headers)
    assert not any(b"ng-secret" in value for _, value in headers)
    assert not {b"cookie", b"host", b"x-forwarded-for"} & {name for name, _ in headers}
    assert [v for n, v in headers if n == b"anthropic-beta"] == [b"a,b", b"c"]
    assert [v for n, v in headers if n == b"anthropic-version"] == [b"theirs"]
    assert (b"x-extra", b"1") in headers


def test_providers_default_stands_where_the_caller_says_nothing() -> None:
    them = Deployment(name="t", provider=PROVIDERS["anthropic"], model="m")
    headers = build_headers(them, [], MESSAGES.forwarded_headers)
    assert [v for n, v in headers if n == b"anthropic-version"] == [b"2023-06-01"]


SPEECH = ENDPOINTS["/v1/audio/speech"]


async def test_what_a_caller_says_fills_a_path_and_leads_nowhere_else(client: Client) -> None:
    received = []

    async def script(peer: Peer) -> None:
        while (request := await peer.read_request()) is not None:
            received.append(request)
            await peer.answer(b"audio", b"content-type: audio/mpeg")

    async with FakeUpstream(script) as upstream:
        them = Deployment(
            name="them",
            provider=PROVIDERS["elevenlabs"],
            model="eleven_v3",
            base_url=f"http://127.0.0.1:{upstream.port}/v1",
            credential=Secret("secret"),
        )
        upstreams = Upstreams(client.pool, None, TIMEOUTS)  # type: ignore[arg-type]
        for voice in ("one", "two"):
            body = json.dumps({"model": "m", "input": "Hi", "voice": voice}).encode()
            asking = msgspec.structs.replace(
                ask_chat(BODY), endpoint=SPEECH, view=SPEECH.read_request(body)
            )
            call = Call(asking=asking, headers=[], query=b"a=1")
            begun = await upstreams.attempt(call, them, choose_lane(asking, them))
            begun.answer.abort()
    assert [request.target for request in received] == [
        b"/v1/text-to-speech/one/stream?output_format=mp3_44100_128",
        b"/v1/text-to-speech/two/stream?output_format=mp3_44100_128",
    ]
    assert received[0].header(b"xi-api-key") == b"secret"
