"""The shapes of Chat Completions answers on the wire, whole and in chunks, at every provider.

A whole answer's `message` and a chunk's `delta` have the same fields here, because one reader takes
both. Fields that only some servers have say which. What no field names is not read.

Sources: https://platform.openai.com/docs/api-reference/chat/object
https://openrouter.ai/docs/use-cases/reasoning-tokens https://docs.mistral.ai/api
"""

import json
from typing import Any, TypeVar

import msgspec

from nagara.dialects.base import NOTHING, malformed_answer
from nagara.dialects.json_fields import decode_untyped

Shape = TypeVar("Shape")


class FunctionWire(msgspec.Struct, gc=False):
    """`function` of a call. Arguments are JSON text; some local servers send the object itself."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CustomWire(msgspec.Struct, gc=False):
    """`custom` of a call to a tool that takes free text."""

    name: str | None = None
    input: str | None = None


class GoogleExtra(msgspec.Struct, gc=False):
    """What Gemini's compatible endpoint adds to a call.

    https://ai.google.dev/gemini-api/docs/thought-signatures
    """

    thought_signature: str | None = None


class ExtraContent(msgspec.Struct, gc=False):
    """`extra_content` of a call: what Gemini's models add to it."""

    google: GoogleExtra | None = None


class CallWire(msgspec.Struct, gc=False):
    """A tool call, or in a chunk a piece of one: pieces belong together by `index`."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionWire | None = None
    custom: CustomWire | None = None
    extra_content: ExtraContent | None = None


class UrlCitation(msgspec.Struct, omit_defaults=True, gc=False):
    """Where a page is cited: characters of the text. OpenRouter adds the page's `content`."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    content: str | None = None


class AnnotationWire(msgspec.Struct, gc=False):
    """One of `annotations`."""

    type: str | None = None
    url_citation: UrlCitation | None = None


class UrlWire(msgspec.Struct, gc=False):
    """An address, which may be a `data:` URL."""

    url: str


class ImageWire(msgspec.Struct, gc=False):
    """One of OpenRouter's `images`, which the model made."""

    image_url: UrlWire | None = None


class AudioWire(msgspec.Struct, gc=False):
    """`audio`: base64 data and what it says, in a stream piece by piece."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class DetailWire(msgspec.Struct, omit_defaults=True, gc=False):
    """One of OpenRouter's `reasoning_details`, which are also ours.

    `text` belongs to `reasoning.text`, `summary` to `reasoning.summary`, `data` to
    `reasoning.encrypted`; `signature` may come with a text, or after it.
    """

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class ThoughtWire(msgspec.Struct, gc=False):
    """A piece of Mistral's `thinking`."""

    text: str | None = None


class PieceWire(msgspec.Struct, gc=False):
    """A piece of Mistral's `content` where that is a list: text, thinking, an image, or others."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[ThoughtWire] | None = None
    image_url: str | UrlWire | None = None


class MessageWire(msgspec.Struct, gc=False):
    """`message` or `delta`."""

    content: str | list[msgspec.Raw] | None = None
    tool_calls: list[CallWire] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[DetailWire] | None = None
    refusal: str | None = None
    function_call: FunctionWire | None = None
    annotations: list[AnnotationWire] | None = None
    audio: AudioWire | None = None
    images: list[ImageWire] | None = None
    executed_tools: list[msgspec.Raw] | None = None


class LogprobWire(msgspec.Struct, gc=False):
    """A token and its likelihood."""

    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None
    top_logprobs: list["LogprobWire"] | None = None


class LogprobsWire(msgspec.Struct, gc=False):
    """`logprobs` of a choice."""

    content: list[LogprobWire] | None = None
    refusal: list[LogprobWire] | None = None


class ChoiceWire(msgspec.Struct, gc=False):
    """One choice. `stop_reason` is vLLM's: the stop sequence that was met, or a token's number."""

    index: int | None = None
    delta: MessageWire | None = None
    message: MessageWire | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: LogprobsWire | None = None
    error: msgspec.Raw = NOTHING


class FoundWire(msgspec.Struct, gc=False):
    """One of Perplexity's `search_results`."""

    url: str | None = None
    title: str | None = None


class GroqWire(msgspec.Struct, gc=False):
    """`x_groq` of the last chunk: what Groq says of usage, asked or not.

    Source: https://console.groq.com/docs/api-reference#chat-create
    """

    usage: msgspec.Raw = NOTHING


class AnswerWire(msgspec.Struct, gc=False):
    """A whole answer or a chunk. `citations` and `search_results` are Perplexity's.

    `usage` stays raw, because one that cannot be read must not cost the answer.
    """

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[ChoiceWire] | None = None
    usage: msgspec.Raw = NOTHING
    service_tier: str | None = None
    error: msgspec.Raw = NOTHING
    citations: list[str] | None = None
    search_results: list[FoundWire] | None = None
    x_groq: GroqWire | None = None


def mend_surrogates(data: bytes) -> bytes:
    r"""The JSON text with halves of surrogate pairs (`"\ud83d"`) replaced by U+FFFD.

    Raises `ValueError` for what is not JSON, however leniently read.
    """
    text = json.dumps(decode_untyped(data), ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def decode_wire(data: bytes, decoder: msgspec.json.Decoder[Shape]) -> Shape:
    """A provider's JSON as its shape. Raises `GatewayError` (UPSTREAM_PROTOCOL)."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        # Half a character, in JSON's escapes or in UTF-8: a server cut its text inside one.
        pass
    try:
        return decoder.decode(mend_surrogates(data.decode(errors="replace").encode()))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise malformed_answer() from error
