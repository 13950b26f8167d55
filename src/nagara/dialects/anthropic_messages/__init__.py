"""Anthropic Messages.

Source: https://docs.anthropic.com/en/api/messages
"""

from nagara.dialects.anthropic_messages.demand import limit_output, measure, widen
from nagara.dialects.anthropic_messages.error import encode_error
from nagara.dialects.anthropic_messages.media import ADDRESS_FIELDS, needs_bytes
from nagara.dialects.anthropic_messages.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.anthropic_messages.request_decoder import decode_request
from nagara.dialects.anthropic_messages.request_encoder import encode_request
from nagara.dialects.anthropic_messages.response import read_usage
from nagara.dialects.anthropic_messages.response_decoder import decode_response
from nagara.dialects.anthropic_messages.response_encoder import encode_response
from nagara.dialects.anthropic_messages.stream import forward_stream
from nagara.dialects.anthropic_messages.stream_decoder import decode_stream
from nagara.dialects.anthropic_messages.stream_encoder import encode_stream
from nagara.dialects.anthropic_messages.wire import NAME
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.messages import HostedKind

ABILITIES = Abilities(
    features=frozenset(
        {
            Ability.TOP_K,
            Ability.STOP,
            Ability.JSON_SCHEMA,
            Ability.SERVICE_TIER,
            Ability.USER,
            Ability.CACHE_MARKS,
            Ability.PARALLEL_SWITCH,
            Ability.STRICT_TOOLS,
            Ability.REASONING,
            Ability.REASONING_BUDGET,
            Ability.SYSTEM_MIDWAY,
            Ability.IMAGE_URLS,
            Ability.FILE_URLS,
        }
    ),
    hosted=frozenset(
        {
            HostedKind.WEB_SEARCH,
            HostedKind.WEB_FETCH,
            HostedKind.CODE_EXECUTION,
            HostedKind.TOOL_SEARCH,
            HostedKind.MCP,
            HostedKind.ADVISOR,
            HostedKind.OTHER,
        }
    ),
)

SILENT_EXTRAS: frozenset[str] = frozenset()
NEEDED_EXTRAS: frozenset[str] = frozenset()

__all__ = [
    "ABILITIES",
    "ADDRESS_FIELDS",
    "NAME",
    "NEEDED_EXTRAS",
    "SILENT_EXTRAS",
    "decode_request",
    "decode_response",
    "decode_stream",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_stream",
    "forward_stream",
    "forwarded_headers",
    "limit_output",
    "measure",
    "needs_bytes",
    "read_request",
    "read_usage",
    "widen",
    "write_request",
]
