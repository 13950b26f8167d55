"""Whole answers of a provider of this dialect to the hub, and the items that answers are made of.

A message's texts and refusals become parts, calls for the caller become tool calls, and what the
provider ran itself becomes hosted parts. A reasoning item that says nothing and holds nothing
sealed is no part. An answer whose status is `failed` is an error, not an answer.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Mapping

import msgspec

from nagara.dialects.base import malformed_answer
from nagara.dialects.codec import Target
from nagara.dialects.json_fields import encode_raw, read_fields
from nagara.dialects.openai_responses.content import WireLogprob, decode_content
from nagara.dialects.openai_responses.finish import decode_finish
from nagara.dialects.openai_responses.hosted import decode_hosted, is_hosted
from nagara.dialects.openai_responses.response import read_usage
from nagara.dialects.openai_responses.wire import NAME, Reader
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.domain.events import Choice, Response, TokenLogprob
from nagara.domain.messages import Opaque, Part, Reasoning, Signature, ToolCall, ToolKind

_logprobs_decoder = msgspec.json.Decoder(list[WireLogprob])

# `code` of a failed response, or of an error event in a stream.
# https://platform.openai.com/docs/guides/error-codes
_KINDS: Mapping[str, ErrorKind] = {
    "rate_limit_exceeded": ErrorKind.UPSTREAM_RATE_LIMIT,
    "server_error": ErrorKind.UPSTREAM_ERROR,
    "insufficient_quota": ErrorKind.UPSTREAM_UNAVAILABLE,
    "overloaded_error": ErrorKind.UPSTREAM_UNAVAILABLE,
    "context_length_exceeded": ErrorKind.INVALID_REQUEST,
    "invalid_request_error": ErrorKind.INVALID_REQUEST,
    "invalid_prompt": ErrorKind.INVALID_REQUEST,
    "invalid_image": ErrorKind.INVALID_REQUEST,
    "invalid_image_format": ErrorKind.INVALID_REQUEST,
    "invalid_base64_image": ErrorKind.INVALID_REQUEST,
    "invalid_image_url": ErrorKind.INVALID_REQUEST,
    "image_too_large": ErrorKind.INVALID_REQUEST,
    "image_too_small": ErrorKind.INVALID_REQUEST,
    "image_parse_error": ErrorKind.INVALID_REQUEST,
    "image_content_policy_violation": ErrorKind.INVALID_REQUEST,
    "image_file_too_large": ErrorKind.INVALID_REQUEST,
    "unsupported_image_media_type": ErrorKind.INVALID_REQUEST,
    "empty_image_file": ErrorKind.INVALID_REQUEST,
    "failed_to_download_image": ErrorKind.INVALID_REQUEST,
}


def decode_response(body: bytes, target: Target) -> Response:
    """A whole answer.

    Raises `GatewayError`: UPSTREAM_PROTOCOL for what cannot be read, else what the provider said.
    """
    reader = read_answer(body)
    try:
        return _decode(reader, body, target)
    except GatewayError as error:
        raise blame_upstream(error) from error


def read_answer(body: bytes) -> Reader:
    """The fields of a response object. Raises `GatewayError` (UPSTREAM_PROTOCOL)."""
    try:
        return Reader(read_fields(body))
    except GatewayError as error:
        raise malformed_answer() from error


def blame_upstream(error: GatewayError) -> GatewayError:
    """A field that the reader refused is the provider's mistake here, not a caller's."""
    if isinstance(error, _SaidError) or error.kind.value.fault is not Fault.CLIENT:
        return error
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        f"The provider sent an answer that cannot be read: {error.message} Send it again.",
    )


class _SaidError(GatewayError):
    """What the provider itself said went wrong."""


def _decode(reader: Reader, body: bytes, target: Target) -> Response:
    status = reader.text("status")
    if status == "failed" or ("error" in reader.fields and "output" not in reader.fields):
        raise read_failure(reader)
    parts: list[Part] = []
    logprobs: list[TokenLogprob] = []
    for item in reader.objects("output"):
        parts += decode_item(item, target, logprobs)
    details = reader.object("incomplete_details")
    reason = None if details is None else details.text("reason")
    choice = Choice(
        parts=tuple(parts),
        finish=decode_finish(status, reason, parts),
        native_finish=reason or status,
        logprobs=tuple(logprobs),
    )
    return Response(
        dialect=NAME,
        id=reader.text("id"),
        model=reader.text("model"),
        created_s=read_time(reader),
        choices=(choice,),
        usage=read_usage(body),
        service_tier=reader.text("service_tier"),
    )


def read_time(reader: Reader) -> int | None:
    """`created_at`, which some servers send as a fraction."""
    created = reader.number("created_at")
    return None if created is None else int(created)


def read_failure(reader: Reader) -> GatewayError:
    """The error in a failed response, or in an error event of either shape."""
    said = reader.object("error") or reader
    code, message = said.text("code"), said.text("message")
    kind = _KINDS.get(code or said.text("type") or "", ErrorKind.UPSTREAM_ERROR)
    return _SaidError(kind, message or "The provider failed.", param=said.text("param"), code=code)


def decode_item(item: Reader, target: Target, logprobs: list[TokenLogprob]) -> tuple[Part, ...]:
    """The parts of one item of an answer. Adds the probabilities of its tokens to `logprobs`."""
    kind = item.needed_text("type")
    match kind:
        case "message":
            return _decode_message(item, logprobs)
        case "reasoning":
            return _decode_reasoning(item, target)
        case "function_call":
            return (begin_call(item, item.text("arguments") or "", ToolKind.FUNCTION),)
        case "custom_tool_call":
            return (begin_call(item, item.text("input") or "", ToolKind.CUSTOM),)
    item.fields["type"] = encode_raw(kind)
    if is_hosted(item):
        return decode_hosted(item, has_media=True)
    return (Opaque(dialect=NAME, type=kind, raw=item.whole_raw()),)


def _decode_message(item: Reader, logprobs: list[TokenLogprob]) -> tuple[Part, ...]:
    contents = item.objects("content")
    for content in contents:
        raw = content.fields.pop("logprobs", None)
        if raw is not None:
            logprobs += decode_logprobs(raw)
    return decode_content(contents)


def begin_call(item: Reader, arguments: str, kind: ToolKind) -> ToolCall:
    """A call with these arguments, which in a stream are still to come."""
    return ToolCall(
        id=item.text("call_id") or "",
        name=item.text("name") or "",
        arguments=arguments,
        kind=kind,
        namespace=item.text("namespace"),
    )


def _decode_reasoning(item: Reader, target: Target) -> tuple[Part, ...]:
    summary = [part.text("text") or "" for part in item.objects("summary")]
    content = [part.text("text") or "" for part in item.objects("content")]
    # Some servers give the thought itself beside its summary: both are text of the one item.
    text, signature = "\n\n".join([*summary, *content]), read_seal(item, target)
    if not text and signature is None:
        return ()
    return (Reasoning(text=text, signature=signature, is_summary=not content),)


def read_seal(item: Reader, target: Target) -> Signature | None:
    """The sealed content of a reasoning item, with the id that it is bound to."""
    sealed = item.text("encrypted_content")
    if sealed is None:
        return None
    return Signature(join_sealed(item.text("id") or "", sealed), target.maker)


def join_sealed(item_id: str, sealed: str) -> str:
    """Sealed content and the id of its item as one value: the API refuses one without the other."""
    return f"{item_id}\n{sealed}"


def split_sealed(value: str) -> tuple[str, str]:
    """The id, empty if it is not in the value, and the sealed content."""
    item_id, line, sealed = value.partition("\n")
    return (item_id, sealed) if line else ("", value)


def decode_logprobs(raw: msgspec.Raw) -> list[TokenLogprob]:
    """The probabilities of some tokens; none where they are of a shape that nobody knows."""
    try:
        return [logprob.to_hub() for logprob in _logprobs_decoder.decode(raw)]
    except (msgspec.DecodeError, RecursionError):
        return []
