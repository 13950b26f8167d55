"""What each provider's format of transcripts offers, as a module of these functions."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from nagara.dialects.exchange import Aim
from nagara.dialects.transcripts.request import TranscriptRequest
from nagara.dialects.transcripts.transcript import Transcript


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the provider's words: the fields of a form, or JSON with a place for the file.

    `places` fill its path.
    """

    body: bytes
    is_form: bool = True
    places: Mapping[str, str] = {}


class Said(msgspec.Struct, frozen=True):
    """What one event says: some more text, all of it at the end, or neither."""

    delta: str = ""
    whole: Transcript | None = None


class Listening(Protocol):
    """One answer that comes in events."""

    def take(self, data: bytes) -> Said:
        """What an event's data says. Raises `GatewayError`."""

    def close(self) -> Transcript | None:
        """All that was heard, at an orderly end; None if the end has not been reached."""


class Wire(Protocol):
    """One format."""

    KNOWN: frozenset[str]
    """The fields that it has words for, beyond those that every format has."""
    HAS_TIMES: bool
    """Whether it says when something was said."""

    def encode(self, request: TranscriptRequest, aim: Aim) -> Asked:
        """The request. Raises `GatewayError` for what must not be left out."""

    def decode(self, body: bytes, request: TranscriptRequest, aim: Aim) -> Transcript:
        """A whole answer. Raises `GatewayError` for what cannot be read."""

    def listen(self, request: TranscriptRequest, aim: Aim) -> Listening:
        """The reader of an answer that comes in events."""
