"""Gemini's wire format, as far as it is read, and how JSON comes in and goes out here.

Google's API takes names in camelCase and in snake_case alike; answers have camelCase. So a request
is first brought to camelCase (`camelise`), which leaves alone what is the caller's own JSON: the
arguments and results of tools, and schemas. What is only carried stays `msgspec.Raw`.

https://ai.google.dev/api/generate-content and https://ai.google.dev/api/caching#Part
"""

import json
import re
from typing import Any, TypeVar

import msgspec

from nagara.dialects.base import NOTHING
from nagara.dialects.json_fields import decode_untyped

NAME = "google_gemini"

Wire = TypeVar("Wire")


class BlobWire(msgspec.Struct, rename="camel", gc=False):
    """`inlineData`: base64."""

    data: str = ""
    mime_type: str | None = None
    display_name: str | None = None


class FileWire(msgspec.Struct, rename="camel", gc=False):
    """`fileData`: an address, of the web or of Google's own storage."""

    file_uri: str = ""
    mime_type: str | None = None
    display_name: str | None = None


class CallWire(msgspec.Struct, rename="camel", gc=False):
    """`functionCall`, `toolCall`: `args` is a JSON object."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = NOTHING
    tool_type: str | None = None


class ResultWire(msgspec.Struct, rename="camel", gc=False):
    """`functionResponse`, `toolResponse`: `response` is a JSON object."""

    name: str = ""
    id: str | None = None
    response: msgspec.Raw = NOTHING
    parts: list[msgspec.Raw] | None = None
    tool_type: str | None = None


class CodeWire(msgspec.Struct, rename="camel", gc=False):
    """`executableCode` and `codeExecutionResult`."""

    id: str | None = None
    language: str | None = None
    code: str | None = None
    outcome: str | None = None
    output: str | None = None


class PartWire(msgspec.Struct, rename="camel", gc=False):
    """One part: exactly one of its kinds, and what may stand beside it."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: BlobWire | None = None
    file_data: FileWire | None = None
    function_call: CallWire | None = None
    function_response: ResultWire | None = None
    executable_code: CodeWire | None = None
    code_execution_result: CodeWire | None = None
    tool_call: CallWire | None = None
    tool_response: ResultWire | None = None


class ContentWire(msgspec.Struct, rename="camel", gc=False):
    """One turn, or the system instruction. Its parts are read one by one."""

    parts: list[msgspec.Raw] | None = None
    role: str | None = None


class ModalityWire(msgspec.Struct, rename="camel", gc=False):
    """How many tokens of one kind of media."""

    modality: str | None = None
    token_count: int | None = None


class TokenWire(msgspec.Struct, rename="camel", gc=False):
    """A token and how likely it was."""

    token: str | None = None
    log_probability: float | None = None


class TopTokensWire(msgspec.Struct, rename="camel", gc=False):
    """The likeliest tokens of one step."""

    candidates: list[TokenWire] | None = None


class LogprobsWire(msgspec.Struct, rename="camel", gc=False):
    """`logprobsResult`: two lists of the same length."""

    chosen_candidates: list[TokenWire] | None = None
    top_candidates: list[TopTokensWire] | None = None


class ErrorWire(msgspec.Struct, rename="camel", gc=False):
    """Google's error: `code` is the HTTP status, `status` its canonical name."""

    code: int | None = None
    message: str | None = None
    status: str | None = None


_SNAKE = re.compile(rb'"[a-z]+_[a-z_]+"\s*:')
_HUMP = re.compile(r"_([a-z])")
_LONE = re.compile("[\ud800-\udfff]")

_OWN_JSON = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
        "partMetadata",
    }
)
"""Fields whose insides are the caller's, or have a reader of their own."""


def read(data: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[Wire]") -> Wire:
    """The value, lone halves of surrogate pairs replaced. Raises `msgspec.DecodeError`."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decoder.decode(_mend(bytes(data)))


def _mend(data: bytes) -> bytes:
    try:
        value = decode_untyped(data)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
    return _LONE.sub("\ufffd", text).encode()


def write(value: Any) -> bytes:
    """JSON of a value that may hold `Raw`, lone halves of surrogate pairs replaced."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_mend_texts(value))


_encoder = msgspec.json.Encoder()


def _mend_texts(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_mend_texts(key): _mend_texts(item) for key, item in value.items()}
    return [_mend_texts(item) for item in value] if isinstance(value, list | tuple) else value


def camelise(body: bytes) -> bytes:
    """The body with its own names in camelCase. What is not JSON stays as it is."""
    if _SNAKE.search(body) is None:
        return body
    try:
        value = decode_untyped(body)
        return write(_camelise(value))
    except (ValueError, RecursionError):
        return body


def _camelise(value: Any) -> Any:
    if isinstance(value, list):
        return [_camelise(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, item in value.items():
        name = _HUMP.sub(lambda match: match[1].upper(), key)
        made[name] = item if name in _OWN_JSON else _camelise(item)
    return made
