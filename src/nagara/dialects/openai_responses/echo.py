"""The response object around an answer's items: who asked for what, and how it ended.

The API says again in its answer what it was asked. What the hub keeps of a request is written as
the API would; a field of this dialect alone is given back as it came.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from nagara.dialects.codec import Frame
from nagara.dialects.openai_responses.finish import Finish
from nagara.dialects.openai_responses.request_encoder import (
    encode_reasoning,
    encode_text_options,
    split_instructions,
)
from nagara.dialects.openai_responses.tools import encode_tool_choice, encode_tools
from nagara.dialects.openai_responses.wire import NAME, encode_json
from nagara.dialects.service_tier import openai_tier
from nagara.domain.messages import OutputFormat, OutputKind, ReasoningOptions, Request

UNASKED: Mapping[str, Any] = {
    "background": False,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt_cache_retention": None,
    "store": True,
    "truncation": "disabled",
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
    "service_tier": "auto",
}
"""What a response object repeats of its request, with what stands there when it was not said."""


def echo_request(frame: Frame) -> dict[str, Any]:
    """The fields of a response that say what was asked; the same in every event of a stream."""
    request = frame.request
    instructions, _ = split_instructions(request.messages)
    extras = request.extras if request.dialect == NAME else {}
    reasoning = request.reasoning or ReasoningOptions()
    form = request.output_format or OutputFormat(kind=OutputKind.TEXT)
    echo: dict[str, Any] = {name: extras.get(name, told) for name, told in UNASKED.items()}
    return echo | {
        "instructions": instructions,
        "max_output_tokens": request.output_tokens_max,
        "metadata": dict(request.metadata),
        "parallel_tool_calls": request.is_parallel is not False,
        "prompt_cache_key": request.cache_key,
        "reasoning": UNASKED["reasoning"] | encode_reasoning(reasoning, is_own=True),
        "safety_identifier": request.user,
        "temperature": request.temperature,
        "text": encode_text_options(form, request.verbosity),
        "tool_choice": _echo_choice(request),
        # Written once: there may be forty kilobytes of them, and three events hold them.
        "tools": msgspec.Raw(encode_json(encode_tools(request.tools, [], is_own=True))),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "user": None,
    }


def _echo_choice(request: Request) -> Any:
    if "tool_choice" in request.extras:
        return request.extras["tool_choice"]
    if request.tool_choice is None:
        return UNASKED["tool_choice"]
    return encode_tool_choice(request.tool_choice, request.tools)


def make_response(
    frame: Frame,
    echo: dict[str, Any],
    finish: Finish,
    output: list[Any],
    usage: dict[str, Any] | None,
    service_tier: str | None,
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The response object as of now; `status` says how far it has come."""
    details = None if finish.reason is None else {"reason": finish.reason}
    return {
        "id": frame.make_id("resp_"),
        "object": "response",
        "created_at": frame.created_s,
        "status": finish.status,
        "error": error,
        "incomplete_details": details,
        "model": frame.model,
        "output": output,
        **echo,
        "service_tier": openai_tier(service_tier) or "default",
        "usage": usage,
    }
