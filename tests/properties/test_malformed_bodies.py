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


@pytest.mark.parametrize("path", ENDPOINTS)
def test_half_a_surrogate_pair_in_a_fields_name_is_forwarded(path: str) -> None:
    endpoint = ENDPOINTS[path]
    fields = b'"input":"a","voice":"v","query":"q","documents":["d"],"max_tokens":1'
    body = b'{"model":"m","messages":[{}],"contents":[{}],%b,"\\ud83d":7}' % fields
    written = endpoint.write_request(endpoint.read_request(body), "m", asks_usage=False)
    assert json.loads(written)["\ud83d"] == 7
