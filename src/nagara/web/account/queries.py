"""Query parameters of the account API: a value, or an error that names the parameter.

Parameters that nobody knows are ignored, as everywhere in HTTP; one that is given and cannot be
read is never taken for absent. Pure: the day that is today is an argument.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from nagara.dialects.request_fields import wrong_field
from nagara.storage.activity import Grouping, Selection
from nagara.storage.transfer_pages import TransferType
from nagara.web.times import parse_day

Query = Mapping[str, str]

DAYS_DEFAULT = DAYS_MAX = 30
RANGE_DAYS_MAX = 366
PAGE_DEFAULT = 100
PAGE_MAX = 1000
MODEL_CHARS_MAX = 256
CURSOR_CHARS_MAX = 200
ID_MAX = 2**63 - 1
_NUMBER = re.compile(r"[0-9]{1,19}")

CursorType = TypeVar("CursorType")


def read_number(query: Query, name: str, least: int, most: int) -> int | None:
    """A whole number; None where it is not given."""
    text = query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise wrong_field(name, f"must be a whole number from {least} to {most}.")
    return int(text)


def read_model(query: Query) -> str | None:
    """The model that is asked about, if one is."""
    model = query.get("model")
    if model is not None and not (0 < len(model) <= MODEL_CHARS_MAX and "\0" not in model):
        raise wrong_field("model", "must be the id of a model; GET /v1/models lists them.")
    return model


def read_key_id(query: Query) -> int | None:
    """The key that is asked about, if one is."""
    return read_number(query, "api_key_id", 1, ID_MAX)


def read_limit(query: Query) -> int:
    """How many rows a page may have."""
    return read_number(query, "limit", 1, PAGE_MAX) or PAGE_DEFAULT


def read_range(query: Query, today: int) -> tuple[int, int]:
    """The first and the last day, both included: `from` and `to`, or the last `days`."""
    days = read_number(query, "days", 1, DAYS_MAX)
    first, last = _read_day(query, "from"), _read_day(query, "to")
    if first is not None and days is not None:
        raise wrong_field("days", "cannot be given together with 'from'.")
    last = today if last is None else last
    if first is None:
        return max(0, last - (days or DAYS_DEFAULT) + 1), last
    if last < first:
        raise wrong_field("from", "must not be after 'to', or after today where 'to' is left out.")
    if last - first >= RANGE_DAYS_MAX:
        raise wrong_field("from", f"must be less than {RANGE_DAYS_MAX} days before 'to'.")
    return first, last


def read_selection(query: Query, account_id: int, today: int) -> Selection:
    """What `GET /v1/account/activity` is asked about."""
    first_day, last_day = read_range(query, today)
    return Selection(
        account_id=account_id,
        first_day=first_day,
        last_day=last_day,
        key_id=read_key_id(query),
        model=read_model(query),
    )


def read_grouping(query: Query) -> frozenset[Grouping]:
    """`group_by`: one or more names between commas."""
    return _read_names(query, "group_by", Grouping)


def read_types(query: Query) -> frozenset[TransferType]:
    """`type`: one or more names between commas; none for all."""
    return _read_names(query, "type", TransferType)


EnumType = TypeVar("EnumType", Grouping, TransferType)


def _read_names(query: Query, name: str, known: type[EnumType]) -> frozenset[EnumType]:
    text = query.get(name)
    if text is None:
        return frozenset()
    try:
        return frozenset(known(part) for part in text.split(","))
    except ValueError as error:
        raise wrong_field(
            name, f"must be one or more of {', '.join(known)}, between commas."
        ) from error


def encode_cursor(position: object) -> str:
    """Where the next page begins, as text that callers hand back and do not look into."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read_cursor(query: Query, kind: type[CursorType]) -> CursorType | None:
    """Where this page begins; None for the first."""
    text = query.get("cursor")
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        if len(text) <= CURSOR_CHARS_MAX:
            return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=kind)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise wrong_field("cursor", "must be the next_cursor of the page before, of the same list.")


def _read_day(query: Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return parse_day(text)
    except ValueError as error:
        raise wrong_field(name, "must be a date such as 2027-01-31, in UTC.") from error
