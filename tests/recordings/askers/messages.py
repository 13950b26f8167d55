"""Messages through `anthropic`."""

from typing import Any, Final

import anthropic
from anthropic import Anthropic
from tests.recordings.askers.event_rules import MessagesRules
from tests.recordings.askers.said import Said
from tests.recordings.neutral import Answer, failed

MADE_BY_SDK: Final = frozenset({"text", "citation", "thinking", "signature", "input_json"})
"""Events that the SDK makes of those that arrive."""


class MessagesAsker:
    """Asks as `client.messages` does."""

    def __init__(self, url: str, key: str) -> None:
        self._client = Anthropic(base_url=url, api_key=key, max_retries=0, timeout=60)

    def ask(self, model: str, *, is_streamed: bool) -> Said:
        """The message."""
        conversation: list[Any] = [{"role": "user", "content": "Say hello."}]
        messages = self._client.messages
        if not is_streamed:
            raw = messages.with_raw_response.create(
                model=model, messages=conversation, max_tokens=4096
            )
            return Said(raw.parse().to_dict(warnings=False), raw.headers)
        with messages.stream(model=model, messages=conversation, max_tokens=4096) as stream:
            rules = MessagesRules()
            for event in stream:
                if event.type not in MADE_BY_SDK:
                    rules.take(event.to_dict(warnings=False))
            body = stream.get_final_message().to_dict(warnings=False)
            return Said(body, stream.response.headers, tuple(rules.problems))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def read_error(self, error: Exception) -> Answer | None:
        """The gateway's error, of an answer or in a stream."""
        if not isinstance(error, anthropic.APIError):
            return None
        if isinstance(error, anthropic.APIConnectionError):
            return None
        status = error.status_code if isinstance(error, anthropic.APIStatusError) else None
        body = error.body if isinstance(error.body, dict) else {}
        inner = body.get("error") or {}
        # An error event in a stream arrives with the status of the answer that it is in.
        return failed(None if status == 200 else status, inner.get("message") or error.message)
