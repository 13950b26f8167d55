"""The endpoints that listen: a form with an audio file in, text out.

The form comes as JSON in which its fields are text and its file is described (`nagara.media`), and
what is written for the provider is the fields alone: the file is added where it is sent. Providers
that do not speak OpenAI's format are in `nagara.dialects.transcripts`.

Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

import math
from typing import Final

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import OpenSound
from nagara.dialects.json_fields import encode_raw, read_fields, write_fields
from nagara.dialects.measuring import count_bytes
from nagara.dialects.openai_error import encode_error
from nagara.dialects.openai_transcript import forward_stream, read_usage
from nagara.dialects.raw_stream import RawStream
from nagara.dialects.request_fields import read_model, wrong_field
from nagara.dialects.transcripts import (
    FORMATS,
    JSON,
    PLAIN_TEXT,
    open_transcript,
    open_translation,
    read_flag,
)
from nagara.dialects.transcripts.request import FILE, read_file
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand, Sound
from nagara.domain.usage import Meter, Usage
from nagara.operations.endpoint import Endpoint

METERS: Final = frozenset({Meter.AUDIO_MS, Meter.INPUT, Meter.INPUT_AUDIO, Meter.OUTPUT})

_text_decoder = msgspec.json.Decoder(str)


def read_request(body: bytes) -> RequestView:
    """The view of a described form. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    texts = {
        name: _text_decoder.decode(fields[name])
        for name in ("response_format", "temperature", "stream")
        if name in fields
    }
    if texts.get("response_format", FORMATS[0]) not in FORMATS:
        raise wrong_field("response_format", f"must be one of {', '.join(FORMATS)}.")
    if not _is_number(texts.get("temperature", "0")):
        raise wrong_field("temperature", "must be a number.")
    stream = texts.get("stream", "false")
    is_streamed = read_flag(stream)
    if is_streamed is None:
        raise wrong_field("stream", "must be true or false.")
    return RequestView(fields=fields, model=model, is_streamed=is_streamed)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - it comes or not
    """The fields for the provider, with the deployment's model."""
    texts = {name: raw for name, raw in view.fields.items() if name != FILE}
    return write_fields(texts | {"model": encode_raw(model)})


def measure(view: RequestView) -> Demand:
    """How much is to be heard."""
    ms = read_file(view.fields).ms
    return Demand(
        text_bytes=count_bytes({n: raw for n, raw in view.fields.items() if n != FILE}),
        has_media_input=True,
        sound=Sound(heard_ms=ms),
    )


def choose_media_type(view: RequestView, said: bytes) -> bytes:
    """The provider's own type of an answer, and else that of the format."""
    if said:
        return said
    raw = view.fields.get("response_format")
    return PLAIN_TEXT if raw is not None and b"json" not in bytes(raw) else JSON


class _NoGauge:
    """What came in place of events is not looked into."""

    usage: Usage | None = None

    def feed(self, data: bytes) -> None:
        """Nothing to do."""


def forward_bytes(view: RequestView) -> RawStream:  # noqa: ARG001 - the endpoints' signature
    """The stream of a provider that does not stream: models that only give a whole answer."""
    return RawStream(_NoGauge())


def _make_endpoint(operation: Operation, path: str, open_sound: OpenSound) -> Endpoint:
    return Endpoint(
        operation=operation,
        path=path,
        meters=METERS,
        read_request=read_request,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure,
        open_sound=open_sound,
        forward_stream=forward_stream,
        forward_bytes=forward_bytes,
        choose_media_type=choose_media_type,
        file_field=FILE,
    )


TRANSCRIPT_ENDPOINTS = (
    _make_endpoint(Operation.TRANSCRIPTIONS, "/v1/audio/transcriptions", open_transcript),
    _make_endpoint(Operation.TRANSLATIONS, "/v1/audio/translations", open_translation),
)
