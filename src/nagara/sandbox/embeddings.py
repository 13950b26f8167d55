"""Embeddings without a model: the hashing trick over words, so that shared words mean closeness.

Each word adds to a few components that its hash picks; the sum is scaled to length one. Word order
and meaning are lost, but the cosine of two texts grows with the words they share, which is enough
to try an index or a search. The API is https://platform.openai.com/docs/api-reference/embeddings.
"""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.script import Answered, make_json_script
from nagara.sandbox.text import count_tokens

INPUTS_MAX: Final = 2_048
DIMENSIONS: Final = 1_536
DIMENSIONS_LARGE: Final = 3_072
DIMENSIONS_MAX: Final = 8_192
NUMBERS_MAX: Final = 4_194_304
COMPONENTS_PER_WORD: Final = 8

WORD: Final = re.compile(r"\w+")


def answer_embeddings(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for embeddings. Raises `BadRequest`."""
    inputs = read_inputs(body["input"])
    size = body["dimensions"].find_integer(1, DIMENSIONS_MAX) or default_size(model)
    if len(inputs) * size > NUMBERS_MAX:
        raise body["input"].refuse(f"more than {NUMBERS_MAX} numbers would be the answer")
    encoding = body["encoding_format"]
    is_packed = not encoding.is_absent and encoding.read_choice(("float", "base64")) == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": render(vector, is_packed=is_packed)}
        for index, vector in enumerate(embed(words, size) for words, _ in inputs)
    ]
    tokens = sum(count for _, count in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": model, "usage": usage}
    script = make_json_script(answer, headers=[("x-request-id", ids.make("req_"))])
    return Answered(script, " ".join(body["input"].value) if is_texts(body["input"].value) else "")


def is_texts(value: Any) -> bool:
    """Whether the input is text: one string is a sequence of strings as well."""
    return all(isinstance(item, str) for item in value)


def default_size(model: str) -> int:
    """How many dimensions a model has when the request does not say."""
    return DIMENSIONS_LARGE if model.endswith("-large") else DIMENSIONS


def read_inputs(field: Field) -> list[tuple[list[str], int]]:
    """Each input as its words and the number of its tokens. Raises `BadRequest`."""
    if isinstance(field.value, str):
        return [read_text(field)]
    if not field.is_absent and not isinstance(field.value, list):
        raise field.fail(Problem.TYPE, "a string or an array")
    items = field.read_items(least=1, most=INPUTS_MAX)
    if isinstance(items[0].value, int):
        return [read_tokens(items)]
    if isinstance(items[0].value, list):
        return [read_tokens(item.read_items(least=1)) for item in items]
    return [read_text(item) for item in items]


def read_text(field: Field) -> tuple[list[str], int]:
    """The words of a text."""
    text = field.read_text()
    if not text:
        raise field.refuse("input cannot be an empty string")
    return WORD.findall(text.lower()) or [text], count_tokens(text)


def read_tokens(items: list[Field]) -> tuple[list[str], int]:
    """Token ids stand for words."""
    return [f"token {item.read_integer(0)}" for item in items], len(items)


def embed(words: Iterable[str], size: int) -> list[float]:
    """A vector of length one."""
    vector = [0.0] * size
    for word in words:
        for place, sign in hash_word(word):
            vector[place % size] += sign
    length = math.hypot(*vector)
    if length == 0.0:
        vector[0], length = 1.0, 1.0
    return [component / length if component else 0.0 for component in vector]


@lru_cache(maxsize=4_096)
def hash_word(word: str) -> tuple[tuple[int, float], ...]:
    """The components that a word adds to, before they are brought into range, with signs."""
    digest = hashlib.blake2b(word.encode(), digest_size=4 * COMPONENTS_PER_WORD).digest()
    numbers = struct.unpack(f"<{COMPONENTS_PER_WORD}I", digest)
    return tuple((number >> 1, 1.0 if number & 1 else -1.0) for number in numbers)


def render(vector: list[float], *, is_packed: bool) -> list[float] | str:
    """The numbers, or base64 of them as little-endian 32-bit floats."""
    if not is_packed:
        return [round(component, 8) for component in vector]
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
