"""The shapes of Chat Completions requests on the wire, OpenAI's and other servers'.

Fields are typed as the API types them, so that a wrong one is found, and named, where it stands.
Fields that no shape names are kept raw as extras: the `*_FIELDS` say which those are not.

Sources: https://platform.openai.com/docs/api-reference/chat/create
https://openrouter.ai/docs/api-reference/parameters https://docs.mistral.ai/api
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from nagara.dialects.base import NOTHING
from nagara.dialects.openai_chat.wire import (
    AnnotationWire,
    DetailWire,
    ExtraContent,
    ImageWire,
    ThoughtWire,
    UrlWire,
)
from nagara.domain.errors import ErrorKind, GatewayError

Shape = TypeVar("Shape")


class CacheWire(msgspec.Struct, gc=False):
    """`cache_control`, or `prompt_cache_breakpoint`."""

    ttl: str | None = None


class ImageUrlWire(msgspec.Struct, gc=False):
    """`image_url` of a part."""

    url: str
    detail: str | None = None


class InputAudioWire(msgspec.Struct, gc=False):
    """`input_audio` of a part."""

    data: str
    format: str = "wav"


class FileWire(msgspec.Struct, gc=False):
    """`file` of a part. OpenRouter takes an address as `file_data` too."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class PartWire(msgspec.Struct, gc=False):
    """One of the parts of a message's content."""

    type: str
    text: str | None = None
    image_url: ImageUrlWire | str | None = None
    input_audio: InputAudioWire | None = None
    file: FileWire | None = None
    video_url: UrlWire | str | None = None
    audio_url: UrlWire | str | None = None
    document_url: str | None = None
    document_name: str | None = None
    refusal: str | None = None
    thinking: str | list[ThoughtWire] | None = None
    cache_control: CacheWire | None = None
    prompt_cache_breakpoint: CacheWire | None = None


CACHE_FIELDS = frozenset({"cache_control", "prompt_cache_breakpoint"})
PART_FIELDS: Mapping[str, frozenset[str]] = {
    "text": CACHE_FIELDS | {"type", "text"},
    "image_url": CACHE_FIELDS | {"type", "image_url"},
    "input_audio": CACHE_FIELDS | {"type", "input_audio"},
    "file": CACHE_FIELDS | {"type", "file"},
    "video_url": CACHE_FIELDS | {"type", "video_url"},
    "audio_url": CACHE_FIELDS | {"type", "audio_url"},
    "document_url": CACHE_FIELDS | {"type", "document_url", "document_name"},
    "refusal": CACHE_FIELDS | {"type", "refusal"},
    "thinking": CACHE_FIELDS | {"type", "thinking"},
}
"""The types of part that are read, and the fields of each."""


class CalledWire(msgspec.Struct, gc=False):
    """`function` of an earlier call."""

    name: str
    arguments: str = ""


class CalledCustomWire(msgspec.Struct, gc=False):
    """`custom` of an earlier call."""

    name: str
    input: str = ""


class EarlierCallWire(msgspec.Struct, gc=False):
    """One of an assistant message's `tool_calls`."""

    id: str = ""
    type: str | None = None
    function: CalledWire | None = None
    custom: CalledCustomWire | None = None
    extra_content: ExtraContent | None = None


class AudioIdWire(msgspec.Struct, gc=False):
    """`audio` of an assistant message: an answer that the provider keeps."""

    id: str


class MessageInWire(msgspec.Struct, gc=False):
    """One message of any role."""

    role: str
    content: str | list[msgspec.Raw] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    function_call: CalledWire | None = None
    refusal: str | None = None
    audio: AudioIdWire | None = None
    annotations: list[AnnotationWire] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[DetailWire] | None = None
    executed_tools: list[msgspec.Raw] | None = None
    images: list[ImageWire] | None = None


_SPOKEN = frozenset({"role", "content", "name"})
MESSAGE_FIELDS: Mapping[str, frozenset[str]] = {
    "system": _SPOKEN,
    "developer": _SPOKEN,
    "user": _SPOKEN,
    "tool": _SPOKEN | {"tool_call_id"},
    "function": _SPOKEN,
    "assistant": frozenset(MessageInWire.__struct_fields__) - {"tool_call_id"},
}
"""The roles, and the fields that a message of each may have."""


class FunctionToolWire(msgspec.Struct, gc=False):
    """`function` of a tool, and one of the deprecated `functions`."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    strict: bool | None = None


class CustomToolWire(msgspec.Struct, gc=False):
    """`custom` of a tool."""

    name: str
    description: str | None = None
    format: msgspec.Raw = NOTHING


class ToolWire(msgspec.Struct, gc=False):
    """One of `tools`. Mistral's clients leave the type out."""

    type: str = "function"
    function: FunctionToolWire | None = None
    custom: CustomToolWire | None = None
    cache_control: CacheWire | None = None


class NamedWire(msgspec.Struct, gc=False):
    """Something that has a name."""

    name: str


class AllowedToolWire(msgspec.Struct, gc=False):
    """One of the tools of an `allowed_tools` choice."""

    function: NamedWire | None = None
    custom: NamedWire | None = None
    name: str | None = None


class AllowedToolsWire(msgspec.Struct, gc=False):
    """`allowed_tools` of a choice."""

    tools: list[AllowedToolWire]
    mode: str = "auto"


class ToolChoiceWire(msgspec.Struct, gc=False):
    """`tool_choice` where it is an object."""

    type: str = "function"
    function: NamedWire | None = None
    custom: NamedWire | None = None
    allowed_tools: AllowedToolsWire | None = None


class SchemaWire(msgspec.Struct, gc=False):
    """`json_schema` of a response format."""

    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = NOTHING
    strict: bool | None = None


class ResponseFormatWire(msgspec.Struct, gc=False):
    """`response_format`. Together and Fireworks take a schema beside `json_object`."""

    type: str
    json_schema: SchemaWire | None = None
    schema: msgspec.Raw = NOTHING


class ReasoningWire(msgspec.Struct, gc=False):
    """OpenRouter's `reasoning`."""

    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class ThinkingWire(msgspec.Struct, gc=False):
    """`thinking` of DeepSeek, Z.AI and Moonshot."""

    type: str
    budget_tokens: int | None = None


class RequestWire(msgspec.Struct, gc=False):
    """A whole request, but for what is read by itself (`model`, `stream`, `n`, caps)."""

    messages: list[msgspec.Raw]
    tools: list[msgspec.Raw] | None = None
    functions: list[FunctionToolWire] | None = None
    tool_choice: ToolChoiceWire | str | None = None
    function_call: NamedWire | str | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    random_seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormatWire | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningWire | None = None
    thinking: ThinkingWire | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    cache_control: CacheWire | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None


REQUEST_FIELDS = frozenset(RequestWire.__struct_fields__) | {
    "model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens",
    "web_search_options",
}  # fmt: skip


def wrong_value(path: str, what: str) -> GatewayError:
    """The error of a field of the request, which `path` names, such as `messages[2].role`."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"{path!r}: {what}", param=path)


def decode_at(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[Shape], path: str) -> Shape:
    """The value at `path`. Raises `GatewayError` that names what in it has a wrong type.

    Raises `msgspec.DecodeError` for text that strict JSON does not know (half a surrogate pair).
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = (path + where.removesuffix("`")).removeprefix(".")
        raise wrong_value(place, f"{what}.") from error
