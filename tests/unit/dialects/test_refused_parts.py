"""A part that a provider cannot be given is refused under the name that its caller knows."""

import pytest

from nagara.dialects.codec import Target
from nagara.domain.catalog import Operation
from nagara.domain.errors import GatewayError
from nagara.domain.messages import Media, MediaKind, Message, Request, Role, Text, ToolResult
from nagara.operations.conversation import DIALECTS

PLACES = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic_messages": "messages",
    "google_gemini": "contents",
}
REFUSED = {
    Operation.CHAT: Media(kind=MediaKind.VIDEO, url="https://a/b.mp4"),
    Operation.RESPONSES: Media(kind=MediaKind.VIDEO, url="https://a/b.mp4"),
    Operation.MESSAGES: Media(kind=MediaKind.AUDIO, data="AAAA", media_type="audio/wav"),
    Operation.GENERATE_CONTENT: Media(kind=MediaKind.DOCUMENT, file_id="file-1"),
    Operation.CONVERSE: Media(kind=MediaKind.IMAGE, url="https://a/b.png"),
}


def refusal(operation: Operation, caller: str, *messages: Message) -> GatewayError:
    upstream = DIALECTS[operation]
    target = Target(provider="Them", model="m", maker="them", abilities=upstream.ABILITIES)
    with pytest.raises(GatewayError) as caught:
        upstream.encode_request(Request(dialect=caller, model="m", messages=messages), target)
    return caught.value


@pytest.mark.parametrize("caller", PLACES)
@pytest.mark.parametrize("operation", REFUSED)
def test_media_are_refused_in_the_callers_words(operation: Operation, caller: str) -> None:
    error = refusal(operation, caller, Message(Role.USER, (Text("Look."), REFUSED[operation])))
    assert error.param == PLACES[caller]
    assert repr(PLACES[caller]) in error.message


@pytest.mark.parametrize("caller", PLACES)
def test_result_without_its_call_is_refused_in_the_callers_words(caller: str) -> None:
    result = Message(Role.USER, (ToolResult(call_id="call_1", parts=(Text("It rains."),)),))
    error = refusal(Operation.MESSAGES, caller, Message(Role.USER, (Text("Hi"),)), result)
    assert error.param == PLACES[caller]


def test_instructions_that_are_no_text_are_refused_in_the_callers_words() -> None:
    picture = Message(Role.SYSTEM, (Media(kind=MediaKind.IMAGE, url="https://a/b.png"),))
    names = {"openai_chat": "messages", "openai_responses": "instructions",
             "anthropic_messages": "system", "google_gemini": "systemInstruction"}  # fmt: skip
    for caller, name in names.items():
        assert refusal(Operation.GENERATE_CONTENT, caller, picture).param == name
