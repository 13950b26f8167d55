"""Who speaks and who listens, each in the format of its address, as its own pages say it."""

import base64
import json
import struct
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from typing import Any, Final

import msgspec

HEARD: Final = "It is heard."
SECONDS: Final = 2
SAMPLES: Final = bytes(range(200)) * 240
"""A second of samples, or of what may pass for any other audio."""
TTS_TOKENS: Final = {"promptTokenCount": 3, "candidatesTokenCount": 25}
EAR_TOKENS: Final = {
    "promptTokenCount": 70,
    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 64}],
    "candidatesTokenCount": 4,
}


class Sound(msgspec.Struct, frozen=True):
    """An answer: its type, and the pieces in which it comes."""

    media_type: str
    pieces: tuple[bytes, ...]


def make_wav(seconds: int = SECONDS) -> bytes:
    """A file that can be decoded, of silence."""
    rate = 8_000
    size = seconds * rate * 2
    shape = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16)
    return head + shape + b"data" + struct.pack("<I", size) + bytes(size)


def read_form(content_type: str, body: bytes) -> dict[str, list[bytes]]:
    """The parts of a form by name, read by the standard library."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    message: Message = BytesParser().parsebytes(head + body)
    found: dict[str, list[bytes]] = {}
    for part in message.get_payload():
        assert isinstance(part, Message)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.setdefault(str(name), []).append(content)
    return found


def answer_sound(path: str, headers: Mapping[str, str], body: bytes) -> Sound | None:
    """An answer to what is asked for sound; None for anything else."""
    path = path.partition("?")[0]
    if path.endswith("/audio/speech") or "/text-to-speech/" in path:
        return Sound("application/octet-stream", (SAMPLES[:1_000], SAMPLES[1_000:]))
    content_type = headers.get("content-type", "")
    is_heard = "/audio/" in path or path.endswith("/speech-to-text")
    if content_type.startswith("multipart/") and is_heard:
        return _hear(path, read_form(content_type, body))
    if b"generationConfig" in body and b"speechConfig" in body:
        return _speak_as_google(path)
    if b'"inlineData":{"mimeType":"audio/' in body:
        return _hear_as_google(path, body)
    return None


def _hear(path: str, form: Mapping[str, list[bytes]]) -> Sound:
    assert form["file"] == [make_wav()]
    if path.endswith("/speech-to-text"):
        space = {"text": " ", "type": "spacing", "start": 0, "end": 0, "logprob": 0}
        words = [space] * 5
        words[::2] = [
            {"text": text, "type": "word", "start": n, "end": n + 0.5, "logprob": 0}
            for n, text in enumerate(HEARD.split())
        ]
        return _json({"text": HEARD, "words": words, "audio_duration_secs": SECONDS})
    if path.startswith("/mistral/"):
        segments = [{"text": HEARD, "start": 0, "end": 1}]
        usage = {"prompt_audio_seconds": SECONDS}
        answer = {"text": HEARD, "language": "en", "segments": segments, "usage": usage}
        if form.get("stream") == [b"true"]:
            delta = {"type": "transcription.text.delta", "text": HEARD}
            return _events(delta, {**answer, "type": "transcription.done"})
        return _json(answer)
    wanted = form.get("response_format", [b"json"])[0].decode()
    if wanted == "srt":
        return Sound("text/plain", (b"1\n00:00:00,000 --> 00:00:01,000\n" + HEARD.encode(),))
    if form.get("stream") == [b"true"]:
        delta = {"type": "transcript.text.delta", "delta": HEARD}
        return _events(delta, {"type": "transcript.text.done", "text": HEARD})
    segments = [{"id": 0, "text": HEARD, "start": 0, "end": 1}]
    more = {"segments": segments, "duration": SECONDS} if wanted == "verbose_json" else {}
    return _json({"text": HEARD, **more})


def _speak_as_google(path: str) -> Sound:
    audio = base64.b64encode(SAMPLES).decode()
    blob = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": audio}
    answer = {
        "candidates": [{"content": {"parts": [{"inlineData": blob}]}, "finishReason": "STOP"}],
        "usageMetadata": TTS_TOKENS,
    }
    return _events(answer) if "streamGenerateContent" in path else _json(answer)


def _hear_as_google(path: str, body: bytes) -> Sound:
    parts = json.loads(body)["contents"][0]["parts"]
    assert base64.b64decode(parts[-1]["inlineData"]["data"]) == make_wav()
    words = [{"word": HEARD, "startOffset": "0s", "endOffset": "1s"}]
    part = {"audioTranscription": {"text": HEARD, "words": words}}
    answer = {
        "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": EAR_TOKENS,
    }
    return _events(answer) if "streamGenerateContent" in path else _json(answer)


def _json(value: Any) -> Sound:
    return Sound("application/json", (json.dumps(value).encode(),))


def _events(*values: Any) -> Sound:
    pieces = tuple(f"data: {json.dumps(value)}\n\n".encode() for value in values)
    return Sound("text/event-stream", pieces)
