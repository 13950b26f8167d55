"""Whatever a caller says, AWS's own model of the API finds no fault."""

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.converse import find_faults
from tests.unit.dialects.bedrock_converse.asked import CLAUDE, PNG, TOOL

from nagara.dialects.bedrock_converse import ABILITIES, encode_request
from nagara.dialects.codec import Target
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    CacheMark,
    Effort,
    Media,
    MediaKind,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

TEXTS = st.text(max_size=8)
PARTS = st.one_of(
    st.builds(Text, TEXTS, cache=st.none() | st.builds(CacheMark, st.sampled_from(["5m", "1h"]))),
    st.builds(ToolCall, id=st.text(max_size=3), name=TEXTS, arguments=TEXTS),
    st.builds(ToolResult, call_id=st.text(max_size=3), parts=st.tuples(st.builds(Text, TEXTS))),
    st.builds(
        Reasoning,
        text=TEXTS,
        signature=st.none() | st.builds(Signature, TEXTS, st.just("anthropic")),
        is_redacted=st.booleans(),
    ),
    st.builds(Refusal, TEXTS),
    st.builds(
        Media,
        kind=st.just(MediaKind.IMAGE),
        media_type=st.sampled_from([None, "image/png", "image/tiff"]),
        data=st.just(PNG),
    ),
    st.builds(
        Media, kind=st.just(MediaKind.DOCUMENT), text=st.just("x"), filename=st.none() | TEXTS
    ),
)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=3).map(tuple)), max_size=5
)
REQUESTS = st.builds(
    Request,
    dialect=st.just("openai_chat"),
    model=st.just("m"),
    messages=MESSAGES.map(tuple),
    tools=st.sampled_from([(), (TOOL,)]),
    tool_choice=st.none() | st.builds(ToolChoice, st.sampled_from(ToolChoiceMode), st.just("f")),
    output_tokens_max=st.none() | st.integers(0, 10**5),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 100),
    stop=st.lists(TEXTS, max_size=2).map(tuple),
    reasoning=st.none()
    | st.builds(
        ReasoningOptions,
        effort=st.none() | st.sampled_from(Effort),
        budget_tokens=st.none() | st.integers(0, 10**5),
        is_adaptive=st.booleans(),
        is_shown=st.none() | st.booleans(),
    ),
    metadata=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
MODELS = st.sampled_from(
    [
        CLAUDE,
        "anthropic.claude-opus-5",
        "us.amazon.nova-2-lite-v1:0",
        "openai.gpt-oss-120b-1:0",
        "x.y",
    ]
)


@given(REQUESTS, MODELS)
@settings(deadline=None, max_examples=150)
def test_no_request_is_written_that_aws_finds_fault_with(request: Request, model: str) -> None:
    target = Target(provider="Amazon Bedrock", model=model, maker="anthropic", abilities=ABILITIES)
    try:
        body = encode_request(request, target).body
    except GatewayError as error:
        reject_unless_refusal(error)
        return
    assert find_faults(body) == []
    roles = [message["role"] for message in json.loads(body)["messages"]]
    assert roles[0] == "user"
    assert all(a != b for a, b in itertools.pairwise(roles))


def reject_unless_refusal(error: GatewayError) -> None:
    """What cannot be said is told to the caller, as the caller's own."""
    assert error.kind in (ErrorKind.UNSUPPORTED, ErrorKind.INVALID_REQUEST)
    assert error.param == "messages"
