"""The hub's own answer as the neutral one, to hold a dialect's decoder without a gateway.

A failure here is the decoder's; one that shows only behind the gateway is the encoder's, or of
what lies between.
"""

import importlib
import random
from typing import Any, Final

from tests.recordings.exchanges import Exchange
from tests.recordings.neutral import Answer, Counts, Reading, failed
from tests.recordings.oracle.json_values import read_arguments

from nagara.dialects.codec import Outbound, StreamDecoder, Target
from nagara.domain.errors import GatewayError
from nagara.domain.events import Response, fold
from nagara.domain.messages import (
    Citation,
    HostedCall,
    Media,
    MediaKind,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, Usage

MODULES: Final = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
    "gemini": "google_gemini",
    "converse": "bedrock_converse",
}
FINISHES: Final = {
    "stop_sequence": "stop",
    "context_window": "length",
    "refusal": "content_filter",
}
EVENT_BYTES_MAX: Final = 16 * 1024 * 1024


def find_codec(wire: str) -> Any:
    """The module of a wire format; it offers `Outbound`."""
    return importlib.import_module(f"nagara.dialects.{MODULES[wire]}")


def decode(codec: Outbound, exchange: Exchange, draw: random.Random) -> Answer:
    """A recorded answer by way of the codec; a stream arrives in pieces of random length."""
    target = Target(provider="P", model="m", maker="p", abilities=codec.ABILITIES)
    try:
        if not exchange.is_stream:
            return read_response(codec.decode_response(exchange.body, target))
        return decode_stream(codec.decode_stream(EVENT_BYTES_MAX, target), exchange.body, draw)
    except GatewayError as error:
        return failed(None, error.message)


def decode_stream(decoder: StreamDecoder, body: bytes, draw: random.Random) -> Answer:
    """What a stream's events fold to."""
    events: list[Any] = []
    while body and not decoder.is_ended:
        length = draw.choice((1, 7, 60, 1000, 100_000))
        events += decoder.feed(body[:length])
        body = body[length:]
    if decoder.failure is not None:
        raise decoder.failure
    if not decoder.is_ended:
        events += decoder.close()
    return read_response(fold(events))


def read_response(response: Response) -> Answer:
    """The first choice of a canonical answer."""
    choice = response.choices[0]
    reading = Reading()
    for part in choice.parts:
        read_part(part, reading)
    finish = choice.finish.value if choice.finish else ""
    return reading.answer(FINISHES.get(finish, finish), read_usage(response.usage))


def read_part(part: Part, reading: Reading) -> None:
    """One part."""
    match part:
        case Text(text=text, citations=citations):
            reading.add_text(text)
            add_citations(citations, reading)
        case Reasoning(text=text):
            reading.add_reasoning(text)
        case ToolCall(name=name, arguments=arguments, namespace=namespace):
            reading.add_call(name, read_arguments(arguments), namespace or "")
        case HostedCall(name=name):
            reading.server_tools.append(name)
        case Media(kind=MediaKind.IMAGE):
            reading.server_tools.append("image_generation")
        case Refusal(text=text):
            reading.refusal += text
        case _:
            pass


def add_citations(citations: tuple[Citation, ...], reading: Reading) -> None:
    """Those of pages on the web."""
    for citation in citations:
        reading.add_citation(citation.url, citation.title)


def read_usage(usage: Usage | None) -> Counts | None:
    """The meters as counts that overlap."""
    if usage is None:
        return None

    def count(*meters: Meter) -> int:
        return sum(usage.quantities.get(meter, 0) for meter in meters)

    return Counts(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cached_tokens,
        cache_write=count(Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H),
        reasoning=count(Meter.REASONING),
        input_audio=count(Meter.INPUT_AUDIO),
        output_audio=count(Meter.OUTPUT_AUDIO),
        input_image=count(Meter.INPUT_IMAGE),
        output_image=count(Meter.OUTPUT_IMAGE),
    )
