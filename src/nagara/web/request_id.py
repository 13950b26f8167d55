"""The request id: the caller's own if it is fit to be logged, else one of ours."""

import re

from nagara.runtime import make_id

_FIT = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def choose_request_id(asked: bytes | None) -> str:
    """The value of `x-request-id`, or a new id in its place when it is missing or unfit."""
    if asked is not None and _FIT.fullmatch(asked):
        return asked.decode()
    return make_id("req_")
