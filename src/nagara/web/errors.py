"""Errors as HTTP answers, in the caller's dialect, always with `x-request-id`.

The dialect is the endpoint's. Where no endpoint was reached it is read off the request: Anthropic's
for its paths and for callers that send its version header, Google's for its own version of the API
and for callers whose key is in its header, OpenAI's for all others.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence

from nagara.dialects import anthropic_messages, google_gemini
from nagara.dialects.openai_error import encode_error
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.google import METHODS
from nagara.upstream.reply import Reply, ResponseHeaders

GOOGLE_PATH = "/v1beta/"
GOOGLE_KEY = b"x-goog-api-key"
"""Google's SDK sends its key in no other header, and since 3.6 calls /v1 unless told otherwise."""

ABSENT: Mapping[str, str] = {
    "audio/voices": "name a voice of the provider's in /v1/audio/speech",
    "videos": "it makes no videos",
    "responses/input_tokens": "POST /v1/messages/count_tokens counts for models of every provider",
    "responses/compact": "ask for a summary by /v1/responses, and go on with that",
    "cachedContents": "send in each request what it would hold",
    "interactions": "call /v1/responses instead",
    "completions": "call /v1/chat/completions or /v1/responses instead",
    "realtime": 'call /v1/responses with "stream": true instead',
    "messages/batches": "call /v1/messages for each request instead",
    "batches": 'call /v1/responses for each request instead, with "background": true if need be',
    "conversations": "continue a response by its previous_response_id instead",
    "files": "send a file's content in the request instead",
    "uploads": "send a file's content in the request instead",
    "vector_stores": "call /v1/embeddings, and keep the vectors yourself",
    "assistants": "call /v1/responses instead",
    "threads": "call /v1/responses with previous_response_id instead",
    "fine_tuning": "it trains no models",
}
"""What OpenAI, Anthropic and NagaAI have below /v1 and we do not, and the way out. The nearest of
our own paths would be a wrong hint for whoever calls one of these."""

ABSENT_METHODS: Mapping[str, str] = {
    "embedContent": "call /v1/embeddings instead",
    "batchEmbedContents": "call /v1/embeddings instead",
    "asyncBatchEmbedContent": "call /v1/embeddings instead",
    "predict": "call /v1/images/generations instead",
    "predictLongRunning": "it makes no videos",
    "batchGenerateContent": "call :generateContent for each request instead",
}
"""What Google's API does with a model and we do not. https://ai.google.dev/api/models"""

_METHOD = re.compile(r"/v1(?:beta)?/models/.{1,200}:(\w{1,60})")

EncodeError = Callable[[GatewayError, str], bytes]


def choose_encoder(path: str, headers: Sequence[tuple[bytes, bytes]]) -> EncodeError:
    """How to write an error for a request that reached no inference endpoint."""
    if path.startswith(GOOGLE_PATH) or any(name == GOOGLE_KEY for name, _ in headers):
        return google_gemini.encode_error
    is_anthropic = path.rstrip("/").endswith(("/messages", "/messages/count_tokens")) or any(
        name == b"anthropic-version" for name, _ in headers
    )
    return anthropic_messages.encode_error if is_anthropic else encode_error


def encode_head(error: GatewayError, request_id: str, body: bytes) -> ResponseHeaders:
    """The headers of an error answer."""
    said = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-request-id": request_id,
        "request-id": request_id,
        **error.headers,
    }
    if error.retry_after_s is not None:
        said["retry-after"] = str(error.retry_after_s)
    return [(name.encode(), value.encode()) for name, value in said.items()]


def send_error(reply: Reply, error: GatewayError, request_id: str, encode: EncodeError) -> None:
    """Answer a request with `error`; nothing of another answer may have been sent."""
    body = encode(error, request_id)
    reply.start(error.status, encode_head(error, request_id, body))
    reply.end(body)


def no_such_path(path: str, base_url: str, known: Sequence[str]) -> GatewayError:
    """404 that names the right base URL, and the mistake if it is a usual one."""
    if (absent := find_absent(path)) is not None:
        return not_served(path, absent)
    nearest = difflib.get_close_matches(path[:100], known, n=1, cutoff=0.7)
    if "/v1/v1/" in f"{path}/":
        mistake = "It has /v1 twice: leave it out of the base URL or of the path. "
    elif not f"{path}/".startswith(("/v1/", "/v1beta/")):
        mistake = "Every path of the API begins with /v1, or with /v1beta for Google's. "
    elif nearest:
        mistake = f"Did you mean {nearest[0]}? "
    else:
        mistake = f"There are {', '.join(known)}. "
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"There is nothing at {path[:200]!r}. {mistake}"
        f"The base URL for OpenAI's SDKs is {base_url}/v1, for Anthropic's and Google's "
        f"{base_url}.",
    )


def not_served(path: str, absent: str) -> GatewayError:
    """404 for an endpoint that clients know and we do not have."""
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"{path[:200]} is not served by this version of Nagara: {absent}.",
        code="endpoint_not_served",
    )


def find_absent(path: str) -> str | None:
    """Why an endpoint that clients know is not here, and what to call instead; None for others."""
    below = path.removeprefix("/v1beta" if path.startswith(GOOGLE_PATH) else "/v1")
    if below == path:
        return None
    reasons = (why for prefix, why in ABSENT.items() if f"{below}/".startswith(f"/{prefix}/"))
    return next(reasons, None)


def find_absent_method(path: str) -> str | None:
    """The same for what a POST to one of Google's paths asks a model to do."""
    method = _METHOD.fullmatch(path)
    if method is None:
        return None
    return ABSENT_METHODS.get(method[1], f"a model has the methods {', '.join(METHODS)}")


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> GatewayError:
    """405 with `allow`, or 404 where it is another endpoint that is meant."""
    absent = find_absent(path) or (find_absent_method(path) if method == "POST" else None)
    if absent is not None and method not in allowed:
        return not_served(path, absent)
    return GatewayError(
        ErrorKind.METHOD_NOT_ALLOWED,
        f"{path} does not take {method[:20]}; it takes {' or '.join(allowed)}.",
        headers={"allow": ", ".join(allowed)},
    )
