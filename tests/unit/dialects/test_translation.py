"""One exchange across dialects: what is told of it to the caller, in the caller's words."""

import pytest

from nagara.dialects import (
    anthropic_messages,
    bedrock_converse,
    google_gemini,
    openai_chat,
    openai_responses,
)
from nagara.dialects.codec import Inbound, Target
from nagara.dialects.translation import ask
from nagara.domain.errors import GatewayError
from nagara.domain.messages import Media, MediaKind, Message, Request, Role

TARGET = Target(provider="Them", model="anthropic.claude-sonnet-4-5", maker="anthropic")


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (openai_chat, "messages"),
        (anthropic_messages, "messages"),
        (openai_responses, "input"),
        (google_gemini, "contents"),
    ],
)
def test_a_refusal_of_an_encoder_names_the_callers_own_parameter(
    caller: Inbound, name: str
) -> None:
    picture = Media(kind=MediaKind.IMAGE, url="https://example.com/a.png")
    request = Request(dialect=caller.NAME, model="m", messages=(Message(Role.USER, (picture,)),))
    with pytest.raises(GatewayError) as caught:
        ask(request, caller, bedrock_converse, TARGET)
    assert caught.value.param == name
    assert f"Take it out of {name!r}" in caught.value.message
