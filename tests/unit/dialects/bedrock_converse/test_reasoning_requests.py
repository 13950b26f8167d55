"""How each maker's models are asked to think, and what gives way to it."""

import json
from typing import Any

import msgspec
import pytest

from nagara.dialects.bedrock_converse import ABILITIES, encode_request
from nagara.dialects.bedrock_converse.families import (
    EARLY_CLAUDE,
    FAMILIES,
    OTHERS,
    UNTOLD,
    find_family,
)
from nagara.dialects.codec import Target
from nagara.domain.messages import (
    Effort,
    FunctionTool,
    Message,
    Reasoning,
    ReasoningOptions,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

OLD = "anthropic.claude-sonnet-4-5-20250929-v1:0"
BOTH = "us.anthropic.claude-sonnet-4-6"
GPT_OSS = "openai.gpt-oss-120b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
NEW = "global.anthropic.claude-opus-5"
TOOL = FunctionTool(name="f", parameters=msgspec.Raw(b'{"type":"object","properties":{}}'))
HI = Message(Role.USER, (Text("Hi"),))
LOW = ReasoningOptions(effort=Effort.LOW)


def encode(
    reasoning: ReasoningOptions | None,
    model: str,
    *messages: Message,
    drops: tuple[str, ...] = (),
    **fields: Any,
) -> Any:
    request = Request(
        dialect="openai_chat",
        model="m",
        messages=messages or (HI,),
        reasoning=reasoning,
        **fields,
    )
    target = Target(provider="Amazon Bedrock", model=model, maker="anthropic", abilities=ABILITIES)
    encoded = encode_request(request, target)
    assert encoded.dropped == drops
    return json.loads(encoded.body)


def own_fields(reasoning: ReasoningOptions | None, model: str, **fields: Any) -> Any:
    return encode(reasoning, model, **fields).get("additionalModelRequestFields")


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", FAMILIES["anthropic"]),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", FAMILIES["anthropic"]),
        ("anthropic.claude-3-haiku-20240307-v1:0", EARLY_CLAUDE),
        ("anthropic.claude-instant-v1", EARLY_CLAUDE),
        ("eu.amazon.nova-lite-v1:0", FAMILIES["amazon"]),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
            EARLY_CLAUDE,
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0",
            FAMILIES["amazon"],
        ),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/otnfa2ysixqd", UNTOLD),
        ("meta.llama3-70b-instruct-v1:0", OTHERS),
    ],
)
def test_family_is_read_from_the_models_id(model: str, family: object) -> None:
    assert find_family(model) is family


@pytest.mark.parametrize(
    ("model", "options", "fields"),
    [
        (OLD, LOW, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (
            OLD,
            ReasoningOptions(budget_tokens=5000),
            {"thinking": {"type": "enabled", "budget_tokens": 5000}},
        ),
        (
            OLD,
            ReasoningOptions(is_adaptive=True),
            {"thinking": {"type": "enabled", "budget_tokens": 8192}},
        ),
        (
            OLD,
            ReasoningOptions(budget_tokens=10),
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (
            BOTH,
            LOW,
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "low"},
            },
        ),
        (
            BOTH,
            ReasoningOptions(is_adaptive=True, is_shown=False),
            {"thinking": {"type": "adaptive", "display": "omitted"}},
        ),
        (
            BOTH,
            ReasoningOptions(budget_tokens=5000),
            {"thinking": {"type": "enabled", "budget_tokens": 5000}},
        ),
        (
            NEW,
            ReasoningOptions(budget_tokens=9000, is_shown=True),
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "medium"},
            },
        ),
        (OLD, ReasoningOptions(effort=Effort.NONE), {"thinking": {"type": "disabled"}}),
        (
            OLD,
            ReasoningOptions(summary="auto"),
            {"thinking": {"type": "enabled", "budget_tokens": 8192}},
        ),
        (
            "amazon.nova-2-lite-v1:0",
            ReasoningOptions(effort=Effort.XHIGH),
            {"reasoningConfig": {"maxReasoningEffort": "high", "type": "enabled"}},
        ),
        (GPT_OSS, LOW, {"reasoning_effort": "low"}),
        (
            "openai.gpt-oss-120b-1:0",
            ReasoningOptions(effort=Effort.NONE),
            {"reasoning_effort": "low"},
        ),
        (
            "qwen.qwen3-32b-v1:0",
            ReasoningOptions(budget_tokens=8192),
            {"reasoning_config": "medium"},
        ),
        ("meta.llama3-70b-instruct-v1:0", ReasoningOptions(effort=Effort.NONE), None),
    ],
)
def test_reasoning_is_asked_for_in_the_makers_words(
    model: str, options: ReasoningOptions, fields: Any
) -> None:
    assert own_fields(options, model) == fields


@pytest.mark.parametrize("model", ["anthropic.claude-3-haiku-20240307-v1:0", "meta.llama3-1-v1:0"])
def test_reasoning_that_a_model_does_not_have_is_named(model: str) -> None:
    assert own_fields(LOW, model, drops=("reasoning_effort",)) is None


def test_budget_stays_below_what_may_come_out() -> None:
    fields = own_fields(LOW, OLD, output_tokens_max=2000)
    assert 1024 <= fields["thinking"]["budget_tokens"] < 2000
    assert own_fields(LOW, OLD, output_tokens_max=1024, drops=("reasoning_effort",)) is None


def test_forced_tool_goes_before_thinking() -> None:
    choice = ToolChoice(ToolChoiceMode.REQUIRED)
    body = encode(LOW, OLD, tools=(TOOL,), tool_choice=choice, drops=("reasoning_effort",))
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert "additionalModelRequestFields" not in body


def test_turn_of_tools_that_began_without_reasoning_goes_on_without() -> None:
    call = ToolCall(id="c", name="f")
    result = Message(Role.USER, (ToolResult(call_id="c", parts=(Text("x"),)),))
    bare = Message(Role.ASSISTANT, (call,))
    encode(LOW, OLD, HI, bare, result, tools=(TOOL,), drops=("reasoning_effort",))
    thought = Reasoning(text="Hm.", signature=Signature("s", "anthropic"))
    body = encode(LOW, OLD, HI, Message(Role.ASSISTANT, (thought, call)), result, tools=(TOOL,))
    assert "thinking" in body["additionalModelRequestFields"]
    # Models that think as they see fit do not mind.
    assert (
        "thinking"
        in encode(LOW, NEW, HI, bare, result, tools=(TOOL,))["additionalModelRequestFields"]
    )


def test_sampling_gives_way_to_thinking() -> None:
    drops = ("temperature", "top_p", "top_k")
    sampling = {"temperature": 0.5, "top_p": 0.5, "top_k": 5}
    body = encode(LOW, OLD, **sampling, drops=drops)
    assert "inferenceConfig" not in body
    assert "top_k" not in body["additionalModelRequestFields"]
    kept = encode(LOW, OLD, top_p=0.97)
    assert kept["inferenceConfig"] == {"topP": 0.97}
    assert "inferenceConfig" not in encode(None, NEW, **sampling, drops=drops)


def test_claude_takes_the_temperature_or_top_p() -> None:
    body = encode(None, OLD, temperature=0.5, top_p=0.5, drops=("top_p",))
    assert body["inferenceConfig"] == {"temperature": 0.5}
    both = encode(None, "amazon.nova-lite-v1:0", temperature=0.5, top_p=0.5)
    assert both["inferenceConfig"] == {"temperature": 0.5, "topP": 0.5}


def test_what_a_model_does_by_itself_is_dropped_without_a_word() -> None:
    assert "inferenceConfig" not in encode(None, NEW, temperature=1.0, top_p=1.0)


def test_caller_of_anthropics_dialect_says_itself_how_to_think() -> None:
    raw = msgspec.Raw(b'{"type":"enabled","budget_tokens":2000}')
    options = ReasoningOptions(budget_tokens=2000, extras={"thinking": raw})
    request = Request(dialect="anthropic_messages", model="m", messages=(HI,), reasoning=options)
    target = Target(provider="Amazon Bedrock", model=OLD, maker="anthropic", abilities=ABILITIES)
    body = json.loads(encode_request(request, target).body)
    assert body["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 2000}
    }


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (OLD, {"top_k": 5}),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"topK": 5}}),
        ("cohere.command-r-v1:0", {"k": 5}),
        ("mistral.mistral-small-2402-v1:0", {"top_k": 5}),
    ],
)
def test_top_k_stands_where_the_maker_has_it(model: str, fields: Any) -> None:
    assert own_fields(None, model, top_k=5) == fields


def test_top_k_that_a_model_does_not_have_is_named() -> None:
    assert own_fields(None, "meta.llama3-1-v1:0", top_k=5, drops=("top_k",)) is None


def test_temperature_beyond_bedrocks_scale_is_its_highest() -> None:
    body = encode(None, "amazon.nova-lite-v1:0", temperature=1.7, drops=("temperature",))
    assert body["inferenceConfig"] == {"temperature": 1.0}
