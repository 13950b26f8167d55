"""The recorded exchanges as cases: which wire format each speaks, and which are none of ours.

Everything is told by path and shape, never by the name of the test that recorded it, so another
folder of the same kind of recordings is read without an edit. A case is named by its file and line
(`groq-0012`): that is the model name under which the gateway, and then the replay, know it.
"""

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.recordings.recorded import FOLDER

KEPT_HEADERS: Final = frozenset(
    {
        "content-type", "retry-after", "request-id", "x-request-id", "x-amzn-requestid",
        "x-amzn-errortype",
    }
)  # fmt: skip
"""What a gateway may act on. Lengths and encodings were those of the recorded connection."""


class Wire(msgspec.Struct, frozen=True):
    """A wire format: where its paths end, and the operation and path that a provider has for it."""

    name: str
    path: re.Pattern[str]
    operation: str
    default_path: str


WIRES: Final = (
    Wire("chat", re.compile(r"/chat/completions$"), "CHAT", "/chat/completions"),
    Wire("responses", re.compile(r"/responses$"), "RESPONSES", "/responses"),
    Wire("messages", re.compile(r"/v1/messages$"), "MESSAGES", "/v1/messages"),
    Wire(
        "gemini",
        re.compile(r"/models/[^/:]+:(?:streamG|g)enerateContent$"),
        "GENERATE_CONTENT",
        "/models/{model}:generateContent",
    ),
    Wire(
        "converse",
        re.compile(r"/model/[^/]+/converse(?:-stream)?$"),
        "CONVERSE",
        "/model/{model}/converse",
    ),
)

NOT_SERVED: Final = (
    (re.compile(r"/v2/chat$"), "Cohere's own API: the gateway asks Cohere through its OpenAI one"),
    (
        re.compile(r"/invoke$"),
        "Bedrock's InvokeModel: Converse serves those models",
    ),
    (re.compile(r""), "not a generation"),
)


class Exchange(msgspec.Struct, frozen=True):
    """One recorded generation: what was asked, and the answer's bytes as they were sent."""

    id: str
    recording: str
    api: str
    wire: str
    path: str
    request: Any
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream of events, in text or in AWS's binary form."""
        return "eventstream" in self.media_type or "event-stream" in self.media_type

    @property
    def media_type(self) -> str:
        """The answer's content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def provider(self) -> str:
        """The provider entry that serves it: one for each API and wire format."""
        return f"{self.api}-{self.wire}"


class Recordings(msgspec.Struct, frozen=True):
    """All generations of a folder, and what was left out, counted by API, path and reason."""

    exchanges: Mapping[str, Exchange]
    left_out: Counter[tuple[str, str, str]]


def read_exchanges(folder: Path = FOLDER) -> Recordings:
    """Every file of the folder."""
    exchanges: dict[str, Exchange] = {}
    left_out: Counter[tuple[str, str, str]] = Counter()
    for file in sorted(folder.glob("*.jsonl.gz")):
        api = file.name.removesuffix(".jsonl.gz")
        for number, line in enumerate(read_lines(file)):
            wire, reason = classify(line)
            if wire is None:
                left_out[api, shorten(line["request"]["path"]), reason] += 1
                continue
            exchange = decode_exchange(f"{api}-{number:04d}", api, wire, line)
            exchanges[exchange.id] = exchange
    return Recordings(exchanges, left_out)


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of one file."""
    with gzip.open(file, "rb") as lines:
        yield from (json.loads(line) for line in lines)


def classify(line: Mapping[str, Any]) -> tuple[str | None, str]:
    """The wire format of an exchange, or None and why it is none of ours."""
    request, response = line["request"], line["response"]
    wire = next((wire for wire in WIRES if wire.path.search(request["path"])), None)
    if wire is None or request["method"].upper() != "POST":
        reason = next(reason for path, reason in NOT_SERVED if path.search(request["path"]))
        return None, reason
    body = response.get("json")
    if isinstance(body, dict) and body.get("status") in ("queued", "in_progress"):
        return None, "background: the answer was not there yet"
    return wire.name, ""


def decode_exchange(case: str, api: str, wire: str, line: Mapping[str, Any]) -> Exchange:
    """One line as an exchange."""
    request, response = line["request"], line["response"]
    headers = {
        name.lower(): str(value[0] if isinstance(value, list) else value)
        for name, value in response["headers"].items()
    }
    return Exchange(
        id=case,
        recording=line["id"],
        api=api,
        wire=wire,
        path=request["path"],
        request=request.get("json"),
        status=response["status"],
        headers={name: value for name, value in headers.items() if name in KEPT_HEADERS},
        body=decode_body(response),
    )


def decode_body(response: Mapping[str, Any]) -> bytes:
    """The bytes of an answer: JSON is written anew, text and binary are as they were."""
    if "json" in response:
        return json.dumps(response["json"], ensure_ascii=False).encode(errors="surrogatepass")
    if "base64" in response:
        return base64.b64decode(response["base64"])
    return str(response.get("text", "")).encode(errors="surrogatepass")


def shorten(path: str) -> str:
    """A path without what differs from one call to the next."""
    return re.sub(r"(?<=/)[^/:]*\d[^/:]{6,}", "…", path)
