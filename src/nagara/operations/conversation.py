"""The endpoints of conversations: chat, responses, messages, and counting a message's tokens."""

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.domain.catalog import Operation
from nagara.operations.endpoint import endpoint

CONVERSATION_ENDPOINTS = (
    endpoint(Operation.RESPONSES, "/v1/responses", openai_responses),
    endpoint(Operation.CHAT, "/v1/chat/completions", openai_chat),
    endpoint(Operation.MESSAGES, "/v1/messages", anthropic_messages),
    endpoint(Operation.COUNT_TOKENS, "/v1/messages/count_tokens", anthropic_messages, is_free=True),
)
