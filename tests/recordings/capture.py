"""An upstream that keeps the requests it is sent, and the gateway before it.

Every wire format has a provider and, for each worker, a model of its own, so that what arrives can
be told by the model's name alone. Each request gets a small good answer in its wire format.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import requests
from tests.recordings.exchanges import WIRES
from tests.recordings.gateway import RecordedGateway, start
from tests.recordings.replay import find_model

PROVIDERS: Final = {
    "chat": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
    "gemini": "google-gemini",
    "converse": "bedrock-converse",
}
"""Whose ways each wire format is written for: those of the company that made it."""

CHAT_CHOICE: Final = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "Hi"},
}
RESPONSE_ITEM: Final = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
ANSWERS: Final[Mapping[str, Any]] = {
    "chat": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [CHAT_CHOICE],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "completed",
        "output": [RESPONSE_ITEM],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    },
    "messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
        ],
        "usageMetadata": {
            "promptTokenCount": 1,
            "candidatesTokenCount": 1,
            "totalTokenCount": 2,
        },
    },
    "converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    },
}
PATHS: Final = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}


class Capture(ThreadingHTTPServer):
    """Keeps the last body of each model."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CaptureHandler)
        self.bodies: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class CaptureHandler(BaseHTTPRequestHandler):
    """One connection to a `Capture`."""

    protocol_version = "HTTP/1.1"
    # Head and body in one segment, or the second waits for the first to be acknowledged.
    wbufsize = -1
    server: Capture

    def do_POST(self) -> None:
        """Keep the body and answer in its wire format."""
        body = self.rfile.read(int(self.headers["content-length"]))
        model = find_model(f"POST {self.path} HTTP/1.1".encode(), body)
        self.server.bodies[model] = json.loads(body)
        answer = json.dumps(ANSWERS[model.split("-")[1]]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def capturing() -> Iterator[Capture]:
    """A capture that runs for as long as the block does."""
    with Capture() as capture:
        thread = threading.Thread(target=capture.serve_forever, daemon=True)
        thread.start()
        yield capture
        capture.shutdown()
        thread.join()


@contextmanager
def serving_capture(folder: Path, capture: Capture, workers: int) -> Iterator[RecordedGateway]:
    """A gateway with a model `to-WIRE-N` for each wire format and worker."""
    models = {
        f"to-{wire.name}-{worker}": PROVIDERS[wire.name]
        for wire in WIRES
        for worker in range(workers)
    }
    with start(folder, models, capture.url) as gateway:
        yield gateway


def send(gateway: RecordedGateway, dialect: str, body: Any, model: str) -> requests.Response:
    """Ask the gateway with a recorded body, in its dialect."""
    path = PATHS[dialect].format(model=model)
    named = body if dialect == "gemini" else {**body, "model": model}
    headers = {"authorization": f"Bearer {gateway.key}"}
    return requests.post(f"{gateway.url}{path}", json=named, headers=headers, timeout=60)
