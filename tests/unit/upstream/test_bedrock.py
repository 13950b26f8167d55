"""A Chat caller's request to a Bedrock that checks what it is sent as the real one does."""

import datetime
import json
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from nagara.domain.catalog import Deployment, Secret
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking, Bounds, choose_lane
from nagara.providers import PROVIDERS
from nagara.upstream.attempt import Begun, Call, Upstreams
from tests.converse import find_faults
from tests.event_stream import encode_event
from tests.fakes import FakeAnswer, FakeUpstream, Peer, Received
from tests.unit.upstream.client import TIMEOUTS, Client
from tests.unit.upstream.test_attempt import FakeSandbox

NOW_S = 1_800_000_000
KEY = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
ACCESS_KEY = f"{KEY.access_key}:{KEY.secret_key}"
MODEL = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-v1:0"
PATH = (
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile"
    "%2Fus.anthropic.claude-sonnet-4-5-v1%3A0"
)
CHAT = ENDPOINTS["/v1/chat/completions"]
BOUNDS = Bounds(event_bytes_max=100_000, response_bytes_max=100_000)
USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}
WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}
STREAM = b"".join(
    [
        encode_event("messageStart", {"role": "assistant"}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
        encode_event("contentBlockStop", {"contentBlockIndex": 0}),
        encode_event("messageStop", {"stopReason": "end_turn"}),
        encode_event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
    ]
)


def is_signed(request: Received, base_url: str) -> bool:
    """Whether botocore, with the same key, time and place, makes the same signature."""
    unsigned = AWSRequest("POST", base_url + request.target.decode(), data=request.body)
    now = datetime.datetime.fromtimestamp(NOW_S, datetime.UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda *_: now):
        SigV4Auth(KEY, "bedrock", "us-east-1").add_auth(unsigned)
    given = request.header(b"authorization")
    return given is not None and given.decode() == unsigned.headers["authorization"]


def is_authorized(request: Received, base_url: str) -> bool:
    return request.header(b"authorization") == b"Bearer ABSKkey" or is_signed(request, base_url)


class FakeBedrock:
    """Answers as Bedrock does: by the path, and only who is known and asks rightly."""

    def __init__(self) -> None:
        self.upstream = FakeUpstream(self.play)

    async def play(self, peer: Peer) -> None:
        while request := await peer.read_request():
            if not is_authorized(request, self.upstream.url):
                await peer.answer(b'{"Message":"The signature does not match"}', status=403)
            elif faults := find_faults(request.body):
                body = json.dumps({"message": faults[0]}).encode()
                await peer.answer(body, b"x-amzn-errortype: ValidationException", status=400)
            elif request.target == f"{PATH}/converse".encode():
                await peer.answer(json.dumps(WHOLE).encode(), b"content-type: application/json")
            elif request.target == f"{PATH}/converse-stream".encode():
                await peer.answer(STREAM, b"content-type: application/vnd.amazon.eventstream")
            else:
                await peer.answer(b'{"message":"no such model"}', status=404)


async def ask(client: Client, bedrock: FakeBedrock, credential: str, **fields: Any) -> Begun:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    asking = Asking(
        endpoint=CHAT,
        view=CHAT.read_request(json.dumps(body).encode()),
        request_id="r",
        seed="0",
        now_s=NOW_S,
        is_enveloped=False,
        recall=lambda key: None,
    )
    deployment = Deployment(
        name="bedrock",
        provider=PROVIDERS["bedrock"],
        model=MODEL,
        base_url=bedrock.upstream.url,
        credential=Secret(credential),
    )
    upstreams = Upstreams(client.pool, FakeSandbox(FakeAnswer(200, [])), TIMEOUTS)
    call = Call(asking=asking, headers=[], query=b"")
    return await upstreams.attempt(call, deployment, choose_lane(asking, deployment))


async def read_rest(begun: Begun) -> bytes:
    body = begun.first
    while piece := await begun.answer.read():
        body += piece
    return body


@pytest.mark.parametrize("credential", ["ABSKkey", ACCESS_KEY], ids=["api key", "access key"])
async def test_whole_answer_comes_back_in_the_callers_dialect(
    client: Client, credential: str
) -> None:
    bedrock = FakeBedrock()
    async with bedrock.upstream:
        begun = await ask(client, bedrock, credential)
        assert not begun.is_event_stream
        body = await read_rest(begun)
    answer = json.loads(begun.lane.read_whole(body, BOUNDS, is_event_stream=False).body)
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (3, 5)


@pytest.mark.parametrize("credential", ["ABSKkey", ACCESS_KEY], ids=["api key", "access key"])
async def test_streamed_answer_comes_back_in_the_callers_dialect(
    client: Client, credential: str
) -> None:
    bedrock = FakeBedrock()
    async with bedrock.upstream:
        begun = await ask(client, bedrock, credential, stream=True)
        assert begun.is_event_stream
        body = await read_rest(begun)
    stream = begun.lane.open_stream(BOUNDS, is_event_stream=True)
    written = stream.feed(body)
    assert b'"content":"Hello"' in written
    assert stream.is_ended
    assert stream.usage is not None


async def test_credential_that_bedrock_does_not_know_is_the_operators_affair(
    client: Client,
) -> None:
    bedrock = FakeBedrock()
    async with bedrock.upstream:
        with pytest.raises(GatewayError) as caught:
            await ask(client, bedrock, ACCESS_KEY + "x")
    assert caught.value.kind is ErrorKind.UPSTREAM_CREDENTIAL
    assert "signature" not in caught.value.message
