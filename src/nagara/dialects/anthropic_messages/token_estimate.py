"""`/v1/messages/count_tokens` of models whose provider cannot count: what in a request is a prompt.

What the answer looks like: https://docs.anthropic.com/en/api/messages-count-tokens
"""

from typing import Any

import msgspec

from nagara.dialects import token_estimate
from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import decode_untyped, write_fields
from nagara.dialects.request_fields import wrong_field
from nagara.dialects.token_estimate import TOKENS_PER_IMAGE, estimate_document

_COUNTED = ("system", "messages", "tools")
_NOT_READ = frozenset({"cache_control", "signature", "encrypted_content", "encrypted_index"})


def estimate_tokens(view: RequestView) -> int:
    """So many input tokens, or fewer. Raises `GatewayError` for a body that cannot be read."""
    fields = {name: view.fields[name] for name in _COUNTED if name in view.fields}
    try:
        request = decode_untyped(write_fields(fields))
    except ValueError as error:
        raise wrong_field("messages", "cannot be read as JSON.") from error
    return token_estimate.estimate_tokens(request, _estimate_media, _NOT_READ)


def encode_estimate(view: RequestView) -> bytes:
    """The body of the answer."""
    return msgspec.json.encode({"input_tokens": estimate_tokens(view)})


def _estimate_media(block: dict[str, Any]) -> int | None:
    """The tokens of an image or a document; None for anything else, documents of text among it."""
    if block.get("type") == "image":
        return TOKENS_PER_IMAGE
    source = block.get("source")
    if block.get("type") != "document" or not isinstance(source, dict):
        return None
    data = source.get("data")
    if source.get("type") == "base64" and isinstance(data, str):
        return estimate_document(data)
    return None
