"""Errors that Converse sends in the middle of a stream, as ours.

By then the status has been 200 for long, so the error comes as a message of its own kind in the
event stream and ends it: an exception, whose name says what failed, or an error of the transport.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import msgspec

from nagara.dialects.bedrock_converse.event_stream import EventMessage
from nagara.domain.errors import ErrorKind, GatewayError

MESSAGE_LENGTH_MAX = 2000

KINDS = {
    "throttlingexception": ErrorKind.UPSTREAM_RATE_LIMIT,
    "servicequotaexceededexception": ErrorKind.UPSTREAM_RATE_LIMIT,
    "modelnotreadyexception": ErrorKind.UPSTREAM_UNAVAILABLE,
    "serviceunavailableexception": ErrorKind.UPSTREAM_UNAVAILABLE,
    "modeltimeoutexception": ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT,
    "validationexception": ErrorKind.INVALID_REQUEST,
    "accessdeniedexception": ErrorKind.UPSTREAM_CREDENTIAL,
}
"""By the name in lower case, since the stream and the status line write them differently. All
others (`internalServerException`, `modelStreamErrorException`) are the provider's own trouble."""


class _Exception(msgspec.Struct, rename="camel"):
    message: str | None = None
    original_message: str | None = None


_decoder = msgspec.json.Decoder(_Exception)


def decode_failure(message: EventMessage, provider: str) -> GatewayError | None:
    """The error that a message of the stream is; None for an event."""
    kind = message.read_text(":message-type")
    if kind == "exception":
        name = message.read_text(":exception-type") or ""
        return _make_error(name, _read_message(message.payload), provider)
    if kind == "error":
        name = message.read_text(":error-code") or ""
        return _make_error(name, message.read_text(":error-message"), provider)
    return None


def _make_error(name: str, said: str | None, provider: str) -> GatewayError:
    kind = KINDS.get(name.lower(), ErrorKind.UPSTREAM_ERROR)
    if kind is ErrorKind.UPSTREAM_CREDENTIAL or not said:
        # What is between the gateway and AWS may name the operator's account.
        said = f"{provider} broke the answer off ({name[:100] or 'it gave no reason'})."
    return GatewayError(kind, said[:MESSAGE_LENGTH_MAX])


def _read_message(payload: bytes) -> str | None:
    try:
        said = _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    return said.message or said.original_message
