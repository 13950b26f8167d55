"""Requests of nothing but text: read at one look to the same that is read field by field."""

import json
from typing import Any

import msgspec
import pytest

from nagara.dialects import anthropic_messages, openai_chat
from nagara.dialects.anthropic_messages import request as messages_request
from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import read_fields
from nagara.dialects.openai_chat import request as chat_request
from nagara.domain.errors import GatewayError

HI = [{"role": "user", "content": "Hi"}]
PLAIN: list[dict[str, Any]] = [
    {},
    {"stream": True, "temperature": 0.5, "stop": ["x"]},
    {"stream": None, "max_tokens": None},
    {"max_tokens": 7},
    {"messages": [{"role": "system", "content": "Be brief."}, *HI]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Grüße"}]}]},
    {"messages": [{"role": "user", "content": 'a "type" of _url" and "1h", nagara1-'}]},
]
PLAIN_CHATS: list[dict[str, Any]] = [
    {"n": 3, "max_completion_tokens": 5},
    {"max_completion_tokens": 5, "max_tokens": 9},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": None},
    {"messages": [{"role": "user", "name": "ann", "content": "Hi"}]},
]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
OTHER_CHATS: list[dict[str, Any]] = [
    {"tools": []},
    {"service_tier": "flex"},
    {"messages": [{"role": "user", "content": [IMAGE]}]},
    {"messages": [{"role": "user", "content": [{"image_url": {"url": "https://x"}}]}]},
    {"messages": [{"role": "assistant", "content": "", "audio": {"id": "audio_1"}}]},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache": 1}]}]},
]
OTHER_MESSAGES: list[dict[str, Any]] = [
    {"tools": []},
    {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
    {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
]
WRONG: list[dict[str, Any]] = [
    {"model": ""},
    {"model": "m" * 257},
    {"model": 1},
    {"messages": []},
    {"messages": "Hi"},
    {"stream": "yes"},
    {"max_tokens": -1},
    {"max_tokens": 1.5},
]


def body(asked: dict[str, Any]) -> bytes:
    return json.dumps({"model": "mini", "messages": HI} | asked).encode()


def by_field(module: Any, data: bytes) -> RequestView:
    view: RequestView = module._read_any(read_fields(data))
    return view


@pytest.mark.parametrize("asked", [*PLAIN, *PLAIN_CHATS])
def test_chat_of_text_is_read_as_field_by_field(asked: dict[str, Any]) -> None:
    view, slowly = openai_chat.read_request(body(asked)), by_field(chat_request, body(asked))
    assert view.is_plain
    assert msgspec.structs.replace(view, is_plain=False) == slowly
    assert openai_chat.measure(view).text_bytes == openai_chat.measure(slowly).text_bytes
    assert not openai_chat.measure(view).may_have_files


@pytest.mark.parametrize("asked", PLAIN)
def test_message_of_text_is_read_as_field_by_field(asked: dict[str, Any]) -> None:
    view = anthropic_messages.read_request(body(asked))
    slowly = by_field(messages_request, body(asked))
    assert view.is_plain
    assert msgspec.structs.replace(view, is_plain=False) == slowly
    found, wanted = anthropic_messages.measure(view), anthropic_messages.measure(slowly)
    assert (found.text_bytes, found.output_tokens_max) == (
        wanted.text_bytes,
        wanted.output_tokens_max,
    )


# An escape or a word may be what it is not where only bytes are looked at, which errs upwards.
@pytest.mark.parametrize("asked", PLAIN[:5])
def test_text_is_measured_alike(asked: dict[str, Any]) -> None:
    for dialect, module in (
        (openai_chat, chat_request),
        (anthropic_messages, messages_request),
    ):
        view = dialect.read_request(body(asked))
        assert dialect.measure(view) == dialect.measure(by_field(module, body(asked)))


@pytest.mark.parametrize("asked", OTHER_CHATS)
def test_chat_of_more_than_text_is_not_plain(asked: dict[str, Any]) -> None:
    view = openai_chat.read_request(body(asked))
    assert not view.is_plain
    assert view == by_field(chat_request, body(asked))


@pytest.mark.parametrize("asked", OTHER_MESSAGES)
def test_message_of_more_than_text_is_not_plain(asked: dict[str, Any]) -> None:
    view = anthropic_messages.read_request(body(asked))
    assert not view.is_plain
    assert view == by_field(messages_request, body(asked))


def test_name_in_escapes_hides_nothing() -> None:
    hidden = b'{"model":"mini","messages":[{"role":"user","content":[{"\\u0074ype":"image_url"}]}]}'
    assert not openai_chat.read_request(hidden).is_plain
    tools = b'{"model":"mini","messages":[{"role":"user","content":"Hi"}],"t\\u006fols":[]}'
    assert not openai_chat.read_request(tools).is_plain


def test_of_two_fields_of_one_name_the_later_counts() -> None:
    twice = b'{"model":"a","max_tokens":5,"messages":[{"role":"user","content":"Hi"}],'
    view = openai_chat.read_request(twice + b'"max_tokens":9,"model":"b"}')
    assert (view.model, view.output_tokens_max, view.is_plain) == ("b", 9, True)
    written = openai_chat.write_request(view, "b", asks_usage=False)
    assert (written.count(b'"model"'), written.count(b'"max_tokens"')) == (1, 1)


@pytest.mark.parametrize("asked", WRONG)
def test_error_names_the_field(asked: dict[str, Any]) -> None:
    (name,) = asked
    for dialect in (openai_chat, anthropic_messages):
        with pytest.raises(GatewayError) as caught:
            dialect.read_request(body(asked))
        assert caught.value.param == name
