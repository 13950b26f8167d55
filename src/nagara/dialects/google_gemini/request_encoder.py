"""Requests of the hub as the body of `generateContent`, streamed or not: the path tells which.

The model is in the path too, so nothing of either is in the body.

https://ai.google.dev/api/generate-content#request-body
"""

from typing import Any

from nagara.dialects.codec import Encoded, Target, cannot_carry
from nagara.dialects.fit import name_parameter
from nagara.dialects.google_gemini.content_encoder import ContentEncoder
from nagara.dialects.google_gemini.image_options import write_images
from nagara.dialects.google_gemini.thinking import repeat_thinking, write_thinking
from nagara.dialects.google_gemini.tool_encoder import encode_tools
from nagara.dialects.google_gemini.wire import NAME, write
from nagara.dialects.schema import GEMINI, describe, rewrite
from nagara.dialects.service_tier import google_tier
from nagara.domain.messages import OutputKind, Request

STOPS_MAX = 5
"""https://ai.google.dev/api/generate-content#FIELDS.stop_sequences"""

_PLAIN_FIELDS = (
    ("output_tokens_max", "maxOutputTokens"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("frequency_penalty", "frequencyPenalty"),
    ("presence_penalty", "presencePenalty"),
)


def encode_request(request: Request, target: Target) -> Encoded:
    """The body for the target. Raises `GatewayError` for what must not be left out."""
    encoder = ContentEncoder(request, target)
    system, contents = encoder.encode()
    dropped = encoder.dropped
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    body |= encode_tools(request, target, dropped)
    config = _encode_config(request, target, dropped)
    if config:
        body["generationConfig"] = config
    tier = request.service_tier
    if (named := google_tier(tier)) is not None:
        body["serviceTier"] = named
    elif tier not in (None, "auto"):
        dropped.append(name_parameter("service_tier", request))
    _put_extras(request, body, dropped)
    return Encoded(write(body), tuple(dict.fromkeys(dropped)))


def _encode_config(request: Request, target: Target, dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        name: value
        for field, name in _PLAIN_FIELDS
        if (value := getattr(request, field)) is not None
    }
    if request.stop:
        if len(request.stop) > STOPS_MAX:
            what = f"more than {STOPS_MAX} stop sequences"
            raise cannot_carry(what, name_parameter("stop", request), target)
        config["stopSequences"] = request.stop
    if request.choice_count > 1:
        config["candidateCount"] = request.choice_count
    if request.top_logprobs is not None:
        config["responseLogprobs"] = True
        if request.top_logprobs:
            config["logprobs"] = request.top_logprobs
    if request.reasoning is not None:
        if request.dialect == NAME:
            config["thinkingConfig"] = repeat_thinking(request.reasoning)
        elif thinking := write_thinking(request.reasoning, target.model):
            config["thinkingConfig"] = thinking
            dropped.extend(request.reasoning.extras)
    return config | write_images(request) | _encode_format(request, dropped)


def _encode_format(request: Request, dropped: list[str]) -> dict[str, Any]:
    asked = request.output_format
    if asked is None or asked.kind is OutputKind.TEXT:
        return {}
    said: dict[str, Any] = {"responseMimeType": "application/json"}
    if asked.kind is OutputKind.JSON_SCHEMA and asked.schema is not None:
        rewritten = rewrite(describe(asked.schema, asked.description), GEMINI)
        name = name_parameter("output_format", request)
        dropped.extend(f"{name}.{path}" for path in rewritten.lost)
        said["responseJsonSchema"] = rewritten.schema
    return said


def _put_extras(request: Request, body: dict[str, Any], dropped: list[str]) -> None:
    """The caller's further fields: back in their places, or named if they are another dialect's."""
    if request.dialect != NAME:
        dropped.extend(request.extras)
        return
    for path, raw in request.extras.items():
        outer, dot, inner = path.partition(".")
        if dot:
            place = body.setdefault(outer, {})
            if isinstance(place, dict):
                place.setdefault(inner, raw)
        else:
            body.setdefault(path, raw)
