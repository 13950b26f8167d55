"""Responses through `openai`."""

from typing import Any, Final

from openai import OpenAI
from tests.recordings.askers.chat import read_openai_error
from tests.recordings.askers.event_rules import ResponsesRules
from tests.recordings.askers.said import Said
from tests.recordings.neutral import Answer

ENDS: Final = ("response.completed", "response.incomplete", "response.failed")


class StreamFailedError(Exception):
    """A stream that ended as its dialect says that it failed."""


class ResponsesAsker:
    """Asks as `client.responses` does."""

    def __init__(self, url: str, key: str) -> None:
        self._client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)

    def ask(self, model: str, *, is_streamed: bool) -> Said:
        """The response. `get_final_response()` knows no other end than a completed one."""
        responses = self._client.responses
        if not is_streamed:
            raw = responses.with_raw_response.create(model=model, input="Say hello.", store=False)
            return Said(raw.parse().to_dict(warnings=False), raw.headers)
        final: Any = None
        rules = ResponsesRules()
        with responses.stream(model=model, input="Say hello.", store=False) as stream:
            for event in stream:
                rules.take(event.to_dict(warnings=False))
                if event.type in ENDS:
                    final = event.response
        if final is None:
            raise StreamFailedError("the stream has no terminal event")
        return Said(final.to_dict(warnings=False), problems=tuple(rules.problems))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def read_error(self, error: Exception) -> Answer | None:
        """The gateway's error, of an answer or in a stream."""
        return read_openai_error(error)
