"""Requests from the hub to Converse.

What Converse has a field for is written there; what only the model's maker has a word for goes into
`additionalModelRequestFields`. The model stands in the path, and so does whether the answer is
streamed.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from nagara.dialects.bedrock_converse.content_encoder import ContentEncoder, encode_cache_point
from nagara.dialects.bedrock_converse.families import TOOLS, Path, find_family
from nagara.dialects.bedrock_converse.thinking import Sampling, plan_claude
from nagara.dialects.codec import Encoded, Target
from nagara.dialects.effort import effort_of_budget
from nagara.dialects.fit import name_parameter
from nagara.dialects.json_fields import decode_untyped
from nagara.dialects.schema import BEDROCK_STRICT, TOOL_INPUT, rewrite
from nagara.domain.abilities import Abilities, Ability
from nagara.domain.messages import (
    Effort,
    FunctionTool,
    OutputFormat,
    OutputKind,
    Request,
    ToolChoice,
    ToolChoiceMode,
)

ABILITIES = Abilities(
    frozenset(
        {
            Ability.TOP_K,
            Ability.STOP,
            Ability.JSON_OBJECT,
            Ability.JSON_SCHEMA,
            Ability.SERVICE_TIER,
            Ability.METADATA,
            Ability.CACHE_MARKS,
            Ability.STRICT_TOOLS,
            Ability.REASONING,
            Ability.REASONING_BUDGET,
        }
    )
)
"""What Converse has a place for; a model without it is told by its family, or refuses."""

TEMPERATURE_MAX = 1.0
NEUTRAL = 1.0
"""The temperature and top-p that change nothing."""
METADATA_ENTRIES_MAX = 16
JSON_ONLY = "Answer with one JSON object and nothing else."
STOP_SEQUENCE_PATH = "/stop_sequence"

_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_TIERS = {"default": "default", "flex": "flex", "priority": "priority", "reserved": "reserved",
          "standard_only": "default", "standard": "default"}  # fmt: skip

Fields = dict[str, Any]


def encode_request(request: Request, target: Target) -> Encoded:
    """The body for Converse, streamed or not. Raises `GatewayError` (UNSUPPORTED)."""
    encoder = RequestEncoder(request, target)
    return Encoded(encode_body(encoder.encode()), tuple(dict.fromkeys(encoder.dropped)))


class RequestEncoder:
    """One request on its way; `dropped` names what has no place, in the caller's words."""

    def __init__(self, request: Request, target: Target) -> None:
        self._request = request
        self._model = target.model
        self._family = find_family(target.model)
        self._tools = [tool for tool in request.tools if isinstance(tool, FunctionTool)]
        choice = request.tool_choice
        # Converse has no word for none: a model that may not call is offered nothing.
        self._offers_tools = bool(self._tools) and (
            choice is None or choice.mode is not ToolChoiceMode.NONE
        )
        self._content = ContentEncoder(
            request, target, self._family, offers_tools=self._offers_tools
        )
        self.dropped: list[str] = [*request.extras, *self._content.dropped]
        if self._tools and not self._offers_tools:
            # Nothing of the answer changes, but the model does not hear of them.
            self.dropped.append("tools")

    def encode(self) -> Fields:
        """The body's fields."""
        # First, since it adds to the instructions.
        self._ask_json()
        fields, sampling = self._plan()
        body: Fields = {
            "messages": self._content.encode_messages(),
            "system": self._content.system,
            "inferenceConfig": self._encode_inference(sampling),
            "toolConfig": self._encode_tools(),
            "additionalModelRequestFields": self._encode_own_fields(fields, sampling),
            "outputConfig": self._encode_format(),
            "serviceTier": self._encode_tier(),
            "requestMetadata": self._encode_metadata(),
        }
        # Converse says that a stop sequence was met, and only the model says which:
        # https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html
        if self._request.stop and self._family.reports_stop:
            body["additionalModelResponseFieldPaths"] = [STOP_SEQUENCE_PATH]
        return {name: value for name, value in body.items() if value}

    def _drop(self, field: str) -> None:
        self.dropped.append(name_parameter(field, self._request))

    def _ask_json(self) -> None:
        asked = self._request.output_format
        if asked is not None and asked.kind is OutputKind.JSON_OBJECT:
            self._content.system.append({"text": JSON_ONLY})
            self._drop("output_format")

    def _plan(self) -> tuple[Fields, Sampling]:
        """The model's own fields that ask for thinking, and the sampling beside it."""
        request, fields = self._request, dict[str, Any]()
        asked = sampling = Sampling(request.temperature, request.top_p, request.top_k)
        if self._family.is_claude:
            plan = plan_claude(request, self._model, self._content.turns)
            fields, sampling = plan.fields, plan.sampling
            if plan.thinking.is_dropped:
                self._drop("reasoning")
        if sampling.temperature is not None and sampling.temperature > TEMPERATURE_MAX:
            sampling = msgspec.structs.replace(sampling, temperature=TEMPERATURE_MAX)
        if self._family.top_k is None:
            sampling = msgspec.structs.replace(sampling, top_k=None)
        for name in Sampling.__struct_fields__:
            # Of 1.0, which is what a model does by itself, nothing is lost.
            if getattr(asked, name) not in (getattr(sampling, name), NEUTRAL):
                self._drop(name)
        return fields, sampling

    def _encode_inference(self, sampling: Sampling) -> Fields:
        request = self._request
        config: Fields = {"temperature": sampling.temperature, "topP": sampling.top_p}
        if request.output_tokens_max is not None:
            # Anthropic's zero, which only fills the cache, has no place here; one is the least.
            config["maxTokens"] = max(1, request.output_tokens_max)
        if stop := [text for text in request.stop if text]:
            config["stopSequences"] = stop
        return {name: value for name, value in config.items() if value is not None}

    def _encode_tools(self) -> Fields:
        if not self._offers_tools:
            return {}
        tools: list[Fields] = []
        for tool in self._tools:
            tools.append({"toolSpec": self._encode_tool(tool)})
            if tool.cache is not None and TOOLS in self._family.caches:
                tools.append(encode_cache_point(tool.cache))
            elif tool.cache is not None:
                self.dropped.append("cache_control")
            self.dropped += (f"tools.{name}" for name in tool.extras)
        choice = encode_choice(self._request.tool_choice)
        return {"tools": tools, **({"toolChoice": choice} if choice else {})}

    def _encode_tool(self, tool: FunctionTool) -> Fields:
        # Only a schema that is compiled to a grammar has to be one of the subset.
        rules = BEDROCK_STRICT if tool.is_strict else TOOL_INPUT
        rewritten = rewrite(tool.parameters or _NO_ARGUMENTS, rules)
        self._note_lost("tools", rewritten.lost)
        spec: Fields = {"name": tool.name, "inputSchema": {"json": rewritten.schema}}
        if tool.description:
            spec["description"] = tool.description
        if tool.is_strict:
            spec["strict"] = True
        return spec

    def _note_lost(self, where: str, paths: Iterable[str]) -> None:
        self.dropped += (f"{where}.{path.rpartition('.')[2]}" for path in paths)

    def _encode_own_fields(self, thinking: Fields, sampling: Sampling) -> Fields:
        fields = dict(thinking)
        if sampling.top_k is not None and self._family.top_k is not None:
            put(fields, self._family.top_k, sampling.top_k)
        if not self._family.is_claude:
            self._put_effort(fields)
        return fields

    def _put_effort(self, fields: Fields) -> None:
        options, family = self._request.reasoning, self._family
        if options is None:
            return
        effort = options.effort
        if effort is None and options.budget_tokens is not None:
            effort = effort_of_budget(options.budget_tokens)
        word = family.efforts.get(effort) if effort is not None else None
        if family.effort is not None and word is not None:
            put(fields, family.effort, word)
            for name, value in family.effort_extras.items():
                put(fields, (*family.effort[:-1], name), value)
        elif effort not in (None, Effort.NONE):
            self._drop("reasoning")

    def _encode_format(self) -> Fields:
        asked = self._request.output_format
        if asked is None or asked.kind is not OutputKind.JSON_SCHEMA or asked.schema is None:
            return {}
        return {"textFormat": {"type": "json_schema", "structure": self._encode_schema(asked)}}

    def _encode_schema(self, asked: OutputFormat) -> Fields:
        rewritten = rewrite(asked.schema or _NO_ARGUMENTS, BEDROCK_STRICT)
        self._note_lost(name_parameter("output_format", self._request), rewritten.lost)
        # Here, unlike in a tool, the schema is a text that holds JSON.
        schema: Fields = {"schema": bytes(rewritten.schema).decode()}
        said = {"name": asked.name, "description": asked.description}
        return {"jsonSchema": schema | {k: v for k, v in said.items() if v}}

    def _encode_tier(self) -> Fields:
        asked = self._request.service_tier
        # What "auto" means elsewhere is what Bedrock does without a word.
        if asked in (None, "auto"):
            return {}
        if asked not in _TIERS:
            self._drop("service_tier")
            return {}
        return {"type": _TIERS[asked]}

    def _encode_metadata(self) -> Fields:
        entries = self._request.metadata.items()
        # One odd character has the whole request refused, so only what is taken is sent:
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
        fitting = {
            name: value
            for name, value in entries
            if name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)
        }
        if len(fitting) < len(entries) or len(fitting) > METADATA_ENTRIES_MAX:
            self._drop("metadata")
        return dict(list(fitting.items())[:METADATA_ENTRIES_MAX])


def encode_choice(choice: ToolChoice | None) -> Fields | None:
    """`toolChoice`; None for what a model does by itself, which not every model lets one ask."""
    if choice is None:
        return None
    if choice.mode is ToolChoiceMode.REQUIRED:
        return {"any": {}}
    if choice.mode is ToolChoiceMode.NAMED:
        return {"tool": {"name": choice.name}}
    return None


def put(fields: Fields, path: Path, value: object) -> None:
    """Set the value at a path, making the objects on the way."""
    *parents, name = path
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[name] = value


def encode_body(body: Fields) -> bytes:
    """The JSON of a body, in which parts may be raw."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8; the standard library writes it as an escape.
        return json.dumps(body, default=_decode_raw).encode()


def _decode_raw(value: object) -> Any:
    if isinstance(value, msgspec.Raw):
        return decode_untyped(bytes(value))
    raise TypeError(type(value))
