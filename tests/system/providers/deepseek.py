"""Chat Completions as DeepSeek takes it: thoughts are text, and must come back beside calls.

https://api-docs.deepseek.com/guides/thinking_mode
"""

from typing import Any

from tests.system.providers.chat import PlayedChat
from tests.system.providers.rules import check, words
from tests.system.providers.script import Asked, Step


class PlayedDeepSeek(PlayedChat):
    """It remembers what it thought before each call."""

    path = "/chat/completions"
    request_fields = words(
        "model messages tools tool_choice stream stream_options max_tokens temperature "
        "top_p stop logprobs top_logprobs response_format thinking reasoning_effort "
        "presence_penalty frequency_penalty parallel_tool_calls user seed"
    )
    assistant_fields = PlayedChat.assistant_fields | {"reasoning_content"}
    thinks = True

    def __init__(self) -> None:
        super().__init__()
        self._thoughts: dict[str, str] = {}

    def _check_messages(self, messages: list[Any]) -> list[str]:
        results = super()._check_messages(messages)
        asked = max(i for i, message in enumerate(messages) if message["role"] == "user")
        for message in messages[asked:]:
            for call in message.get("tool_calls", ()):
                thought = self._thoughts.get(call["id"])
                given = message.get("reasoning_content")
                check(
                    thought is None or given == thought,
                    "The `reasoning_content` in the thinking mode must be passed back to the API: "
                    f"{given!r} is not {thought!r}",
                )
        return results

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """The answer with its thoughts."""
        answer = super().answer(asked, step)
        message = answer["choices"][0]["message"]
        message["reasoning_content"] = step.thoughts
        for call in message.get("tool_calls", ()):
            self._thoughts[call["id"]] = step.thoughts
        return answer
