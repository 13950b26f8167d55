"""Amazon Bedrock's Converse: the one format in which AWS offers every conversation model.

It is spoken to providers only; no caller speaks it to us.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from nagara.dialects.bedrock_converse.media_encoder import ADDRESS_FIELDS, needs_bytes
from nagara.dialects.bedrock_converse.request_encoder import ABILITIES, encode_request
from nagara.dialects.bedrock_converse.response_decoder import decode_response
from nagara.dialects.bedrock_converse.stream_decoder import decode_stream
from nagara.dialects.bedrock_converse.wire import NAME

__all__ = [
    "ABILITIES",
    "ADDRESS_FIELDS",
    "NAME",
    "decode_response",
    "decode_stream",
    "encode_request",
    "needs_bytes",
]
