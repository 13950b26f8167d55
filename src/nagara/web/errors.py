"""Errors as HTTP answers, in the caller's dialect, always with `x-request-id`.

The dialect is the endpoint's. Where no endpoint was reached it is read off the request: Anthropic's
for its paths and for callers that send its version header, Google's for its own version of the API,
OpenAI's for all others.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence

from nagara.dialects import anthropic_messages, google_gemini
from nagara.dialects.openai_error import encode_error
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.reply import Reply, ResponseHeaders

GOOGLE_PATH = "/v1beta/"

ABSENT: Mapping[str, str] = {
    "audio/voices": "name a voice of the provider's in /v1/audio/speech",
    "videos": "it makes no videos",
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

EncodeError = Callable[[GatewayError, str], bytes]


def choose_encoder(path: str, headers: Sequence[tuple[bytes, bytes]]) -> EncodeError:
    """How to write an error for a request that reached no inference endpoint."""
    if path.startswith(GOOGLE_PATH):
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
        return GatewayError(
            ErrorKind.NOT_FOUND,
            f"{path[:200]} is not served by this version of Nagara: {absent}.",
            code="endpoint_not_served",
        )
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


def find_absent(path: str) -> str | None:
    """Why an endpoint that clients know is not here, and what to call instead; None for others."""
    for prefix, reason in ABSENT.items():
        if f"{path}/".startswith(f"/v1/{prefix}/"):
            return reason
    return None


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> GatewayError:
    """405 with `allow`."""
    return GatewayError(
        ErrorKind.METHOD_NOT_ALLOWED,
        f"{path} does not take {method[:20]}; it takes {' or '.join(allowed)}.",
        headers={"allow": ", ".join(allowed)},
    )
