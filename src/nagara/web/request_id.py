"""The request id: the caller's own if it is fit to be logged, else one of ours."""

import re

from nagara.runtime import make_id

_FIT = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def choose_request_id(asked: bytes | None, seed: str | None = None) -> str:
    """The value of `x-request-id`, or one of ours in its place when it is missing or unfit.

    `seed` is unique to the request, where it has such an id already: making one takes longer than
    all else here.
    """
    if asked is not None and _FIT.fullmatch(asked):
        return asked.decode()
    return make_id("req_") if seed is None else "req_" + seed
