"""Any body at all is read, or refused by an error that can be told; nothing else is raised.

The same requests as the fuzz of the real process, without one: some ten thousand a second.
"""

import json
import random

import pytest
from tests.system.malformed import generate

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS, Endpoint

MESSAGE_LENGTH_MAX = 4000
JSON_PATHS = [path for path in ENDPOINTS if not path.endswith("/variations")]
"""One takes nothing but forms."""

WHOLE = (
    b'{"model":"m","input":"a","messages":[{}],"contents":[{}],"max_tokens":1,"prompt":"a",'
    b'"query":"a","documents":["a"],"voice":"v","images":[{"image_url":"https://a.example"}],'
    b'"\\ud83d":7}'
)
"""Whatever any endpoint needs, and half a surrogate pair."""


@pytest.mark.parametrize("seed", range(4))
def test_a_malformed_body_is_read_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(5000):
        request = generate(rng)
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is not None:
            read_or_refuse(endpoint, request.body)


def read_or_refuse(endpoint: Endpoint, body: bytes) -> None:
    try:
        view = endpoint.read_request(body)
    except GatewayError as error:
        check_refusal(endpoint, error)
        return
    assert view.model.encode()
    written = endpoint.read_request(endpoint.write_request(view, "other", asks_usage=True))
    assert written.model == "other", body


def check_refusal(endpoint: Endpoint, refusal: GatewayError) -> None:
    assert refusal.kind in (ErrorKind.INVALID_JSON, ErrorKind.INVALID_REQUEST)
    assert len(refusal.message) < MESSAGE_LENGTH_MAX
    assert json.loads(endpoint.encode_error(refusal, "req_1"))["error"]["message"]


@pytest.mark.parametrize("path", JSON_PATHS)
def test_half_a_surrogate_pair_in_a_fields_name_is_forwarded(path: str) -> None:
    endpoint = ENDPOINTS[path]
    written = endpoint.write_request(endpoint.read_request(WHOLE), "m", asks_usage=False)
    assert json.loads(written)["\ud83d"] == 7
