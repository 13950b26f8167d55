"""What a conversation of nothing but text looks like, to be read at one look.

Most requests are messages of a role and a text. A dialect reads those with one decoder, whose
struct says what each field may be, and with it knows that nothing else is in the conversation: no
picture, no address, no tool, nothing that somebody signed. Whatever does not fit is no error here:
it is read field by field, by `request_fields`, which names what is wrong.
"""

from typing import Annotated, Literal

import msgspec

from nagara.dialects.request_fields import COUNT_MAX, MODEL_LENGTH_MAX, TOKENS_MAX

ModelId = Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_LENGTH_MAX)]
Cap = Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)]
CapOrZero = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
Count = Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]

UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for anything else."""


class TextPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A part that is text and nothing more."""

    type: Literal["text"]
    text: str


class TextMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message that is text and nothing more."""

    role: str
    content: str | list[TextPart]
    name: str | None = None


TextMessages = Annotated[list[TextMessage], msgspec.Meta(min_length=1)]
