"""Embeddings have the asked-for form, and their cosine follows shared words."""

import base64
import json
import math
import struct
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.embeddings import embed
from nagara.sandbox.operations import write_script


def ask(model: str = "text-embedding-3-small", **body: Any) -> tuple[int, Any]:
    content = json.dumps(body).encode()
    script = write_script(Operation.EMBEDDINGS, model, content, now_s=1, request_id="r")
    return script.status, json.loads(b"".join(s for s in script.steps if isinstance(s, bytes)))


def vectors(**body: Any) -> list[list[float]]:
    _, answer = ask(**body)
    return [item["embedding"] for item in answer["data"]]


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_similarity_follows_shared_words() -> None:
    cat, kitten, bond = vectors(
        input=[
            "the cat sat on the warm mat",
            "a small cat slept on the mat",
            "quarterly bond yields fell sharply",
        ]
    )
    assert dot(cat, cat) == pytest.approx(1.0, abs=1e-5)
    assert dot(cat, kitten) > dot(cat, bond) + 0.2


@pytest.mark.parametrize("size", [1, 2, 7, 256, 8192])
def test_vectors_have_length_one_at_any_size(size: int) -> None:
    for words in (["one"], ["two", "two"], ["a", "b", "c", "d"], ["!"]):
        vector = embed(words, size)
        assert len(vector) == size
        assert math.hypot(*vector) == pytest.approx(1.0)


def test_the_default_size_is_that_of_the_model() -> None:
    assert len(vectors(input="x")[0]) == 1536
    assert len(vectors(input="x", model="text-embedding-3-large")[0]) == 3072


def test_base64_is_little_endian_floats() -> None:
    _, packed = ask(input="x y", dimensions=16, encoding_format="base64")
    plain = vectors(input="x y", dimensions=16)[0]
    numbers = struct.unpack("<16f", base64.b64decode(packed["data"][0]["embedding"]))
    assert list(numbers) == pytest.approx(plain, abs=1e-6)


def test_token_ids_count_as_they_are() -> None:
    _, one = ask(input=[5, 6, 7], dimensions=4)
    _, two = ask(input=[[5, 6], [7]], dimensions=4)
    assert (len(one["data"]), one["usage"]["prompt_tokens"]) == (1, 3)
    assert (len(two["data"]), two["usage"]["prompt_tokens"]) == (2, 3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": [1, -1]}, "input[1]"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 8193}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": ["a"] * 2048, "dimensions": 8192}, "input"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    status, answer = ask(**body)
    assert status == 400
    assert answer["error"]["param"] == param
