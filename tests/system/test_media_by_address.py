"""Pictures, PDFs and sound by their addresses, from official SDKs to providers that take bytes."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import trustme

from tests.fakes import FakeUpstream, Peer
from tests.system.gateway import GatewayProcess

CONFIG = """
[credentials.theirs]
value = "sk-theirs"
{providers}
"""
PROVIDER = """
[providers.{kind}]
base_url = "{base_url}"
credential = "theirs"
[models.on-{kind}]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "{kind}", model = "theirs" }}]
"""
KINDS = ("bedrock", "google", "ollama", "openai")
MIB = 2**20

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(256)) * 40
FILES = {
    b"/a.png": PNG, b"/picture?of=a": PNG, b"/a.pdf": PDF, b"/a.wav": WAV,
    b"/a.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}  # fmt: skip

CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "A cat."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}
GENERATED = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "A cat."}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
COMPLETED = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "theirs",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "A cat."}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Scene:
    """Providers that keep what they are asked, a server with files, and a gateway between."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fetched: list[bytes] = []
        self.files = FakeUpstream()
        self.gateway: GatewayProcess

    async def answer(self, peer: Peer) -> None:
        while request := await peer.read_request():
            self.asked.append(json.loads(request.body))
            target = request.target
            said: Any = CONVERSED if b"converse" in target else COMPLETED
            said = GENERATED if b"generateContent" in target else said
            await peer.answer(json.dumps(said).encode(), b"content-type: application/json")

    async def give(self, peer: Peer) -> None:
        while request := await peer.read_request():
            self.fetched.append(request.target)
            if request.target == b"/huge":
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n" + PNG)
            elif request.target == b"/endless":
                await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                await peer.send_chunks(PNG)
                while True:
                    await peer.send_chunks(bytes(65536))
            elif request.target == b"/to-loopback":
                where = f"https://127.0.0.2:{self.files.port}/a.png".encode()
                await peer.answer(b"", b"location: " + where, status=302)
            elif request.target in FILES:
                await peer.answer(FILES[request.target], b"content-type: image/png")
            else:
                await peer.answer(b"", status=404)

    def url(self, path: str) -> str:
        return f"{self.files.url}{path}"

    @property
    def chat(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"{self.gateway.url}/v1", api_key=self.gateway.key, max_retries=0
        )

    @property
    def messages(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(
            base_url=self.gateway.url, api_key=self.gateway.key, max_retries=0
        )

    async def ask(self, model: str, part: dict[str, Any]) -> Any:
        """What the provider was asked when a user of Chat says this."""
        content: Any = [{"type": "text", "text": "What is it?"}, part]
        async with self.chat as client:
            answer = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": content}]
            )
        assert answer.choices[0].message.content == "A cat."
        return self.asked[-1]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    scene = Scene()
    scene.files = FakeUpstream(scene.give, tls=tls)
    async with scene.files, FakeUpstream(scene.answer) as providers:
        parts = [PROVIDER.format(kind=kind, base_url=providers.url) for kind in KINDS]
        file = tmp_path / "nagara.toml"
        file.write_text(CONFIG.format(providers="".join(parts)))
        environment = {
            "NAGARA_CA_BUNDLE": str(tmp_path / "ca.pem"),
            "NAGARA_FETCH_NETWORKS_ALLOWED": "127.0.0.1",
            "NAGARA_FETCH_FILE_BYTES_MAX": str(4 * MIB),
        }
        with GatewayProcess(tmp_path / "data", environment, "--config", str(file)) as gateway:
            scene.gateway = gateway
            yield scene
            # What callers' addresses are is theirs: a query may be a signature.
            assert "/a." not in gateway.output


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def test_image_of_chats_sdk_is_the_same_bytes_at_bedrock(scene: Scene) -> None:
    asked = await scene.ask("on-bedrock", image(scene.url("/a.png")))
    [_, block] = asked["messages"][0]["content"]
    assert block == {"image": {"format": "png", "source": {"bytes": encoded(PNG)}}}
    assert scene.fetched == [b"/a.png"]


async def test_image_whose_type_nobody_says_is_the_same_bytes_at_gemini(scene: Scene) -> None:
    asked = await scene.ask("on-google", image(scene.url("/picture?of=a")))
    [_, part] = asked["contents"][0]["parts"]
    assert part == {"inlineData": {"mimeType": "image/png", "data": encoded(PNG)}}
    # One whose type its address tells is fetched by Google.
    asked = await scene.ask("on-google", image(scene.url("/a.png")))
    [_, part] = asked["contents"][0]["parts"]
    assert part == {"fileData": {"mimeType": "image/png", "fileUri": scene.url("/a.png")}}
    assert scene.fetched == [b"/picture?of=a"]


async def test_image_in_the_providers_own_dialect_is_put_in_for_a_server_that_fetches_nothing(
    scene: Scene,
) -> None:
    asked = await scene.ask("on-ollama", image(scene.url("/a.png")))
    [_, part] = asked["messages"][0]["content"]
    assert part["image_url"]["url"] == f"data:image/png;base64,{encoded(PNG)}"
    asked = await scene.ask("on-openai", image(scene.url("/a.png")))
    [_, part] = asked["messages"][0]["content"]
    assert part["image_url"]["url"] == scene.url("/a.png")
    assert scene.fetched == [b"/a.png"]


async def test_documents_of_messages_and_responses_are_the_same_bytes(scene: Scene) -> None:
    url = scene.url("/a.pdf")
    async with scene.messages as client:
        await client.messages.create(
            model="on-bedrock",
            max_tokens=9,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "url", "url": url}},
                        {"type": "text", "text": "What is it?"},
                    ],
                }
            ],
        )
    async with scene.chat as responses:
        await responses.responses.create(
            model="on-bedrock",
            input=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_file", "file_url": url},
                        {"type": "input_text", "text": "What is it?"},
                    ],
                }
            ],
        )
    assert len(scene.asked) == 2
    for asked in scene.asked:
        document = asked["messages"][0]["content"][0]["document"]
        assert document["format"] == "pdf"
        assert document["source"] == {"bytes": encoded(PDF)}


async def test_sound_of_googles_sdk_is_the_same_bytes_at_bedrock(scene: Scene) -> None:
    genai = pytest.importorskip("google.genai", reason="make install-clients")
    options = genai.types.HttpOptions(base_url=scene.gateway.url)
    client = genai.Client(api_key=scene.gateway.key, http_options=options)
    sound = genai.types.Part.from_uri(file_uri=scene.url("/a.wav"), mime_type="audio/wav")
    answer = await client.aio.models.generate_content(
        model="on-bedrock", contents=[sound, "What is said?"]
    )
    assert answer.text == "A cat."
    [block, _] = scene.asked[0]["messages"][0]["content"]
    assert block == {"audio": {"format": "wav", "source": {"bytes": encoded(WAV)}}}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/a.svg", "an SVG"),
        ("/a.pdf", "must be an image file"),
        ("/to-loopback", "cannot be reached"),
        ("/huge", f"more than {4 * MIB} bytes"),
        ("/endless", f"more than {4 * MIB} bytes"),
        ("/missing", "answers 404"),
    ],
)
async def test_file_that_is_not_to_be_had_is_a_400_of_every_dialect(
    scene: Scene, path: str, told: str
) -> None:
    url = scene.url(path)
    with pytest.raises(openai.BadRequestError, match=told) as chat:
        await scene.ask("on-bedrock", image(url))
    assert chat.value.param == "messages[0].content[1].image_url.url"
    with pytest.raises(anthropic.BadRequestError, match=told):
        async with scene.messages as client:
            await client.messages.create(
                model="on-bedrock",
                max_tokens=9,
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "url", "url": url}}],
                    }
                ],
            )
    assert not scene.asked
    assert "127.0.0.2" not in str(chat.value)


async def test_faults_leave_no_file_and_no_memory(scene: Scene) -> None:
    async def fail() -> None:
        for path in ("/huge", "/endless", "/a.svg", "/to-loopback"):
            with pytest.raises(openai.BadRequestError):
                await scene.ask("on-bedrock", image(scene.url(path)))

    for _ in range(5):
        await fail()
    names = {path.name for path in scene.gateway.data.rglob("*")}
    before = scene.gateway.resident_bytes
    for _ in range(10):
        await fail()
    assert {path.name for path in scene.gateway.data.rglob("*")} == names
    assert scene.gateway.resident_bytes - before < 16 * MIB
    assert await scene.ask("on-bedrock", image(scene.url("/a.png")))


async def test_broken_base64_is_a_400_that_names_its_parameter(scene: Scene) -> None:
    with pytest.raises(openai.BadRequestError, match="is not base64") as caught:
        await scene.ask("on-bedrock", image("data:image/png;base64,iVBO*Rw0"))
    assert caught.value.param == "messages[0].content[1].image_url.url"
    assert not scene.asked


async def test_by_default_nothing_is_fetched_from_this_machine_or_its_network(
    scene: Scene, tmp_path: Path
) -> None:
    environment = {"NAGARA_CA_BUNDLE": str(tmp_path / "ca.pem")}
    config = str(tmp_path / "nagara.toml")
    with GatewayProcess(tmp_path / "other", environment, "--config", config) as gateway:
        scene.gateway = gateway
        for url in (
            scene.url("/a.png"),
            f"https://127.0.0.1:{scene.files.port}/a.png",
            f"https://[::ffff:127.0.0.1]:{scene.files.port}/a.png",
            f"https://2130706433:{scene.files.port}/a.png",
            "https://169.254.169.254/latest/meta-data/",
            f"http://localhost:{scene.files.port}/a.png",
            f"https://u:p@localhost:{scene.files.port}/a.png",
        ):
            with pytest.raises(openai.BadRequestError, match="could not be fetched"):
                await scene.ask("on-bedrock", image(url))
    assert not scene.fetched
    assert not scene.files.peers
