"""Gemini's generateContent through `google-genai`, if it is installed."""

import importlib
from typing import Any

from tests.recordings.askers.said import Said
from tests.recordings.neutral import Answer, failed
from tests.recordings.oracle.gemini import fold


class GeminiAsker:
    """Asks as `client.models` does. Raises ModuleNotFoundError where the SDK is not installed."""

    def __init__(self, url: str, key: str) -> None:
        genai = importlib.import_module("google.genai")
        self._errors: Any = importlib.import_module("google.genai.errors")
        options = {"base_url": url, "timeout": 60_000}
        self._client: Any = genai.Client(api_key=key, vertexai=False, http_options=options)
        # Thoughts are only given to those who ask for them.
        self._config = {"thinking_config": {"include_thoughts": True}}

    def ask(self, model: str, *, is_streamed: bool) -> Said:
        """The answer; this SDK leaves it to its user to put a stream's chunks together."""
        models = self._client.models
        if not is_streamed:
            answer = models.generate_content(
                model=model, contents="Say hello.", config=self._config
            )
            return Said(dump(answer), answer.sdk_http_response.headers)
        chunks = models.generate_content_stream(
            model=model, contents="Say hello.", config=self._config
        )
        return Said(fold([dump(chunk) for chunk in chunks]))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def read_error(self, error: Exception) -> Answer | None:
        """The gateway's error, of an answer or in a stream."""
        if not isinstance(error, self._errors.APIError):
            return None
        status: Any = error.code
        return failed(status, error.message)


def dump(answer: Any) -> Any:
    """A `GenerateContentResponse` under the wire's names."""
    return answer.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response", "parsed"}
    )
