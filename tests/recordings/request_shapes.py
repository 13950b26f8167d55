"""Holds a request body against its API's own published types.

OpenAI's and Anthropic's are the TypedDicts that their SDKs take, made strict: unknown keys and
coerced values are refused, and lists are looked into. Google's are the models of `google-genai`,
in the shape of the REST body; Bedrock's is botocore's description of Converse, with the enumerated
values that botocore itself does not check. These say what an API accepts, not what a model does.
"""

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from types import GenericAlias
from typing import Any, Final

import pydantic
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, ValidationError

PROBLEMS_MAX: Final = 8


SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})


def find_problems(dialect: str, body: Any) -> list[str]:
    """What the API's types refuse of a body, the first few; nothing if it is one of theirs."""
    return CHECKERS[dialect](body)[:PROBLEMS_MAX]


def check_chat(body: Any) -> list[str]:
    """https://platform.openai.com/docs/api-reference/chat/create"""
    return validate(make_strict("openai.types.chat.completion_create_params"), body)


def check_responses(body: Any) -> list[str]:
    """https://platform.openai.com/docs/api-reference/responses/create"""
    return validate(make_strict("openai.types.responses.response_create_params"), body)


def check_messages(body: Any) -> list[str]:
    """https://docs.anthropic.com/en/api/messages"""
    # The SDK has no names for these since its second version, as newer models refuse them; older
    # ones, which it still names, take them.
    named = {name: value for name, value in body.items() if name not in SAMPLING}
    return validate(make_strict("anthropic.types.message_create_params"), named)


PARAMS: Final = {
    "openai.types.chat.completion_create_params": "CompletionCreateParams",
    "openai.types.responses.response_create_params": "ResponseCreateParams",
    "anthropic.types.message_create_params": "MessageCreateParams",
}


@functools.cache
def make_strict(module: str) -> SchemaValidator:
    """The validator of a module's parameters."""
    params = getattr(importlib.import_module(module), PARAMS[module])
    adapter = pydantic.TypeAdapter[Any](params)
    return SchemaValidator(tighten(adapter.core_schema))


def tighten(schema: Any) -> Any:
    """A pydantic core schema that looks into iterables and refuses unknown keys."""
    if isinstance(schema, list | tuple):
        return type(schema)(tighten(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    tight = {key: value if key == "metadata" else tighten(value) for key, value in schema.items()}
    if tight.get("type") == "typed-dict":
        tight["extra_behavior"] = "forbid"
    elif tight.get("type") == "generator":
        # Iterable[…] would be validated only when it is read, which nobody does here.
        tight["type"] = "list"
    return tight


def validate(validator: SchemaValidator, body: Any) -> list[str]:
    """What the validator says, a line for each place."""
    try:
        validator.validate_python(body, strict=True)
    except ValidationError as error:
        return list_errors(error)
    return []


def list_errors(error: ValidationError) -> list[str]:
    """The deepest places first: of a union's many complaints they are of the likeliest member."""
    deepest = sorted(error.errors(), key=lambda each: -len(each["loc"]))
    return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in deepest]


@functools.cache
def gemini_model() -> Any:
    """Google's REST body as one model of the SDK's own models."""
    types: Any = importlib.import_module("google.genai.types")
    fields: dict[str, Any] = {
        "contents": (GenericAlias(list, types.Content), ...),
        "system_instruction": (types.Content | None, None),
        "tools": (GenericAlias(list, types.Tool) | None, None),
        "tool_config": (types.ToolConfig | None, None),
        "safety_settings": (GenericAlias(list, types.SafetySetting) | None, None),
        "generation_config": (types.GenerationConfig | None, None),
        "cached_content": (str | None, None),
        "labels": (dict[str, str] | None, None),
        "service_tier": (str | None, None),
    }
    config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)
    return pydantic.create_model("GeminiBody", __config__=config, **fields)


def check_gemini(body: Any) -> list[str]:
    """https://ai.google.dev/api/generate-content"""
    try:
        gemini_model().model_validate_json(pydantic.TypeAdapter(Any).dump_json(body))
    except ValidationError as error:
        return list_errors(error)
    return []


@functools.cache
def converse_shape() -> Any:
    """botocore's description of what Converse takes."""
    session = importlib.import_module("botocore.session").get_session()
    return session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def check_converse(body: Any) -> list[str]:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""
    validator = importlib.import_module("botocore.validate").ParamValidator()
    params = {"modelId": "a-model", **body}
    report = validator.validate(params, converse_shape())
    problems = report.generate_report().splitlines() if report.has_errors() else []
    return [*problems, *check_enums(params, converse_shape(), "")]


def check_enums(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Values that the description enumerates and that are none of those."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name in shape.members.keys() & value.keys():
            yield from check_enums(value[name], shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_enums(item, shape.member, f"{where}[{index}]")
    elif (enum := getattr(shape, "enum", None)) and value not in enum:
        yield f"{where}: {value!r} is none of {enum}"


CHECKERS: Final[Mapping[str, Callable[[Any], list[str]]]] = {
    "chat": check_chat,
    "responses": check_responses,
    "messages": check_messages,
    "gemini": check_gemini,
    "converse": check_converse,
}
