"""Speech without a voice: tones that say the text, in a file of the kind that was asked for.

The same text gives the same bytes. `voice`, `speed` and `instructions` are checked and change
nothing, so that the sandbox's transcriber can always give the text back.
The API is https://platform.openai.com/docs/api-reference/audio/createSpeech.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.modem import RATE, measure_ms, speak
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.script import (
    Answered,
    Script,
    encode_event,
    encode_headers,
    make_stream_script,
)
from nagara.sandbox.sound_files import NoCodecsError, encode, has_codecs
from nagara.sandbox.text import count_tokens

INPUT_CHARACTERS_MAX: Final = 4_096
"""OpenAI's own limit."""
SPEED_LEAST: Final = 0.25
SPEED_MOST: Final = 4.0
TOKENS_PER_S: Final = 21
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
NEEDS_MEDIA: Final = (
    "this format needs the extra 'media' of Nagara (pip install 'nagara[media]'); "
    "wav and pcm need nothing"
)


def answer_speech(body: Field, _model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for speech. Raises `BadRequest`."""
    text = read_input(body["input"])
    check_voice(body["voice"])
    body["speed"].check_number(SPEED_LEAST, SPEED_MOST)
    if not body["instructions"].is_absent:
        body["instructions"].read_text()
    pieces = encode_speech(text, body["response_format"])
    audio_format = read_format(body["response_format"])
    stream_format = body["stream_format"]
    headers = [("x-request-id", ids.make("req_"))]
    if not stream_format.is_absent and stream_format.read_choice(("audio", "sse")) == "sse":
        tokens = count_tokens(text), -(-measure_ms(text) * TOKENS_PER_S // 1000)
        script = make_stream_script(make_events(pieces, *tokens), headers)
    else:
        head = [("content-type", MEDIA_TYPES[audio_format]), *headers]
        script = Script(200, encode_headers(head), tuple(pieces))
    return Answered(script, text)


def read_input(field: Field) -> str:
    """The text. Raises `BadRequest`."""
    text = field.read_text()
    if not text:
        raise field.refuse("input cannot be an empty string")
    if len(text) > INPUT_CHARACTERS_MAX:
        raise field.refuse(f"string too long. Expected at most {INPUT_CHARACTERS_MAX} characters")
    return text


def check_voice(field: Field) -> None:
    """Refuse what is no voice; any name is one."""
    if isinstance(field.value, dict):
        field["id"].read_text()
    elif not field.read_text():
        raise field.refuse("voice cannot be an empty string")


def read_format(field: Field) -> str:
    """The format that was asked for, or else MP3, or WAV where only that can be made."""
    if field.is_absent:
        return "mp3" if has_codecs() else "wav"
    return field.read_choice(tuple(MEDIA_TYPES))


def encode_speech(text: str, field: Field) -> Iterator[bytes]:
    """The file in pieces. Raises `BadRequest` for a format that cannot be made here."""
    samples = measure_ms(text) * RATE // 1000
    try:
        return encode(speak(text), samples, read_format(field), RATE)
    except NoCodecsError:
        raise field.fail(Problem.OTHER, NEEDS_MEDIA) from None


def make_events(pieces: Iterable[bytes], input_tokens: int, output_tokens: int) -> Iterator[bytes]:
    """The file as events, and the usage."""
    for piece in pieces:
        audio = base64.b64encode(piece).decode("ascii")
        yield encode_event({"type": "speech.audio.delta", "audio": audio})
    usage = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
    yield encode_event({"type": "speech.audio.done", "usage": usage})
