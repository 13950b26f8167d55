"""The endpoints of conversations: chat, responses, messages, and counting a message's tokens."""

from collections.abc import Mapping

import msgspec

from nagara.dialects import (
    anthropic_messages,
    bedrock_converse,
    google_gemini,
    openai_chat,
    openai_responses,
)
from nagara.dialects.anthropic_messages.token_estimate import encode_estimate
from nagara.dialects.codec import Outbound
from nagara.domain.catalog import Operation
from nagara.operations.endpoint import endpoint

DIALECTS: Mapping[Operation, Outbound] = {
    Operation.RESPONSES: openai_responses,
    Operation.CHAT: openai_chat,
    Operation.MESSAGES: anthropic_messages,
    Operation.GENERATE_CONTENT: google_gemini,
    Operation.CONVERSE: bedrock_converse,
}
"""The dialect of each operation that is a conversation: what a provider that has it speaks."""

CONVERSATION_ENDPOINTS = (
    endpoint(Operation.RESPONSES, "/v1/responses", openai_responses),
    endpoint(Operation.CHAT, "/v1/chat/completions", openai_chat),
    msgspec.structs.replace(
        endpoint(Operation.MESSAGES, "/v1/messages", anthropic_messages),
        widen=anthropic_messages.widen,
    ),
    endpoint(
        Operation.COUNT_TOKENS,
        "/v1/messages/count_tokens",
        anthropic_messages,
        is_translated=False,
        is_free=True,
        estimate=encode_estimate,
    ),
)
