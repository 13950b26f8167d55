"""The cases that lie in the folders, and what each is expected to become.

Everything goes by way of the lanes that the gateway itself uses, with the description of a real
provider of each dialect; ids and times are fixed, so the same case gives the same bytes each time.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nagara.dialects import google_gemini
from nagara.dialects.addresses import FetchedFile
from nagara.dialects.envelope import PREFIX
from nagara.dialects.media_types import FileType
from nagara.domain.catalog import Deployment, Provider
from nagara.domain.errors import GatewayError
from nagara.domain.messages import MediaKind
from nagara.operations import ENDPOINTS, Endpoint
from nagara.operations.conversation import DIALECTS
from nagara.operations.google import make_endpoint
from nagara.operations.lanes import Asking, Bounds, Lane, choose_lane
from nagara.providers import anthropic, bedrock, google, openai, openrouter
from tests.event_stream import encode_event, encode_exception
from tests.golden.clients import FIRST_REQUESTS, ask_again

FOLDER: Final = Path(__file__).parent
INPUTS: Final = frozenset({"request.json", "answer.json", "answer.sse", "answer.jsonl"})

_MODEL: Final = "golden"
_FETCHED: Final = {
    MediaKind.IMAGE: ("image/jpeg", "/9j/4AAQSkZJRgABAQ=="),
    MediaKind.DOCUMENT: ("application/pdf", "JVBERi0xLjcKJSVFT0YK"),
    MediaKind.AUDIO: ("audio/mpeg", "SUQzBAAAAAAAAA=="),
    MediaKind.VIDEO: ("video/mp4", "AAAAGGZ0eXBtcDQy"),
}
"""What is found at every address that a provider does not fetch itself."""
_BOUNDS: Final = Bounds(event_bytes_max=1 << 20, response_bytes_max=1 << 20)

DEPLOYMENTS: Final[Mapping[str, tuple[Provider, str]]] = {
    "openai_chat": (openai.PROVIDER, "gpt-5-mini"),
    "openai_responses": (openai.PROVIDER, "gpt-5-mini"),
    "anthropic_messages": (anthropic.PROVIDER, "claude-sonnet-4-5"),
    "google_gemini": (google.PROVIDER, "gemini-2.5-pro"),
    "bedrock_converse": (bedrock.PROVIDER, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
}
"""Who serves each dialect, and its own name of the model."""

OTHER_DEPLOYMENTS: Final = {
    # OpenAI's own chat never shows reasoning; OpenRouter's is signed by who made it.
    ("openai_chat", "reasoning_with_tools"): (openrouter.PROVIDER, "anthropic/claude-sonnet-4.5"),
}

REPLAYED: Final = frozenset({"parallel_calls", "reasoning_with_tools"})
"""The cases whose answers call tools, so that there is a request after them."""

OPERATIONS: Final = {dialect.NAME: operation for operation, dialect in DIALECTS.items()}


def is_input(path: Path) -> bool:
    """Whether a file of a case was put there by hand."""
    return path.name in INPUTS


class RequestCase(msgspec.Struct, frozen=True):
    """A caller asks, and every other dialect is spoken behind."""

    folder: Path

    def expect(self) -> dict[str, str]:
        """The expected files by name."""
        caller = self.folder.parent.name
        body = _compact((self.folder / "request.json").read_bytes())
        return {
            f"asked_{upstream}.json": _show_request(caller, upstream, body, self.folder.name)
            for upstream in OPERATIONS
            if upstream != caller
        }


class AnswerCase(msgspec.Struct, frozen=True):
    """A provider answers, and callers of every other dialect are told."""

    folder: Path
    input: Path

    def expect(self) -> dict[str, str]:
        """The expected files by name."""
        expected: dict[str, str] = {}
        upstream, case = self.folder.parent.name, self.folder.name
        for caller, asked in FIRST_REQUESTS.items():
            if caller == upstream:
                continue
            lane = open_lane(
                caller, upstream, _dump(asked(is_streamed=False)), case, is_streamed=False
            )
            whole = self._read_whole(caller, lane)
            expected[f"told_{caller}.json"] = _pretty(whole)
            lane = open_lane(
                caller, upstream, _dump(asked(is_streamed=True)), case, is_streamed=True
            )
            expected[f"told_{caller}.sse"] = self._read_stream(lane)
            if case in REPLAYED:
                again = _dump(ask_again(caller, whole["told"]))
                expected[f"replayed_{caller}.json"] = _show_request(caller, upstream, again, case)
        return expected

    def _read_whole(self, caller: str, lane: Lane) -> dict[str, Any]:
        try:
            told = lane.read_whole(self._body(), _BOUNDS, is_event_stream=self._is_stream)
        except GatewayError as error:
            body = _endpoint(caller, is_streamed=False).encode_error(error, "req_golden")
            return {"failed": error.kind.name, "told": json.loads(body)}
        return {"told": json.loads(told.body), "dropped": told.dropped}

    def _read_stream(self, lane: Lane) -> str:
        stream = lane.open_stream(_BOUNDS, is_event_stream=self._is_stream)
        told = stream.feed(self._body())
        if not stream.is_ended:
            told += stream.close()
        text = (told + stream.terminator()).decode()
        # A comment, as server-sent events have them.
        return text + "".join(f": dropped {name}\n" for name in stream.dropped)

    @property
    def _is_stream(self) -> bool:
        return self.input.suffix != ".json"

    def _body(self) -> bytes:
        data = self.input.read_bytes()
        if self.input.suffix == ".json":
            return _compact(data)
        if self.input.suffix == ".sse":
            return data
        return b"".join(_converse_event(json.loads(line)) for line in data.splitlines())


def _converse_event(said: Mapping[str, Any]) -> bytes:
    """One line of `answer.jsonl`: an event, or an exception, by its name."""
    ((name, value),) = said.items()
    encode = encode_exception if name.endswith("Exception") else encode_event
    return encode(name, value)


def find_cases() -> Iterator[RequestCase | AnswerCase]:
    """All cases, by folder."""
    for path in sorted(FOLDER.glob("*/*/*")):
        if path.name == "request.json":
            yield RequestCase(path.parent)
        elif is_input(path):
            yield AnswerCase(path.parent, path)


def _endpoint(caller: str, *, is_streamed: bool) -> Endpoint:
    if caller == google_gemini.NAME:
        return make_endpoint(_MODEL, "streamGenerateContent" if is_streamed else "generateContent")
    operation = OPERATIONS[caller]
    return next(each for each in ENDPOINTS.values() if each.operation is operation)


def _fetch(kind: MediaKind) -> FetchedFile:
    media_type, data = _FETCHED[kind]
    return FetchedFile(FileType(kind, media_type), data)


def open_lane(caller: str, upstream: str, body: bytes, case: str, *, is_streamed: bool) -> Lane:
    """The lane of a caller to the provider of a dialect."""
    endpoint, operation = _endpoint(caller, is_streamed=is_streamed), OPERATIONS[upstream]
    provider, model = OTHER_DEPLOYMENTS.get((upstream, case)) or DEPLOYMENTS[upstream]
    # Some have several conversations; here each is to speak the dialect of the folder.
    only = msgspec.structs.replace(provider, paths={operation: provider.paths[operation]})
    asking = Asking(
        endpoint=endpoint,
        view=endpoint.read_request(body),
        request_id="req_golden",
        seed="0",
        now_s=1_750_000_000,
        is_enveloped=PREFIX.encode() in body,
        recall=lambda _: None,
        fetched={},
    )
    deployment = Deployment(name=provider.name, provider=only, model=model)
    lane = choose_lane(asking, deployment)
    if not lane.wanted:
        return lane
    fetched = {wanted.url: _fetch(wanted.kind) for wanted in lane.wanted}
    return choose_lane(msgspec.structs.replace(asking, fetched=fetched), deployment)


def _show_request(caller: str, upstream: str, body: bytes, case: str) -> str:
    try:
        lane = open_lane(caller, upstream, body, case, is_streamed=False)
    except GatewayError as error:
        return _pretty({"refused": error.message, "param": error.param})
    return _pretty({"sent": json.loads(lane.body), "dropped": lane.dropped})


def _compact(data: bytes) -> bytes:
    """JSON as it comes over the wire; in its file it is indented for the eye."""
    return _dump(json.loads(data))


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


CASES: Final = tuple(find_cases())
