"""Speech, transcripts, judgements and rankings from an upstream that none of us wrote."""

import base64
import struct
from collections.abc import Iterator

import openai
import pytest
import requests

from nagara.sandbox.sound_files import make_wav_header
from tests.system.aimock import AimockProcess
from tests.system.gateway import GatewayProcess

HEARD = "The upstream heard this."
FILE = ("a.wav", make_wav_header(24_000, 24_000) + bytes(48_000))
SPOKEN = base64.b64decode("AAEAAQABAAEAAQABAAEAAQABAAEAAQABAAEAAQABAAEAAQABAAEAAQABAAEAAQAB")
WAV_HEADER_BYTES = 44


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    with AimockProcess() as process:
        yield process


@pytest.fixture(scope="module")
def gateway(
    aimock: AimockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    environment = {
        **aimock.environment,
        "GEMINI_API_KEY": aimock.credential,
        "GEMINI_BASE_URL": f"{aimock.url}/v1beta",
        "COHERE_API_KEY": aimock.credential,
        "COHERE_BASE_URL": f"{aimock.url}/compatibility/v1",
    }
    with GatewayProcess(tmp_path_factory.mktemp("data"), environment) as process:
        yield process


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=30
    ) as client:
        yield client


def test_transcript_is_streamed_as_the_upstream_makes_it(client: openai.OpenAI) -> None:
    events = list(
        client.audio.transcriptions.create(model="gpt-4o-transcribe", file=FILE, stream=True)
    )
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == HEARD
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == HEARD


def test_transcript_comes_at_length(client: openai.OpenAI) -> None:
    heard = client.audio.transcriptions.create(
        model="whisper-1", file=FILE, response_format="verbose_json"
    )
    assert (heard.text, heard.language) == (HEARD, "english")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_translation_comes_from_the_upstream(client: openai.OpenAI, aimock: AimockProcess) -> None:
    heard = client.audio.translations.create(model="whisper-1", file=FILE)
    assert heard.text == "The upstream put this into English."
    assert aimock.read_journal()[-1]["path"] == "/v1/audio/translations"


@pytest.mark.parametrize("model", ["gemini-2.5-flash-preview-tts", "gemini-3.8-flash-tts"])
def test_gemini_speaks_whether_it_streams_or_not(
    client: openai.OpenAI, aimock: AimockProcess, model: str
) -> None:
    speech = client.audio.speech.with_raw_response.create(
        model=model, voice="Kore", input="Gemini, speak up"
    )
    assert speech.headers["x-nagara-provider"] == "google"
    assert speech.headers["content-type"] == "audio/wav"
    assert speech.content[:4] == b"RIFF"
    assert struct.unpack("<I", speech.content[24:28]) == (24_000,)
    assert speech.content[WAV_HEADER_BYTES:] == SPOKEN
    assert ("streamGenerateContent" in aimock.read_journal()[-1]["path"]) is ("3.8" in model)


def test_gemini_hears(client: openai.OpenAI, aimock: AimockProcess) -> None:
    heard = client.audio.transcriptions.create(model="gemini-2.5-flash", file=FILE)
    assert heard.text == "Gemini heard this."
    entry = aimock.read_journal()[-1]
    assert entry["path"].startswith("/v1beta/models/gemini-2.5-flash:generateContent")


def test_gemini_streams_what_it_hears(client: openai.OpenAI) -> None:
    events = list(
        client.audio.transcriptions.create(model="gemini-2.5-flash", file=FILE, stream=True)
    )
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "Gemini heard this."


def test_judgement_comes_from_the_upstream(client: openai.OpenAI) -> None:
    judged = client.moderations.create(model="omni-moderation-latest", input="harm somebody")
    assert judged.results[0].flagged
    assert judged.results[0].category_scores.violence == 0.97
    harmless = client.moderations.create(model="omni-moderation-latest", input="a cat")
    assert not harmless.results[0].flagged


def test_ranking_comes_from_the_upstream(gateway: GatewayProcess) -> None:
    answer = requests.post(
        f"{gateway.url}/v1/rerank",
        headers={"authorization": f"Bearer {gateway.key}"},
        json={"model": "rerank-v3.5", "query": "the best", "documents": ["a", "b", "c"]},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    assert [(x["index"], x["relevance_score"]) for x in answer.json()["results"]] == [
        (2, 0.9),
        (0, 0.2),
    ]
