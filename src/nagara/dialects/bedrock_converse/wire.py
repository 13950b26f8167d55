"""Converse's answers as they come over the wire, and how JSON becomes them.

An answer is one object; a stream is a run of events, each of its own kind. What is only carried
stays raw. A blob (an image, redacted reasoning) is base64 here, as everywhere in AWS's
JSON.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import json
from typing import TypeVar

import msgspec

from nagara.dialects.base import NOTHING, malformed_answer
from nagara.dialects.json_fields import decode_untyped

NAME = "bedrock_converse"


class Wire(msgspec.Struct, rename="camel", gc=False):
    """What every object of the wire has in common: its fields' names have humps."""


class ReasoningText(Wire):
    """What the model thought, and its maker's proof of that."""

    text: str = ""
    signature: str | None = None


class ReasoningContent(Wire):
    """Reasoning, whole: shown, or encrypted."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class ToolUse(Wire):
    """A call. `type` of `server_tool_use` says that Bedrock runs it itself."""

    tool_use_id: str = ""
    name: str = ""
    input: msgspec.Raw = NOTHING
    type: str | None = None


class ToolResultBlock(Wire):
    """What came of a call that Bedrock ran itself; `type` names the tool."""

    tool_use_id: str = ""
    content: list[msgspec.Raw] = []
    status: str | None = None
    type: str | None = None


class ToolResultContent(Wire):
    """One piece of a result."""

    text: str | None = None
    json: msgspec.Raw = NOTHING


class Source(Wire):
    """Where the bytes of a piece of media are."""

    bytes: str | None = None


class MediaBlock(Wire):
    """An image or a sound that the model made."""

    format: str = ""
    source: Source | None = None


class WebLocation(Wire):
    """A page of the web."""

    url: str | None = None
    domain: str | None = None


class Span(Wire):
    """A stretch of a document, or of a search result, in whatever its place is counted in."""

    document_index: int | None = None
    search_result_index: int | None = None
    start: int | None = None
    end: int | None = None


class CitationLocation(Wire):
    """Where a citation points to: one of these."""

    web: WebLocation | None = None
    document_char: Span | None = None
    document_page: Span | None = None
    document_chunk: Span | None = None
    search_result_location: Span | None = None


class CitedText(Wire):
    """A piece of the text that is cited."""

    text: str = ""


class WireCitation(Wire):
    """A citation, whole or in a stream."""

    title: str | None = None
    source: str | None = None
    source_content: list[CitedText] = []
    location: CitationLocation | None = None


class CitationsContent(Wire):
    """A text and its citations."""

    content: list[CitedText] = []
    citations: list[WireCitation] = []


class ContentBlock(Wire):
    """One block of an answer: exactly one of these, or one that is not read here."""

    text: str | None = None
    reasoning_content: ReasoningContent | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResultBlock | None = None
    citations_content: CitationsContent | None = None
    image: MediaBlock | None = None
    audio: MediaBlock | None = None


class WireMessage(Wire):
    """The model's turn."""

    content: list[msgspec.Raw] | None = None


class Output(Wire):
    """What came out."""

    message: WireMessage | None = None


class CacheDetail(Wire):
    """Tokens that were written to the cache, by how long it keeps them."""

    ttl: str = ""
    input_tokens: int = 0


class TokenUsage(Wire):
    """Counts of tokens. `input_tokens` leaves out what was read from and written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


class ServiceTier(Wire):
    """The tier that served the request."""

    type: str | None = None


class AdditionalFields(msgspec.Struct, gc=False):
    """The one field of the model's own answer that is asked for."""

    stop_sequence: str | None = None


class Answer(Wire):
    """A whole answer."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: msgspec.Raw = NOTHING


class BlockStart(Wire):
    """The beginning of a block that is not text."""

    tool_use: ToolUse | None = None
    tool_result: ToolResultBlock | None = None
    image: MediaBlock | None = None


class ContentBlockStart(Wire):
    """A block begins. Texts and reasoning begin without this."""

    content_block_index: int = 0
    start: BlockStart | None = None


class ReasoningDelta(Wire):
    """More reasoning: a piece of its text, its signature, or what is encrypted."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolUseDelta(Wire):
    """More of a call's input, as a piece of JSON text."""

    input: str = ""


class BlockDelta(Wire):
    """More of a block: exactly one of these."""

    text: str | None = None
    tool_use: ToolUseDelta | None = None
    tool_result: list[msgspec.Raw] | None = None
    reasoning_content: ReasoningDelta | None = None
    citation: WireCitation | None = None
    image: MediaBlock | None = None


class ContentBlockDelta(Wire):
    """More of the block of that index."""

    content_block_index: int = 0
    delta: BlockDelta | None = None


class ContentBlockStop(Wire):
    """The block of that index is whole."""

    content_block_index: int = 0


class MessageStop(Wire):
    """The model's turn is over; only `metadata` follows."""

    stop_reason: str | None = None
    additional_model_response_fields: msgspec.Raw = NOTHING


class Metadata(Wire):
    """What the answer took. The last event."""

    usage: TokenUsage | None = None
    service_tier: ServiceTier | None = None


T = TypeVar("T", bound=msgspec.Struct)


def decode_wire(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """JSON by this decoder. Raises `GatewayError` (UPSTREAM_PROTOCOL) for what cannot be read."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # Half a surrogate pair is JSON, but no text: it is read the slow way, and replaced.
        value = json.dumps(decode_untyped(bytes(data)), ensure_ascii=False)
        return decoder.decode(value.encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise malformed_answer() from error
