"""What an operation that is no conversation offers: requests to send, and answers to read.

An exchange is one caller's request at one deployment. It may need several calls, since some
providers take fewer inputs at once than a caller may send; their answers are read together. What
a provider has no place for is dropped and named, or refused where the answer would be another.
Pure: whoever sends the bodies and in which order is no matter here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, Fields
from nagara.dialects.translation import Translated
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter, Usage

CALLS_MAX = 2048
"""The most calls that one request may become: as many inputs as OpenAI takes, one at a time."""

_BYTES_PER_TOKEN = 4
BYTES_PER_TOKEN_MIN = 2
"""On an average of many texts: English has some 4, code 3, and a Chinese letter is 3 bytes."""

Answer = TypeVar("Answer")


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an exchange is with, and for whom.

    `provider` is its display name, for messages, and `model` its own name for the model. `form` and
    `traits` are its own ways, explained in the operation's folder. `inputs_max` is how many inputs
    it takes in a call, `tokens_max` how many tokens they may have together, and `file_bytes_max`
    how large a file may be. `seed` is unique to the answer, and `now_s` when it was asked for, as
    Unix time.
    """

    provider: str
    model: str
    caller_model: str
    seed: str = ""
    form: str | None = None
    traits: frozenset[str] = frozenset()
    inputs_max: int | None = None
    tokens_max: int | None = None
    file_bytes_max: int | None = None
    now_s: int = 0


class Exchange(Protocol):
    """One request at one deployment. `places` fill the provider's path."""

    bodies: Sequence[bytes]
    dropped: Sequence[str]
    is_pass_through: bool
    places: Mapping[str, str]

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The caller's answer, from that to each body in turn. Raises `GatewayError`."""


OpenExchange = Callable[[RequestView, Aim], Exchange]


class SoundExchange(Protocol):
    """One request for speech or a transcript at one deployment that has a format of its own.

    `places` and `sends_form` are those of the lanes. `encoding` is there where the stream that it
    opens gives bare samples and the caller wants them in another format.
    """

    body: bytes
    places: Mapping[str, str]
    sends_form: bool
    dropped: Sequence[str]
    media_type: bytes
    encoding: str | None

    def check_media_type(self, said: bytes, *, is_event_stream: bool) -> None:
        """Raise `GatewayError` (UPSTREAM_PROTOCOL) for what is no answer of this format."""

    def read(self, answer: bytes) -> Translated:
        """The caller's answer, of one that came whole. Raises `GatewayError`."""

    def open_stream(
        self, event_bytes_max: int, response_bytes_max: int, *, is_event_stream: bool
    ) -> AnswerStream:
        """The caller's stream, of an answer that comes in events or in any other pieces."""


OpenSound = Callable[[RequestView, Aim], SoundExchange]


def find_names_without_place(fields: Fields, known: frozenset[str]) -> tuple[str, ...]:
    """The fields of a request that say something and are not among the `known`."""
    return tuple(name for name, raw in fields.items() if name not in known and raw != NULL)


def take_present(fields: Fields, names: Mapping[str, str]) -> Fields:
    """The fields that say something, by the names that the provider has for them.

    Several of ours may be one of theirs.
    """
    said = ((theirs, fields.get(ours, NULL)) for ours, theirs in names.items())
    return {theirs: raw for theirs, raw in said if raw != NULL}


def split_inputs(
    inputs: Sequence[msgspec.Raw], inputs_max: int | None, tokens_max: int | None = None
) -> list[Sequence[msgspec.Raw]]:
    """The inputs of each call, in order. Raises `GatewayError` for more calls than are made.

    Tokens are bounded from the bytes, so that calls rather have fewer than they may. An input that
    is too large alone is a call by itself, and its provider says so.
    """
    batches: list[Sequence[msgspec.Raw]] = []
    start = tokens = 0
    for at, each in enumerate(inputs):
        own = 0 if tokens_max is None else _bound_tokens(each)
        is_full = inputs_max is not None and at - start >= inputs_max
        if at > start and (is_full or (tokens_max is not None and tokens + own > tokens_max)):
            batches.append(inputs[start:at])
            start, tokens = at, 0
        tokens += own
    batches.append(inputs[start:])
    if len(batches) > CALLS_MAX:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            f"'input' has {len(inputs)} items, which would be {len(batches)} calls of this "
            f"provider, and no more than {CALLS_MAX} are made. Send them in several requests.",
            param="input",
        )
    return batches


def _bound_tokens(item: msgspec.Raw) -> int:
    """So many tokens, or fewer, of a text or an array of token ids."""
    data = bytes(item)
    if data.startswith(b"["):
        return data.count(b",") + 1
    return len(data) // BYTES_PER_TOKEN_MIN + 1


def cannot_be_given(aim: Aim, what: str, param: str) -> GatewayError:
    """The error of something that must not be left out and the provider cannot be given."""
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"{aim.provider} ({aim.model}) cannot be given {what}, and without that the answer "
        f"would mean something else. Take it out of {param!r}, or choose another model.",
        param=param,
    )


def decode_answer(decoder: msgspec.json.Decoder[Answer], body: bytes) -> Answer:
    """A provider's answer. Raises `GatewayError` (UPSTREAM_PROTOCOL) for anything else."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(str(error)) from error


def unreadable(why: str) -> GatewayError:
    """The error of an answer that is not what the provider's pages say."""
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL, f"The provider's answer cannot be read: {why}."
    )


def estimate_tokens(texts: Sequence[msgspec.Raw]) -> int:
    """About how many tokens these are, where nobody counted them."""
    return -(-sum(map(len, texts)) // _BYTES_PER_TOKEN)


def sum_input(counts: Sequence[int | None], texts: Sequence[msgspec.Raw]) -> Usage:
    """The tokens of several calls, estimated from the texts unless each was counted."""
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or min(known) < 0:
        return Usage({Meter.INPUT: estimate_tokens(texts)}, is_estimated=True)
    return Usage({Meter.INPUT: sum(known)})
