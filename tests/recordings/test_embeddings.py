"""Every recorded embedding, asked for by OpenAI's SDK through a gateway before a real socket.

What the upstream is sent is held against what the recording's own client sent, and what the SDK
gets against what the provider answered: every float, in both encodings, and the tokens.
"""

import base64
import gzip
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote

import openai
import pytest
from tests.recordings.recorded import FOLDER, needs_recordings
from tests.system.gateway import GatewayProcess

pytestmark = needs_recordings

NAMES: Final = ("openai", "voyage", "cohere", "google", "vertex", "bedrock")
ENDINGS: Final = ("/embeddings", "/v2/embed", ":batchEmbedContents", ":embedContent", "/invoke")
BASES: Final = {
    "openai": "/v1", "voyage": "/v1", "cohere": "/compatibility/v1", "google": "/v1beta",
    "vertex": "/v1beta1/projects/p/locations/global", "bedrock": "",
}  # fmt: skip
BESIDE: Final = (
    "input_type", "truncate", "max_tokens", "truncation", "normalize", "output_dtype",
)  # fmt: skip
"""What a caller may say beside OpenAI's own fields, in the provider's words."""


class Case(NamedTuple):
    """One recorded call."""

    name: str
    provider: str
    model: str
    asked: dict[str, Any]
    status: int
    answered: Any

    @property
    def texts(self) -> list[str]:
        asked = self.asked
        if "inputText" in asked:
            return [asked["inputText"]]
        if "singleEmbeddingParams" in asked:
            return [asked["singleEmbeddingParams"]["text"]["value"]]
        if "requests" in asked:
            return [request["content"]["parts"][0]["text"] for request in asked["requests"]]
        if "content" in asked:
            return [asked["content"]["parts"][0]["text"]]
        return list(asked.get("texts") or asked["input"])

    @property
    def dimensions(self) -> int | None:
        found = self.asked.get("dimensions") or self.asked.get("output_dimension")
        return None if found is None else int(found)

    @property
    def beside(self) -> dict[str, Any]:
        """The provider's own fields that were said."""
        said = {name: self.asked[name] for name in BESIDE if self.asked.get(name) is not None}
        if "requests" in self.asked and "taskType" in self.asked["requests"][0]:
            said["task_type"] = self.asked["requests"][0]["taskType"]
        if "singleEmbeddingParams" in self.asked:
            params = self.asked["singleEmbeddingParams"]
            said["embeddingPurpose"] = params["embeddingPurpose"]
            said["truncate"] = params["text"]["truncationMode"]
        return said

    @property
    def vectors(self) -> list[list[float]]:
        answered = self.answered
        if "data" in answered:
            return [unpack(item["embedding"]) for item in answered["data"]]
        if "embedding" in answered:
            found = answered["embedding"]
            return [found["values"] if isinstance(found, dict) else found]
        found = answered["embeddings"]
        if isinstance(found, dict):
            return list(found["float"])
        if isinstance(found[0], dict):
            return [item.get("values") or item["embedding"] for item in found]
        return list(found)

    @property
    def tokens(self) -> int | None:
        """What the provider counted; None where it did not say."""
        answered = self.answered
        if "usageMetadata" in answered:
            return int(answered["usageMetadata"]["promptTokenCount"])
        if "usage" in answered:
            return int(answered["usage"]["total_tokens"])
        if "meta" in answered:
            return int(answered["meta"]["billed_units"]["input_tokens"])
        count: int | None = answered.get("inputTextTokenCount")
        return count


def unpack(embedding: Any) -> list[float]:
    if not isinstance(embedding, str):
        return list(embedding)
    data = base64.b64decode(embedding)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def read_cases() -> Iterator[Case]:
    for provider in NAMES:
        with gzip.open(FOLDER / f"{provider}.jsonl.gz", "rt") as lines:
            for number, line in enumerate(lines):
                recorded = json.loads(line)
                path = unquote(recorded["request"]["path"])
                asked, answer = recorded["request"].get("json"), recorded["response"]
                if not path.endswith(ENDINGS) or "messages" in asked:
                    continue
                model = asked.get("model") or path.split("/")[-1].partition(":")[0]
                if provider == "bedrock":
                    model = path.removeprefix("/model/").removesuffix("/invoke")
                name = f"{provider}-{number:04}"
                yield Case(name, provider, model, asked, answer["status"], answer["json"])


CASES: Final = list(read_cases()) if FOLDER.is_dir() else []


class Recorded(BaseHTTPRequestHandler):
    """Answers the next call with what was recorded, and keeps what was sent."""

    protocol_version = "HTTP/1.1"
    playing: ClassVar[Case]
    sent: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.sent.append(json.loads(body))
        answer = json.dumps(self.playing.answered).encode()
        self.send_response(self.playing.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Nobody reads it."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = tmp_path_factory.mktemp("embeddings")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "nagara.toml"
    config.write_text(configure(server.server_port))
    try:
        with GatewayProcess(folder, {"KEY": "secret"}, "--config", str(config)) as gateway:
            yield openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    finally:
        server.shutdown()
        server.server_close()


def configure(port: int) -> str:
    lines = ["[credentials.any]", 'env = "KEY"']
    for provider in NAMES:
        url = json.dumps(f"http://127.0.0.1:{port}{BASES[provider]}")
        lines += [f"[providers.{provider}]", f"base_url = {url}", 'credential = "any"']
    for case in CASES:
        model = json.dumps(case.model)
        lines += [
            f"[models.{case.name}]",
            'prices = { input_mtok = "1" }',
            f'deployments = [{{ provider = "{case.provider}", model = {model} }}]',
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.status == 200], ids=lambda case: case.name
)
def test_recorded_embedding_arrives_to_the_last_float(
    client: openai.OpenAI, case: Case, encoding: Any
) -> None:
    if case.model.startswith("arn:"):
        pytest.skip("the name of an inference profile does not say what its model takes")
    Recorded.playing = case
    Recorded.sent.clear()
    dimensions = openai.omit if case.dimensions is None else case.dimensions
    given = client.embeddings.create(
        model=case.name,
        input=case.texts,
        dimensions=dimensions,
        encoding_format=encoding,
        extra_body=case.beside,
    )
    (sent,) = Recorded.sent
    asked = Case(*case._replace(asked=sent))
    assert (asked.texts, asked.dimensions) == (case.texts, case.dimensions)
    assert asked.beside == case.beside
    assert [item.index for item in given.data] == list(range(len(case.texts)))
    for item, vector in zip(given.data, case.vectors, strict=True):
        found = unpack(item.embedding)
        is_exact = encoding == "float"
        assert found == (vector if is_exact else pytest.approx(vector, rel=1e-6, abs=1e-9))
    if case.tokens is not None:
        assert given.usage.prompt_tokens == case.tokens
    assert given.usage.total_tokens == given.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.status != 200], ids=lambda case: case.name
)
def test_recorded_refusal_is_an_error_of_the_sdk(client: openai.OpenAI, case: Case) -> None:
    Recorded.playing = case
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model=case.name, input=case.texts)
    assert case.provider in caught.value.message.lower() or "model" in caught.value.message


def test_there_are_recordings_of_every_provider() -> None:
    assert {case.provider for case in CASES} == set(NAMES)
