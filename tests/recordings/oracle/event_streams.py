"""Recorded streams as lists of events: server-sent ones, and AWS's binary ones.

The binary ones are read by botocore, the provider's own client; without it there is a skip.
"""

import importlib
import json
import re
from typing import Any, Final

import pytest

LINE_END: Final = re.compile(r"\r\n|\n|\r")


def read_events(body: bytes) -> list[Any]:
    """The JSON values of a text/event-stream, without the closing `[DONE]`.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    events: list[Any] = []
    data: list[str] = []
    for line in [*LINE_END.split(body.decode(errors="surrogatepass")), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            if text.strip() != "[DONE]":
                events.append(json.loads(text))
    return events


def read_binary_events(body: bytes) -> list[Any]:
    """The events of an application/vnd.amazon.eventstream as `{event type: payload}`.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
    """
    if importlib.util.find_spec("botocore") is None:
        pytest.skip("botocore is not installed: make install-clients")
    buffer = importlib.import_module("botocore.eventstream").EventStreamBuffer()
    buffer.add_data(body)
    events: list[Any] = []
    for event in buffer:
        payload = json.loads(event.payload) if event.payload else {}
        if event.headers.get(":message-type") == "event":
            events.append({event.headers[":event-type"]: payload})
        else:
            events.append({"error": {"message": payload.get("message", "")}})
    return events
