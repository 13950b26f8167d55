"""Gemini's endpoints, whose path names the model and what is to be done with it.

A stream is of server-sent events if the query says `alt=sse`, and else one JSON array that grows;
the second is always made by us, since nobody asks an upstream for it.

Source: https://ai.google.dev/api/generate-content
"""

import re
from functools import lru_cache, partial

import msgspec

from nagara.dialects import google_gemini
from nagara.dialects.base import RequestView
from nagara.dialects.codec import Frame, Inbound, StreamEncoder
from nagara.dialects.google_gemini.token_count import (
    encode_count_estimate,
    read_count_request,
    write_count_request,
)
from nagara.dialects.request_fields import MODEL_LENGTH_MAX
from nagara.domain.catalog import Operation
from nagara.operations.endpoint import Endpoint, endpoint

PREFIX = "/v1beta/models/"
COUNT = "countTokens"
METHODS = {"generateContent": False, "streamGenerateContent": True, COUNT: False}
"""Whether the answer is streamed, by the method at the end of the path."""

_PATH = re.compile(rf"/v1(?:beta)?/models/(.{{1,{MODEL_LENGTH_MAX}}}):({'|'.join(METHODS)})")


def _read_request(model: str, is_streamed: bool, body: bytes) -> RequestView:
    view = google_gemini.read_request(body)
    return msgspec.structs.replace(view, model=model, is_streamed=is_streamed)


def _read_count_request(model: str, body: bytes) -> RequestView:
    return msgspec.structs.replace(read_count_request(body), model=model)


def _make_count(model: str) -> Endpoint:
    """Counted by Google where it serves the model, else estimated."""
    made = endpoint(
        Operation.COUNT_CONTENT_TOKENS,
        f"{PREFIX}{{model}}:{COUNT}",
        google_gemini,
        is_translated=False,
        is_free=True,
        forwards_query=False,
        estimate=encode_count_estimate,
    )
    return msgspec.structs.replace(
        made,
        read_request=partial(_read_count_request, model),
        write_request=write_count_request,
    )


def make_endpoint(model: str, method: str) -> Endpoint:
    """The endpoint of one model and method. Its path in logs and lists names no model."""
    if method == COUNT:
        return _make_count(model)
    made = endpoint(
        Operation.GENERATE_CONTENT,
        f"{PREFIX}{{model}}:{method}",
        google_gemini,
        # A caller's key may stand there (`?key=`), which is nobody else's business.
        forwards_query=False,
    )
    read = partial(_read_request, model, METHODS[method])
    return msgspec.structs.replace(made, read_request=read)


GOOGLE_ENDPOINTS = tuple(make_endpoint("{model}", method) for method in METHODS)


@lru_cache(maxsize=1024)
def find_google_endpoint(path: str, is_array: bool) -> Endpoint | None:
    """The endpoint of a path that names a model, or None; `is_array` as the query has it."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    made = make_endpoint(*found.groups())
    if not (METHODS[found[2]] and is_array):
        return made
    return msgspec.structs.replace(
        made,
        dialect=ArrayStreams(),
        is_passed_through=False,
        stream_media_type=b"application/json; charset=utf-8",
    )


class ArrayStreams(Inbound):
    """Gemini for callers whose streams are one JSON array."""

    NAME = google_gemini.NAME
    ABILITIES = google_gemini.ABILITIES
    SILENT_EXTRAS = google_gemini.SILENT_EXTRAS
    NEEDED_EXTRAS = google_gemini.NEEDED_EXTRAS
    decode_request = staticmethod(google_gemini.decode_request)
    encode_response = staticmethod(google_gemini.encode_response)

    def encode_stream(self, frame: Frame) -> StreamEncoder:
        """The encoder of one array."""
        return google_gemini.encode_stream(frame, is_array=True)
