"""One played provider over HTTP: it checks, answers, and keeps a journal of both."""

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

from tests.system.providers.rules import RefusedError
from tests.system.providers.script import Asked, Step, next_step

CREDENTIAL: Final = "sk-of-the-played-provider"
JOURNAL_PATH: Final = "/journal"


class Played(Protocol):
    """One API: its rules, and the shape of its answers."""

    credential_header: str

    def read(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """What the request asks. Raises `RefusedError` for what the real API refuses."""

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """The whole answer."""

    def stream(self, answer: dict[str, Any]) -> Iterator[bytes]:
        """The same answer as server-sent events."""

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""


class PlayedServer(ThreadingHTTPServer):
    """Serves one played provider on a free port."""

    daemon_threads = True

    def __init__(self, played: Played) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.played = played
        self.journal: list[dict[str, Any]] = []


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PlayedServer

    def do_GET(self) -> None:
        self._send(200, self.server.journal)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        entry: dict[str, Any] = {"path": self.path, "body": json.loads(raw), "refusal": None}
        # Whole before it is answered: who has the answer may read the journal.
        self.server.journal.append(entry)
        played = self.server.played
        if CREDENTIAL not in (self.headers[played.credential_header] or ""):
            entry["refusal"] = "no credential"
            self._send(401, played.refuse(401, "no credential"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            asked = played.read(self.path, headers, entry["body"])
        except RefusedError as refused:
            entry["refusal"] = str(refused)
            self._send(400, played.refuse(400, str(refused)))
            return
        answer = played.answer(asked, next_step(asked))
        entry["answer"] = answer
        if asked.is_streamed:
            self._stream(played.stream(answer))
        else:
            self._send(200, answer)

    def _send(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, events: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """The journal says it all."""


def event(value: object, name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def halves(text: str) -> Iterator[str]:
    """A text in two pieces, as models stream them."""
    middle = len(text) // 2
    yield from (piece for piece in (text[:middle], text[middle:]) if piece)
