"""Requests that no client should send, as a pure function of a random generator.

Each is well-formed HTTP around a body, a path or a header that is wrong in one way, so that what is
tested is what the gateway makes of the contents. The same seed gives the same requests for ever.
What they must be answered with is not said here.
"""

import gzip
import json
import random
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class MalformedRequest(msgspec.Struct, frozen=True):
    """One request. `kind` names what is wrong with it; `headers` hold no length and no key."""

    kind: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


MODEL = "gpt-4.1-mini"
_TOOL_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_FUNCTION = {"name": "weather", "description": "Looks it up.", "parameters": _TOOL_SCHEMA}

_GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One pixel that lets through."""

VALID_BODIES: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Say hello."}]},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": _TOOL_SCHEMA},
        },
        "max_tokens": 64,
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "/v1/responses": {
        "model": MODEL,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}],
        "instructions": "Be brief.",
        "tools": [{"type": "function", **_FUNCTION}],
        "text": {"format": {"type": "json_schema", "name": "city", "schema": _TOOL_SCHEMA}},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 64,
        "stream": True,
    },
    "/v1/messages": {
        "model": "claude-sonnet-4-5",
        "max_tokens": 64,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}],
        "tools": [{"name": "weather", "input_schema": _TOOL_SCHEMA}],
        "stream": True,
    },
    "/v1/messages/count_tokens": {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "Say hello."}],
    },
    "/v1/embeddings": {
        "model": "text-embedding-3-small",
        "input": ["one", "two"],
        "dimensions": 64,
        "encoding_format": "base64",
    },
    "/v1/moderations": {"model": "omni-moderation-latest", "input": ["one", "two"]},
    "/v1/images/generations": {"model": "gpt-image-2", "prompt": "Hello.", "size": "32x32"},
    "/v1/images/edits": {
        "model": "gpt-image-2",
        "prompt": "Hello.",
        "size": "32x32",
        "images": [{"image_url": f"data:image/gif;base64,{_GIF}"}],
        "mask": {"image_url": f"data:image/gif;base64,{_GIF}"},
    },
}

READ_PATHS = (
    "/", "/healthz", "/readyz", "/v1/models", f"/v1/models/{MODEL}", "/v1/models/none-such",
    "/v1/startups", "/v1/account/balance", "/v1/account/activity?days=7", "/v1/account/keys",
    "/v1/account/keys/987654321",
)  # fmt: skip
UNSERVED_PATHS = (
    "/v1", "/models", "/v1/v1/chat/completions", "/chat/completions", "/v1/none-such",
    "/v1/chat/completions/", "//v1/models", "/v1/../v1/models", "/v1/responses/resp_1",
    "/v1/images/files/none-such", "/v1/audio/voices", "/docs", "/.env",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND")

ODD_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1.5, 10**18, 2**63, 2**64, -(2**64), 10**400, "", " ", "0", "null",
    "a" * 5000, "\x00", "\r\nx-injected: 1", "\u2028\u0085", "\U0001f600", "%s%n{0}", "../../etc",
    [], {}, [[]], [{}], {"": ""}, [None], {"type": None}, ["a", 1, None, {}], {"type": "none-such"},
)  # fmt: skip
"""Legal JSON values that are rarely what a field wants."""


def generate(rng: random.Random) -> MalformedRequest:
    """The next malformed request: mostly bodies to endpoints that read one."""
    choice = rng.random()
    if choice < 0.72:
        return _with_malformed_body(rng, rng.choice(tuple(VALID_BODIES)), "POST")
    if choice < 0.86:
        return _on_any_path(rng)
    if choice < 0.93:
        return _with_odd_header(rng)
    return _with_odd_path(rng)


def _with_malformed_body(rng: random.Random, path: str, method: str) -> MalformedRequest:
    kind, make = rng.choice(_BODIES)
    body, headers = make(rng, VALID_BODIES.get(path, {"name": "fuzz"}))
    return MalformedRequest(kind, method, path, (*_JSON, *headers), body)


def _on_any_path(rng: random.Random) -> MalformedRequest:
    path = rng.choice((*VALID_BODIES, *READ_PATHS, *UNSERVED_PATHS))
    method = rng.choice(METHODS)
    if rng.random() < 0.5:
        return MalformedRequest("method", method, path, (), b"")
    return _with_malformed_body(rng, path, method)


def _with_odd_header(rng: random.Random) -> MalformedRequest:
    path = rng.choice(tuple(VALID_BODIES))
    body = json.dumps(VALID_BODIES[path]).encode()
    name, value = rng.choice(_ODD_HEADERS)
    headers = () if name == "content-type" else _JSON
    return MalformedRequest(f"header {name}", "POST", path, (*headers, (name, value)), body)


def _with_odd_path(rng: random.Random) -> MalformedRequest:
    method = rng.choice(("GET", "POST", "DELETE"))
    return MalformedRequest("path", method, rng.choice(_ODD_PATHS), (), b"")


_JSON = (("content-type", "application/json"),)
_ODD_HEADERS = (
    ("content-type", "text/plain"), ("content-type", "multipart/form-data"), ("content-type", ""),
    ("content-type", "application/json; charset=utf-16"), ("content-encoding", "br"),
    ("content-encoding", "gzip"), ("content-encoding", "gzip, gzip"), ("accept", "image/png"),
    ("x-request-id", "a" * 4000), ("x-request-id", "\xff\xfe"), ("x-request-id", ""),
    ("anthropic-version", "none-such"), ("anthropic-beta", "a," * 500), ("cookie", "a=b; " * 99),
    ("origin", "null"), ("traceparent", "00-zz-zz-zz"), ("if-none-match", '"'),
    ("range", "bytes=9-1"), ("accept-encoding", "br;q=x"), ("content-length-hint", "-1"),
)  # fmt: skip
_ODD_PATHS = (
    "/v1/models/%00", "/v1/models/%FF%FE", "/v1/models/" + "a" * 3000, "/v1/models/%2e%2e%2f",
    "/v1/models/a%0d%0ax-injected:1", "/v1/%63hat/completions", "/v1/models?a=%zz&b=%00",
    "/v1/account/keys/" + "9" * 400, "/v1/account/keys/-1", "/v1/account/keys/1e9",
    "/v1/account/activity?days=" + "9" * 400, "/v1/account/activity?days=x", "/%", "/v1/%",
    "/v1/models/gpt-4.1-mini/../../", "/v1/models/" + "%C3%28" * 50, "/" * 2000, "/v1//models",
)  # fmt: skip

_NUMBERS = (
    "1e999", "-1e999", "9" * 5000, "1" + "0" * 30, "0." + "3" * 3000, "1e-999", "NaN", "Infinity",
    "-0", "0x10", "01", "+1", "1.", "18446744073709551616",
)  # fmt: skip
_BROKEN = (
    b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\\ud800",
    b"\\udc00\\ud800", b"\\u0000", b"\\x41", b"\\u12", b"\n", b"\x00", b"\x7f",
)  # fmt: skip

Headers = tuple[tuple[str, str], ...]
MakeBody = Callable[[random.Random, dict[str, Any]], tuple[bytes, Headers]]


def _random_bytes(rng: random.Random, _valid: dict[str, Any]) -> tuple[bytes, Headers]:
    return rng.randbytes(rng.choice((0, 1, 2, 17, 300, 20_000))), ()


def _truncated(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    body = json.dumps(valid).encode()
    return body[: rng.randrange(len(body))], ()


def _flipped_byte(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    body = bytearray(json.dumps(valid).encode())
    body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body), ()


def _deep_nesting(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    depth = rng.choice((50, 1_000, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"type":"object","items":', "}")))
    nested = opening * depth + "1" + closing * depth * rng.randrange(2)
    field = rng.choice((*valid, "metadata"))
    body = json.dumps({**valid, field: "NESTED"}).replace('"NESTED"', nested)
    return rng.choice((body, nested)).encode(), ()


def _huge_number(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    number = rng.choice(_NUMBERS)
    fields = ("max_tokens", "max_output_tokens", "temperature", "dimensions", "n", "seed", "top_p")
    body = json.dumps({**valid, rng.choice(fields): "NUMBER"})
    return body.replace('"NUMBER"', number).encode(), ()


def _wrong_type(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    return json.dumps(_with_odd_node(rng, valid)).encode(), ()


def _with_odd_node(rng: random.Random, node: object) -> object:
    """`node` with an odd value in one place of it, or with one member gone."""
    if not isinstance(node, dict | list) or not node or rng.random() < 0.15:
        return rng.choice(ODD_VALUES)
    if isinstance(node, list):
        index = rng.randrange(len(node))
        return [*node[:index], _with_odd_node(rng, node[index]), *node[index + 1 :]]
    name = rng.choice(tuple(node))
    if rng.random() < 0.2:
        return {key: value for key, value in node.items() if key != name}
    return {**node, name: _with_odd_node(rng, node[name])}


def _not_an_object(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    return json.dumps(rng.choice((*ODD_VALUES, [valid], json.dumps(valid)))).encode(), ()


def _wrong_encoding(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    text = json.dumps(valid).replace("hello", "h\xe9llo \u20ac")
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252"))
    return text.encode(encoding), ()


def _broken_text(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    broken = rng.choice(_BROKEN)
    target = rng.choice((b"hello", b"model", b"gpt", b"one"))
    return json.dumps(valid).encode().replace(target, broken, 1), ()


_BOMB = gzip.compress(b" " * 20_000_000, mtime=0)
"""20 MB once it is unpacked."""


def _compressed(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    body = json.dumps(valid).encode()
    gzipped = gzip.compress(body, mtime=0)
    packed, name = rng.choice((
        (gzipped, "gzip"), (zlib.compress(body), "deflate"), (body, "gzip"),
        (gzipped[:-9], "gzip"), (gzipped, "none-such"), (_BOMB, "gzip"),
    ))  # fmt: skip
    return packed, (("content-encoding", name),)


def _duplicate_keys(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    name = rng.choice(tuple(valid))
    again = f"{json.dumps(name)}: {json.dumps(rng.choice(ODD_VALUES))}"
    body = json.dumps(valid)
    return rng.choice((f"{{{again}, {body[1:]}", f"{body[:-1]}, {again}}}")).encode(), ()


def _trailing_data(rng: random.Random, valid: dict[str, Any]) -> tuple[bytes, Headers]:
    tail = rng.choice((b"{}", b"\x00", b",", b"]", b"\n\n// comment", b"\xef\xbb\xbf"))
    return json.dumps(valid).encode() + tail, ()


_BODIES: tuple[tuple[str, MakeBody], ...] = (
    ("random bytes", _random_bytes),
    ("truncated", _truncated),
    ("flipped byte", _flipped_byte),
    ("deep nesting", _deep_nesting),
    ("huge number", _huge_number),
    ("wrong type", _wrong_type),
    ("wrong type", _wrong_type),
    ("wrong type", _wrong_type),
    ("not an object", _not_an_object),
    ("wrong encoding", _wrong_encoding),
    ("broken text", _broken_text),
    ("compressed", _compressed),
    ("duplicate keys", _duplicate_keys),
    ("trailing data", _trailing_data),
)
