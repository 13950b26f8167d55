"""Bodies of the account API's keys: what a new key is bound to, what is changed, how it is rotated.

A field that is absent is not the same as one that is null. A field that nobody knows is refused,
with the nearest that somebody does: were a misspelt credit limit ignored, a key without one would
be the answer. Amounts are read from their digits and never go through a float.

Pure: the time is an argument. Raises `GatewayError` that names the field.
"""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from nagara.dialects.json_fields import NULL, Fields, read_fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.catalog import KeyKind, LimitPeriod
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.limits import AS_SETTINGS_SAY, RATE_MAX, RateLimits
from nagara.domain.money import parse_dollars
from nagara.storage.keys import KeyChanges
from nagara.storage.opening import KeyTerms
from nagara.storage.rotation import OVERLAP_MAX_S
from nagara.web.times import TIME_S_MAX, parse_time

NAME_CHARS_MAX = 255
MODELS_MAX = 1000
MODEL_CHARS_MAX = 256
OVERLAP_DEFAULT_S = 86_400

_TERMS = ("name", "credit_limit", "credit_limit_period", "expires_at", "allowed_models", "limits")
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
RATES = RateLimits.__struct_fields__
_RATE = f"must be a whole number from 0 (no limit) to {RATE_MAX}, or null for the gateway's own."
_fields_decoder = msgspec.json.Decoder(Fields)

Type = TypeVar("Type")


class NewKey(msgspec.Struct, frozen=True):
    """What `POST /v1/account/keys` asks for."""

    kind: KeyKind
    terms: KeyTerms


def read_new_key(body: bytes, now_s: float) -> NewKey:
    """The body of `POST /v1/account/keys`."""
    fields = _read_object(body, (*_TERMS, "kind"))
    name = _read_name(fields)
    if name is None:
        raise wrong_field("name", "is missing: say what to call the key.")
    terms = KeyTerms(
        name=name,
        credit_limit_nano=_read_amount(fields, "credit_limit"),
        limit_period=_read_period(fields),
        expires_at_s=_read_expiry(fields, now_s),
        allowed_models=_read_models(fields),
        limits=_read_limits(fields, AS_SETTINGS_SAY),
    )
    return NewKey(_read_kind(fields), terms)


def read_changes(body: bytes, now_s: float, limits: RateLimits) -> KeyChanges:
    """The body of `PATCH /v1/account/keys/{id}`: what is absent stays as it is.

    Null takes a bound away; for a name and a switch, which cannot be nothing, it is like absent.
    `limits` are the key's rate limits up to now, of which single ones may be changed.
    """
    fields = _read_object(body, (*_TERMS, "is_enabled"))
    name = _read_name(fields)
    is_enabled = _read(fields, "is_enabled", bool, "must be true or false.")
    unset = msgspec.UNSET
    return KeyChanges(
        name=unset if name is None else name,
        is_enabled=unset if is_enabled is None else is_enabled,
        credit_limit_nano=_read_amount(fields, "credit_limit")
        if "credit_limit" in fields
        else unset,
        limit_period=_read_period(fields) if "credit_limit_period" in fields else unset,
        expires_at_s=_read_expiry(fields, now_s) if "expires_at" in fields else unset,
        allowed_models=_read_models(fields) if "allowed_models" in fields else unset,
        limits=_read_limits(fields, limits) if "limits" in fields else unset,
    )


def read_overlap(body: bytes) -> int:
    """The body of `POST /v1/account/keys/{id}/rotate`: `overlap_s`; none is as good as empty."""
    fields = _read_object(body or b"{}", ("overlap_s",))
    what = f"must be a whole number of seconds from 0 to {OVERLAP_MAX_S}."
    overlap_s = _read(fields, "overlap_s", int, what)
    if overlap_s is None:
        return OVERLAP_DEFAULT_S
    if not 0 <= overlap_s <= OVERLAP_MAX_S:
        raise wrong_field("overlap_s", what)
    return overlap_s


def _read_object(body: bytes, known: Sequence[str]) -> Fields:
    try:
        fields = _fields_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # It says what is wrong. What it can read after all (half a surrogate pair, which clients
        # cut out of prompts) has gone through a float there, and has no place here.
        read_fields(body)
        raise GatewayError(
            ErrorKind.INVALID_JSON, "The body holds half a surrogate pair, which is no character."
        ) from error
    for name in fields:
        if name not in known:
            raise _unknown_field(name, known)
    return fields


def _unknown_field(name: str, known: Sequence[str]) -> GatewayError:
    near = difflib.get_close_matches(name[:100], known, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
    shown = name[:100]
    return GatewayError(
        ErrorKind.INVALID_REQUEST, f"{shown!r} is no field of this body. {advice}", param=shown
    )


def _read(fields: Fields, name: str, kind: type[Type], what: str) -> Type | None:
    """A field's value; None where it is absent or null."""
    raw = fields.get(name)
    if raw is None or raw == NULL:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong_field(name, what) from error


def _read_name(fields: Fields) -> str | None:
    what = f"must be a string of 1 to {NAME_CHARS_MAX} characters, none of them a control character"
    given = _read(fields, "name", str, f"{what}.")
    if given is None:
        return None
    text = given.strip()
    has_control = any(unicodedata.category(char) == "Cc" for char in text)
    if not 1 <= len(text) <= NAME_CHARS_MAX or has_control:
        raise wrong_field("name", f"{what}.")
    return text


def _read_amount(fields: Fields, name: str) -> int | None:
    """Nano-dollars of a JSON number, by its digits."""
    text = bytes(fields.get(name, b"null")).strip()
    if text == b"null":
        return None
    shown = text[:40].decode(errors="replace")
    if text[:1] not in b"-0123456789":
        raise wrong_field(name, "must be a number of US dollars such as 12.5, or null for none.")
    if not _NUMBER.fullmatch(text):
        raise wrong_field(name, f"must be written without an exponent, and is {shown}.")
    if text.startswith(b"-"):
        raise wrong_field(name, f"must not be negative, and is {shown}.")
    if len(text.partition(b".")[2]) > 9:
        raise wrong_field(name, f"must have no more than nine decimal places, and is {shown}.")
    try:
        return parse_dollars(text.decode())
    except ValueError as error:
        raise wrong_field(name, f"is more than the ledger can hold: {shown}.") from error


def _read_period(fields: Fields) -> LimitPeriod:
    what = f"must be one of {', '.join(LimitPeriod)}."
    period = _read(fields, "credit_limit_period", LimitPeriod, what)
    return LimitPeriod.TOTAL if period is None else period


def _read_kind(fields: Fields) -> KeyKind:
    what = "must be standard or test; provisioning keys are made with 'nagara keys create'."
    kind = _read(fields, "kind", KeyKind, what)
    if kind is KeyKind.PROVISIONING:
        raise wrong_field("kind", what)
    return KeyKind.STANDARD if kind is None else kind


def _read_expiry(fields: Fields, now_s: float) -> int | None:
    what = "must be a date and time such as 2027-01-31T12:00:00Z, or null for never."
    text = _read(fields, "expires_at", str, what)
    if text is None:
        return None
    try:
        expires_at_s = parse_time(text)
    except ValueError as error:
        raise wrong_field("expires_at", what) from error
    if not now_s < expires_at_s <= TIME_S_MAX:
        raise wrong_field("expires_at", "must be in the future, and before the year 10000.")
    return expires_at_s


def _read_limits(fields: Fields, before: RateLimits) -> RateLimits:
    """The rate limits as they will be: null, for one or for all, is what the settings say."""
    what = f"must be an object of {', '.join(RATES)}."
    given = _read(fields, "limits", Fields, what)
    if given is None:
        return AS_SETTINGS_SAY
    for name, raw in given.items():
        full_name = f"limits.{name[:100]}"
        if name not in RATES:
            raise wrong_field(full_name, f"is no limit that can be set here. 'limits' {what}")
        rate = _read({full_name: raw}, full_name, int, _RATE)
        if rate is not None and not 0 <= rate <= RATE_MAX:
            raise wrong_field(full_name, _RATE)
        before = msgspec.structs.replace(before, **{name: rate})
    return before


def _read_models(fields: Fields) -> frozenset[str] | None:
    what = f"must be a list of 1 to {MODELS_MAX} ids of models, or null for all."
    models = _read(fields, "allowed_models", list[str], what)
    if models is None:
        return None
    are_ids = all(0 < len(model) <= MODEL_CHARS_MAX and model.isprintable() for model in models)
    if not 1 <= len(models) <= MODELS_MAX or not are_ids:
        raise wrong_field("allowed_models", what)
    return frozenset(models)
