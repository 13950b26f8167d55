"""Chat Completions through `openai`."""

from typing import Any

import openai
from openai import OpenAI
from tests.recordings.askers.said import Said
from tests.recordings.neutral import Answer, failed


class ChatAsker:
    """Asks as `client.chat.completions` does."""

    def __init__(self, url: str, key: str) -> None:
        self._client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)

    def ask(self, model: str, *, is_streamed: bool) -> Said:
        """The completion. The stream is asked for its usage, as an exact caller does."""
        conversation: list[Any] = [{"role": "user", "content": "Say hello."}]
        completions = self._client.chat.completions
        if not is_streamed:
            raw = completions.with_raw_response.create(model=model, messages=conversation)
            return Said(raw.parse().to_dict(warnings=False), raw.headers)
        options: Any = {"include_usage": True}
        with completions.stream(
            model=model, messages=conversation, stream_options=options
        ) as stream:
            for _ in stream:
                pass
            # get_final_completion() raises when an answer was cut at its token limit.
            return Said(stream.current_completion_snapshot.to_dict(warnings=False))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def read_error(self, error: Exception) -> Answer | None:
        """The gateway's error, of an answer or in a stream."""
        return read_openai_error(error)


def read_openai_error(error: Exception) -> Answer | None:
    """An error of OpenAI's shape, as `openai` raises it."""
    if not isinstance(error, openai.APIError) or isinstance(error, openai.APIConnectionError):
        return None
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    body = error.body if isinstance(error.body, dict) else {}
    return failed(status, body.get("message") or error.message)
