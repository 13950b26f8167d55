"""One socket for all providers: it speaks whichever wire format its path is of.

What it answers is its `scene`, which a test sets before it asks; what it was asked is in `asked`.
"""

import enum
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import msgspec
from tests.conformance.providers.drawing import draw
from tests.conformance.providers.sound import answer_sound
from tests.conformance.providers.wires import SAID, Wire, find_wire

RETRY_AFTER_S: Final = 7
STREAMED: Final = ("streamGenerateContent", "converse-stream")


def embed(asked: "Asked") -> Mapping[str, Any] | None:
    """An answer with a vector for each text of the request; None for any other path."""
    body = json.loads(asked.body)
    if asked.path.endswith("/embeddings"):
        inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [{"index": i, "embedding": vector_of(text)} for i, text in enumerate(inputs)]
        counts = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        return {"object": "list", "model": "m", "data": data[::-1], "usage": counts}
    if asked.path.endswith(":batchEmbedContents"):
        texts = [request["content"]["parts"][0]["text"] for request in body["requests"]]
        counts = {"promptTokenCount": len(texts)}
        vectors = [{"values": vector_of(text)} for text in texts]
        return {"embeddings": vectors, "usageMetadata": counts}
    if asked.path.endswith(":predict"):
        counted = {"statistics": {"token_count": 1}}
        found = [{"values": vector_of(x["content"]), **counted} for x in body["instances"]]
        return {"predictions": [{"embeddings": each} for each in found]}
    if asked.path.endswith(("/v2/embed", "/invoke")):
        units = {"billed_units": {"input_tokens": len(body["texts"])}}
        return {"embeddings": {"float": [vector_of(x) for x in body["texts"]]}, "meta": units}
    return None


def rank(asked: "Asked") -> Mapping[str, Any] | None:
    """An answer with the last document first; None where nothing is to be ranked."""
    body = json.loads(asked.body)
    if "documents" not in body:
        return None
    count = len(body["documents"])
    results = [{"index": i, "relevance_score": i / count} for i in range(count)]
    if asked.path.startswith("/voyage/"):
        return {"object": "list", "data": results, "usage": {"total_tokens": count}}
    return {"results": results, "meta": {"billed_units": {"search_units": 1}}}


def judge(asked: "Asked") -> Mapping[str, Any] | None:
    """One result, in the provider's own categories; None for any other path."""
    if not asked.path.endswith("/moderations"):
        return None
    name = "selfharm" if asked.path.startswith("/mistral/") else "self-harm"
    result = {"flagged": True, "categories": {name: True}, "category_scores": {name: 0.9}}
    return {"id": "m", "model": "m", "results": [result]}


def vector_of(text: str) -> list[float]:
    """A vector by which the text is known again."""
    return [0.5, float(len(text))]


class Scene(enum.Enum):
    """How it answers."""

    WELL = 200
    REFUSES = 400
    IS_BUSY = 429
    FAILS = 500
    BREAKS_OFF = "an error in the middle of a stream"


class Asked(msgspec.Struct, frozen=True):
    """A request as it came. Names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def wire(self) -> Wire:
        """The wire format of the path."""
        return find_wire(self.path)

    @property
    def is_streamed(self) -> bool:
        """Whether a stream is asked for, in the body or by the path."""
        in_path = any(method in self.path for method in STREAMED)
        if not self.body.startswith(b"{"):
            return in_path
        return in_path or json.loads(self.body).get("stream") is True


class Upstream(ThreadingHTTPServer):
    """The server. It ends with the `with` block."""

    daemon_threads = True
    scene = Scene.WELL

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []


class Handler(BaseHTTPRequestHandler):
    """One connection, kept for as many requests as come."""

    protocol_version = "HTTP/1.1"
    # Or the second write of an answer waits for the acknowledgement of the first.
    disable_nagle_algorithm = True
    server: Upstream

    def do_POST(self) -> None:
        """Note the request and play the scene."""
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, body)
        self.server.asked.append(asked)
        scene = self.server.scene
        sound = answer_sound(self.path, headers, body)
        if sound is not None:
            if scene is Scene.WELL:
                self.send_stream(sound.media_type, *sound.pieces)
            else:
                self.send_whole(scene.value, {"error": {"message": SAID}, "message": SAID})
            return
        embedded = draw(asked) or rank(asked) or judge(asked) or embed(asked)
        if embedded is not None and scene is Scene.WELL:
            self.send_whole(200, embedded)
        elif embedded is not None:
            self.send_whole(scene.value, {"error": {"message": SAID}, "message": SAID})
        elif scene is Scene.BREAKS_OFF:
            self.send_stream(asked.wire.media_type, asked.wire.begun, asked.wire.broken)
        elif scene is not Scene.WELL:
            self.send_whole(scene.value, asked.wire.error)
        elif asked.is_streamed:
            self.send_stream(asked.wire.media_type, asked.wire.begun, asked.wire.rest)
        else:
            self.send_whole(200, asked.wire.whole)

    def send_whole(self, status: int, value: Mapping[str, Any]) -> None:
        """An answer with a length."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if status == Scene.IS_BUSY.value:
            self.send_header("retry-after", str(RETRY_AFTER_S))
        self.end_headers()
        self.wfile.write(body)

    def send_stream(self, media_type: str, *pieces: bytes) -> None:
        """A stream with each piece in a chunk of its own."""
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (*pieces, b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the tests' output is not the place."""


@contextmanager
def listening() -> Iterator[Upstream]:
    """The upstream on a free port until the block is left."""
    with Upstream() as upstream:
        # A short interval, since the shutdown at the end waits for it.
        thread = threading.Thread(target=upstream.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield upstream
        finally:
            upstream.shutdown()
            thread.join()
