"""The request id: the caller's own if it is fit to be logged, else one of ours."""

import re
from collections.abc import Sequence

from nagara.runtime import make_id

_FIT = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def take_request_id(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The value of `x-request-id`, or a new id in its place when it is missing or unfit."""
    for name, value in headers:
        if name == b"x-request-id" and _FIT.fullmatch(value):
            return value.decode()
    return make_id("req_")
