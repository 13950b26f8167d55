"""Reads recorded answers, and the SDKs' final objects, into the neutral `Answer`.

One module a wire format, written from the providers' documentation: `read` takes a whole answer
as JSON, `fold` makes that JSON of a stream's events. Nothing here may use the gateway's code.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.recordings.exchanges import Exchange
from tests.recordings.neutral import Answer, failed
from tests.recordings.oracle import chat, converse, gemini, messages, responses
from tests.recordings.oracle.event_streams import read_binary_events, read_events

READERS: Final[Mapping[str, Callable[[Any], Answer]]] = {
    "chat": chat.read,
    "responses": responses.read,
    "messages": messages.read,
    "gemini": gemini.read,
    "converse": converse.read,
}
FOLDS: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "chat": chat.fold,
    "responses": responses.fold,
    "messages": messages.fold,
    "gemini": gemini.fold,
    "converse": converse.fold,
}


def expect(exchange: Exchange) -> Answer:
    """What the recorded answer says."""
    if exchange.status >= 400:
        return failed(exchange.status, read_message(json.loads(exchange.body)))
    if not exchange.is_stream:
        return READERS[exchange.wire](json.loads(exchange.body))
    is_binary = exchange.media_type.startswith("application/")
    events = read_binary_events(exchange.body) if is_binary else read_events(exchange.body)
    error = next((e["error"] for e in events if is_error(e)), None)
    if error is not None:
        return failed(None, error.get("message"))
    answer = READERS[exchange.wire](FOLDS[exchange.wire](events))
    # A stream without its end was cut, and must never pass for whole.
    return answer if answer.finish or answer.failure else failed(None, "")


def is_error(event: Any) -> bool:
    """Whether an event says that the stream failed."""
    return isinstance(event, dict) and isinstance(event.get("error"), dict)


def read_message(body: Any) -> object:
    """The provider's own message in an error body."""
    if isinstance(body, list) and body:
        body = body[0]
    inner = body.get("error", body)
    return inner.get("message") if isinstance(inner, dict) else inner
