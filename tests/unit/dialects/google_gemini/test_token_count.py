"""`countTokens`: what is read, what goes on to Google, and what is estimated for others."""

import json
from typing import Any

import pytest

from nagara.dialects.google_gemini.token_count import (
    encode_count_estimate,
    read_count_request,
    write_count_request,
)
from nagara.dialects.token_estimate import FRAME_TOKENS, TOKENS_PER_IMAGE
from nagara.domain.errors import ErrorKind, GatewayError

IMAGE = {"inlineData": {"mimeType": "image/png", "data": "A" * 400_000}}
PDF = {"inline_data": {"mime_type": "application/pdf", "data": "A" * 64_000}}


def estimate(*parts: dict[str, Any], **fields: Any) -> int:
    body = {"contents": [{"role": "user", "parts": list(parts)}], **fields}
    told = json.loads(encode_count_estimate(read_count_request(json.dumps(body).encode())))
    assert told.keys() == {"totalTokens"}
    tokens: int = told["totalTokens"]
    return tokens - FRAME_TOKENS


def test_text_counts_by_its_bytes_and_files_by_what_they_are() -> None:
    bare = estimate({"text": ""})
    assert estimate({"text": "x" * 3000}) - bare == 1000
    assert TOKENS_PER_IMAGE - 20 < estimate(IMAGE) - bare < TOKENS_PER_IMAGE + 20
    assert 2900 < estimate(PDF) - bare < 3100
    signed = {"text": "", "thoughtSignature": "s" * 9000}
    assert estimate(signed) == bare
    assert estimate({"text": ""}, systemInstruction={"parts": [{"text": "s" * 300}]}) > bare + 100


def test_whole_request_counts_as_the_same_request_and_names_the_deployments_model() -> None:
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    whole = {"model": "models/alias", "contents": contents, "generationConfig": {"seed": 1}}
    view = read_count_request(json.dumps({"generateContentRequest": whole}).encode())
    plain = read_count_request(json.dumps({"contents": contents}).encode())
    assert encode_count_estimate(view) == encode_count_estimate(plain)
    sent = json.loads(write_count_request(view, "gemini-3-pro", asks_usage=False))
    assert sent == {"generateContentRequest": whole | {"model": "models/gemini-3-pro"}}
    assert json.loads(write_count_request(plain, "m", asks_usage=False)) == {"contents": contents}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contents": 7},
        {"generateContentRequest": 7},
        {"generateContentRequest": {}},
        {"contents": [], "generateContentRequest": {"contents": []}},
    ],
)
def test_wrong_request_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as raised:
        read_count_request(json.dumps(body).encode())
    assert raised.value.kind is ErrorKind.INVALID_REQUEST
