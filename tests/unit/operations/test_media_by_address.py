"""What has to be fetched for which provider, and what a request is with it."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects import addresses
from nagara.dialects.addresses import ESCAPED_CHARACTERS_MAX, FetchedFile, locate, show
from nagara.dialects.json_fields import decode_untyped, read_fields
from nagara.dialects.media_types import FileType
from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import MediaKind
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking, Lane, choose_lane
from nagara.providers import PROVIDERS

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").decode()
PDF = base64.b64encode(b"%PDF-1.7\n%%EOF").decode()
URL = "https://example.com/a.png"
IMAGE = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://example.com/a.pdf"}}
TEXT = {"type": "text", "text": "What is it? See https://example.com/b.png"}
FILES = {
    URL: FetchedFile(FileType(MediaKind.IMAGE, "image/png"), PNG),
    "https://example.com/a.pdf": FetchedFile(FileType(MediaKind.DOCUMENT, "application/pdf"), PDF),
}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GEMINI = "/v1beta/models/{model}:generateContent"


def ask(path: str, **fields: Any) -> Asking:
    endpoint = ENDPOINTS[path]
    return Asking(
        endpoint=endpoint,
        view=endpoint.read_request(json.dumps({"model": "m", **fields}).encode()),
        request_id="r",
        seed="0",
        now_s=0,
        is_enveloped=False,
        recall=lambda key: None,
        fetched={},
    )


def said(*parts: Any, path: str = CHAT) -> Asking:
    """A request whose user says these parts, in Chat's words or another dialect's."""
    name = {RESPONSES: "input", GEMINI: "contents"}.get(path, "messages")
    content = "parts" if path == GEMINI else "content"
    more = {"max_tokens": 9} if path == MESSAGES else {}
    return ask(path, **{name: [{"role": "user", content: list(parts)}]}, **more)


def to(provider: str, *operations: Operation) -> Deployment:
    known = PROVIDERS[provider]
    if operations:
        known = msgspec.structs.replace(known, paths={o: known.paths[o] for o in operations})
    return Deployment(name=provider, provider=known, model="m")


def wanted(asking: Asking, deployment: Deployment) -> list[tuple[str, str]]:
    return [(each.url, each.param) for each in choose_lane(asking, deployment).wanted]


def filled(asking: Asking, deployment: Deployment) -> Lane:
    lane = choose_lane(msgspec.structs.replace(asking, fetched=FILES), deployment)
    assert not lane.wanted
    return lane


BEDROCK, OLLAMA = to("bedrock"), to("ollama")
GOOGLE, ANTHROPIC, OPENAI = to("google"), to("anthropic"), to("openai")


@pytest.mark.parametrize(
    ("deployment", "parts"),
    [
        (OPENAI, [IMAGE]),
        (to("openrouter"), [IMAGE, FILE]),
        (ANTHROPIC, [IMAGE, FILE]),
        (GOOGLE, [IMAGE, FILE]),
        (to("mistral"), [IMAGE, FILE]),
        (to("compatible"), [IMAGE]),
        (to("sandbox"), [IMAGE, FILE]),
        # OpenAI has documents by their addresses in Responses alone, which it speaks too.
        (OPENAI, [FILE]),
    ],
)
def test_nothing_is_fetched_for_who_does_it_themselves(
    deployment: Deployment, parts: list[Any]
) -> None:
    lane = choose_lane(said(TEXT, *parts), deployment)
    assert not lane.wanted
    assert b"https://example.com/a." in lane.body
    assert b"base64" not in lane.body


@pytest.mark.parametrize(
    ("deployment", "parts", "body"),
    [
        (BEDROCK, [IMAGE], f'"source":{{"bytes":"{PNG}"}}'),
        (BEDROCK, [FILE], f'"source":{{"bytes":"{PDF}"}}'),
        (OLLAMA, [IMAGE], f"data:image/png;base64,{PNG}"),
        (to("lmstudio"), [IMAGE], f"data:image/png;base64,{PNG}"),
        (to("vllm"), [IMAGE], f"data:image/png;base64,{PNG}"),
        (to("llama_cpp"), [IMAGE], f"data:image/png;base64,{PNG}"),
        (to("moonshot"), [IMAGE], f"data:image/png;base64,{PNG}"),
        (to("openai", Operation.CHAT), [FILE], f'"file_data":"data:application/pdf;base64,{PDF}"'),
    ],
)
def test_file_is_put_in_for_who_does_not_fetch_it(
    deployment: Deployment, parts: list[Any], body: str
) -> None:
    asking = said(TEXT, *parts)
    [(url, param)] = wanted(asking, deployment)
    assert url in FILES
    assert param in (
        "messages[0].content[1].image_url.url",
        "messages[0].content[1].file.file_data",
    )
    assert choose_lane(asking, deployment).body == b""
    lane = filled(asking, deployment)
    assert body in lane.body.decode()
    assert b"example.com/a." not in lane.body
    assert b"example.com/b.png" in lane.body


@pytest.mark.parametrize(
    ("asking", "param"),
    [
        (said(TEXT, IMAGE), "messages[0].content[1].image_url.url"),
        (
            said({"type": "input_image", "image_url": URL}, path=RESPONSES),
            "input[0].content[0].image_url",
        ),
        (
            said({"type": "image", "source": {"type": "url", "url": URL}}, path=MESSAGES),
            "messages[0].content[0].source.url",
        ),
        (
            said({"fileData": {"fileUri": URL, "mimeType": "image/png"}}, path=GEMINI),
            "contents[0].parts[0].fileData.fileUri",
        ),
    ],
)
@pytest.mark.parametrize("provider", ["bedrock", "ollama"])
def test_every_caller_is_told_their_own_parameter(
    asking: Asking, param: str, provider: str
) -> None:
    assert wanted(asking, to(provider)) == [(URL, param)]
    assert PNG.encode() in filled(asking, to(provider)).body


def test_results_of_tools_have_their_pictures_fetched_too() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": URL}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture]}
    messages = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    asking = ask(MESSAGES, max_tokens=9, messages=messages)
    assert wanted(asking, BEDROCK) == [(URL, "messages[2].content[0].content[0].source.url")]
    assert PNG.encode() in filled(asking, BEDROCK).body


def test_address_that_is_named_twice_is_wanted_once() -> None:
    assert len(wanted(said(IMAGE, TEXT, IMAGE), BEDROCK)) == 1


def test_what_is_refused_anyway_is_not_fetched_for() -> None:
    asking = ask(CHAT, messages=[{"role": "user", "content": [IMAGE]}], n=2)
    with pytest.raises(GatewayError) as caught:
        choose_lane(asking, BEDROCK)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == "n"


def test_where_nothing_can_be_fetched_an_address_is_refused_as_ever() -> None:
    asking = msgspec.structs.replace(said(IMAGE), fetched=None)
    with pytest.raises(GatewayError, match="by its address") as caught:
        choose_lane(asking, BEDROCK)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert choose_lane(asking, OLLAMA).is_pass_through


def test_request_in_the_providers_dialect_is_forwarded_unless_its_server_fetches_nothing() -> None:
    assert choose_lane(said(TEXT), OLLAMA).is_pass_through
    inline = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert choose_lane(said(TEXT, inline), OLLAMA).is_pass_through
    assert not choose_lane(said(TEXT, IMAGE), OLLAMA).is_pass_through
    assert choose_lane(said(TEXT, IMAGE), OPENAI).is_pass_through
    # What cannot be read is the provider's to refuse, unless it would fetch something before that.
    broken = ask(CHAT, messages=[{"role": "user", "content": [IMAGE, 5]}])
    assert choose_lane(broken, OPENAI).is_pass_through
    with pytest.raises(GatewayError) as caught:
        choose_lane(broken, OLLAMA)
    assert caught.value.param == "messages[0].content[1]"


def chat_of(content: bytes) -> Asking:
    endpoint = ENDPOINTS[CHAT]
    body = b'{"model": "m", "messages": [{"role": "user", "content": [%b]}]}' % content
    asking = said(TEXT)
    return msgspec.structs.replace(asking, view=endpoint.read_request(body))


INNER = b"http://10.0.0.1/a.png"


@pytest.mark.parametrize("server", ["vllm", "llama_cpp", "ollama", "lmstudio"])
@pytest.mark.parametrize(
    "part",
    [
        b'{"type": "image_url", "image_url": {"url": "\\u0068ttp://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"u\\u0072l": "http://10.0.0.1/a.png"}}',
        b'{"type": "image\\u005furl", "image\\u005fur\\u006c": {"\\u0075rl": "http://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "data:,", "url": "http://10.0.0.1/a.png"}}',
    ],
)
def test_address_in_any_spelling_of_json_is_fetched_here(server: str, part: bytes) -> None:
    lane = choose_lane(chat_of(part), to(server))
    assert [each.url for each in lane.wanted] == [INNER.decode()]
    assert INNER not in lane.body


@pytest.mark.parametrize("server", ["vllm", "llama_cpp", "ollama", "lmstudio"])
@pytest.mark.parametrize(
    "part",
    [
        b'{"type": "image_url", "image_url": {"url": " http://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "\\thttp://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "ht\\ntp://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "http:/10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}',
        b'{"type": "image_url", "image_url": {"url": "ftp://10.0.0.1/a.png"}}',
        b'{"image_url": "http://10.0.0.1/a.png"}',
        b'{"audio_url": {"url": "http://10.0.0.1/a.png"}}',
        b'{"type": "input_image", "image_url": "http://10.0.0.1/a.png"}',
        b'{"type": "image", "source": {"type": "url", "url": "http://10.0.0.1/a.png"}}',
        b'{"type": ["image_url"], "image_url": {"url": "http://10.0.0.1/a.png"}}',
        b'{"type": "image_url", "image_url": {"url": "http://10.0.0.1/a.png"}}, 5',
    ],
)
def test_address_that_only_a_server_would_fetch_is_refused(server: str, part: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        choose_lane(chat_of(part), to(server))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param is not None
    assert caught.value.param.startswith("messages[0].content[")


def test_addresses_that_are_only_spoken_of_are_forwarded_to_a_server() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "fetch", "input": {"url": URL}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": URL}
    asking = ask(
        MESSAGES,
        max_tokens=9,
        messages=[
            {"role": "user", "content": f"See {URL}, a 'url'"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    )
    assert choose_lane(asking, to("vllm")).is_pass_through
    quoted = {"type": "url_citation", "url_citation": {"url": URL, "title": "A"}}
    answer = {"role": "assistant", "content": "A.", "annotations": [quoted]}
    asking = ask(CHAT, messages=[answer, {"role": "user", "content": "Go on."}])
    assert choose_lane(asking, to("vllm")).is_pass_through


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_server_in_the_operators_network_is_led_nowhere_by_any_field(kind: str) -> None:
    url = f"https://example.com/a.{kind}"
    asking = said(TEXT, {"type": f"{kind}_url", f"{kind}_url": {"url": url}})
    param = f"messages[0].content[1].{kind}_url.url"
    assert wanted(asking, to("vllm")) == [(url, param)]
    file = FetchedFile(FileType(MediaKind(kind), f"{kind}/mp4"), "AAAA")
    lane = choose_lane(msgspec.structs.replace(asking, fetched={url: file}), to("vllm"))
    assert url.encode() not in lane.body
    assert b"AAAA" in lane.body
    # Elsewhere it is a field of the server's own, of which nothing is known here.
    assert choose_lane(asking, to("compatible")).is_pass_through


@pytest.mark.parametrize(
    "url", ["https://example.com/picture", "https://example.com/book.pdf?x=a.png"]
)
def test_gemini_is_given_bytes_where_nothing_says_what_an_image_is(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert [each for each, _ in wanted(said(part), GOOGLE)] == [url]


def test_a_page_of_youtube_is_handed_on_to_gemini() -> None:
    url = "https://www.youtube.com/watch?v=abc"
    part = {"fileData": {"fileUri": url}}
    lane = choose_lane(said(part, path=GEMINI), GOOGLE)
    assert not lane.wanted
    assert url.encode() in lane.body


def test_image_that_is_something_else_is_refused_because_an_image_is_held_for() -> None:
    asking = msgspec.structs.replace(said(IMAGE), fetched={URL: FILES["https://example.com/a.pdf"]})
    with pytest.raises(GatewayError) as caught:
        choose_lane(asking, BEDROCK)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param == "messages[0].content[0].image_url.url"
    assert "must be an image file" in caught.value.message
    assert "is application/pdf" in caught.value.message


@pytest.mark.parametrize(
    ("asking", "is_image"),
    [
        (said(IMAGE), True),
        (said(FILE), False),
        (said({"type": "video_url", "video_url": {"url": URL}}), False),
        (said({"type": "audio_url", "audio_url": {"url": URL}}), False),
        (said({"type": "input_image", "image_url": URL}, path=RESPONSES), True),
        (said({"type": "input_file", "file_url": URL}, path=RESPONSES), False),
        (said({"type": "image", "source": {"type": "url", "url": URL}}, path=MESSAGES), True),
        (said({"type": "document", "source": {"type": "url", "url": URL}}, path=MESSAGES), False),
        (said({"fileData": {"fileUri": URL, "mimeType": "image/png"}}, path=GEMINI), False),
    ],
)
def test_what_is_held_is_enough_for_any_file(asking: Asking, is_image: bool) -> None:
    """An image's most where it has to be an image, and else all that the model can read."""
    demand = asking.endpoint.measure(asking.view)
    assert demand.image_count == (1 if is_image else 0)
    assert demand.has_unseen_input is not is_image
    assert demand.has_media_input


def test_document_may_turn_out_to_be_a_picture() -> None:
    fetched = {"https://example.com/a.pdf": FILES[URL]}
    asking = msgspec.structs.replace(said(FILE), fetched=fetched)
    assert (
        f'"image":{{"format":"png","source":{{"bytes":"{PNG}"}}}}'
        in choose_lane(asking, BEDROCK).body.decode()
    )


def data_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("data:image/png;base64,%%%", "other characters"),
        ("data:image/png;base64,iVBO*Rw0", "other characters"),
        ("data:image/png;base64,iVBO=Rw0", "other characters"),
        ("data:image/png;base64,iVBOR", "not whole"),
        ("data:image/png;base64,iVBO=", "not whole"),
        ("data:image/png;base64,iVBO====", "other characters"),
        ("data:image/png;base64,\u00e9\u00e9\u00e9\u00e9", "other characters"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png;base64", "no comma"),
        (f"data:image/png;base64,{PDF}", "is application/pdf"),
        ("data:application/pdf;base64,AAAA", "said to be 'application/pdf'"),
        ("data:image/svg+xml,%3Csvg%3E", "an SVG"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "an SVG"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["bedrock", "google", "anthropic"])
def test_data_that_is_no_image_in_base64_is_400(url: str, what: str, provider: str) -> None:
    with pytest.raises(GatewayError) as caught:
        choose_lane(said(TEXT, data_part(url)), to(provider))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param == "messages[0].content[1].image_url.url"
    assert what in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PNG}",
        f"data:image/png;base64,{PNG.rstrip('=')}",
        f"data:;base64,{PNG}",
        f"data:image/png;name=a.png;base64,{PNG}",
        f"data:application/octet-stream;base64,{PNG}",
        "data:image/png;base64," + "\r\n".join(PNG[i : i + 8] for i in range(0, len(PNG), 8)),
        "data:image/png;base64," + PNG.replace("=", "%3D"),
        "data:image/png;base64," + PNG.replace("=", "%3d").replace("/", "%2f").replace("+", "%2B"),
        "data:image/png;base64," + "%0D%0A".join(PNG[i : i + 8] for i in range(0, len(PNG), 8)),
        "DATA:image/png;base64," + PNG,
        "data:image/png," + "".join(f"%{byte:02x}" for byte in base64.b64decode(PNG)),
    ],
)
@pytest.mark.parametrize("provider", ["bedrock", "google", "anthropic"])
def test_every_spelling_of_a_data_url_is_the_same_image(url: str, provider: str) -> None:
    lane = choose_lane(said(data_part(url)), to(provider))
    assert f'"{PNG}"' in lane.body.decode()
    assert b"image/png" in lane.body or b'"format":"png"' in lane.body


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_arrive_as_they_were_sent(content: bytes) -> None:
    data = base64.b64encode(content).decode()
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}
    part = {"type": "file", "file": file}
    assert f'"bytes":"{data}"' in choose_lane(said(part), BEDROCK).body.decode()


def test_place_of_a_text_is_found_wherever_it_is() -> None:
    fields = read_fields(
        json.dumps({"a": [1, {"b": "x"}, {"c": ["data:;base64,y"]}], "d": "x"}).encode()
    )
    assert locate(fields, "x") == "a[1].b"
    assert locate(fields, "y") == "a[2].c[0]"
    assert locate(fields, "z") is None


def test_places_of_many_files_are_looked_up_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def count(data: bytes) -> Any:
        decoded.append(data)
        return decode_untyped(data)

    monkeypatch.setattr(addresses, "decode_untyped", count)
    images = [
        {"type": "image_url", "image_url": {"url": f"https://example.com/{i % 200}.png"}}
        for i in range(400)
    ]
    found = wanted(said(*images), BEDROCK)
    assert found[::199] == [
        ("https://example.com/0.png", "messages[0].content[0].image_url.url"),
        ("https://example.com/199.png", "messages[0].content[199].image_url.url"),
    ]
    # As often as the body has fields: the time that it takes grows with the body alone.
    assert len(decoded) <= 2


def test_escaped_data_that_is_no_base64_is_bounded() -> None:
    with pytest.raises(GatewayError) as caught:
        choose_lane(said(data_part("data:image/png," + "%89" * ESCAPED_CHARACTERS_MAX)), BEDROCK)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert "send it as base64" in caught.value.message


def test_shown_address_has_no_secret_in_it() -> None:
    assert show("https://u:pw@example.com/a.png?sig=secret#x") == "'https://…@example.com/a.png'"
    assert len(show("https://example.com/" + "a" * 500)) < 90


def instructed(url: str, *, is_midway: bool) -> Asking:
    picture = {"type": "image_url", "image_url": {"url": url}}
    instructions = {"role": "system", "content": [{"type": "text", "text": "Like this:"}, picture]}
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]
    messages = [*said, instructions] if is_midway else [instructions, *said]
    return ask(CHAT, messages=[*messages, {"role": "user", "content": "Draw."}])


@pytest.mark.parametrize("url", [URL, f"data:image/png;base64,{PNG}"])
@pytest.mark.parametrize(
    ("provider", "is_midway"),
    [("bedrock", False), ("google", False), ("anthropic", False), ("anthropic", True)],
)
def test_picture_in_instructions_is_refused_where_they_are_text(
    provider: str, url: str, is_midway: bool
) -> None:
    with pytest.raises(GatewayError) as caught:
        filled(instructed(url, is_midway=is_midway), to(provider))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "messages")


@pytest.mark.parametrize("provider", ["bedrock", "google", "openai"])
def test_picture_in_instructions_stays_where_they_are_a_turn(provider: str) -> None:
    asking = instructed(f"data:image/png;base64,{PNG}", is_midway=True)
    assert PNG in filled(asking, to(provider)).body.decode()


READ: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": "x", "messages": [{"role": "user", "content": [IMAGE]}]}),
    ("/v1/embeddings", {"input": "x", "image_url": URL}),
    ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": [IMAGE]}]}),
    ("/v1/rerank", {"query": "x", "documents": ["a"], "data_1": {"content": [IMAGE]}}),
]


@pytest.mark.parametrize(("path", "fields"), READ)
def test_server_is_led_nowhere_by_what_it_counts_embeds_or_ranks(
    path: str, fields: dict[str, Any]
) -> None:
    # Nothing is fetched for these, whatever is set.
    asking = msgspec.structs.replace(ask(path, **fields), fetched=None)
    with pytest.raises(GatewayError) as caught:
        choose_lane(asking, to("vllm"))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param is not None
    text = {"input": f"See {URL}", "query": "x", "documents": [f"See {URL}"]}
    said = {"messages": [{"role": "user", "content": f"See {URL}"}]}
    assert choose_lane(ask(path, **text, **said), to("vllm")).body
