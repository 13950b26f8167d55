"""Keys: how they look, how they are recognised, and what their holder may do.

A key is a prefix that tells its kind, 37 random base62 characters and 6 of checksum. We keep only
its keyed hash, and look it up by that hash: every wrong key of the right shape takes one hash and
one failed lookup, however near it is to a right one. The checksum is no defence; it tells a typing
mistake from a key that is not ours.

Pure: time, randomness and the pepper are arguments. Whether the snapshot can be trusted (the store
may be down) is the caller's question, asked before this one.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from nagara.domain.catalog import Key, KeyKind, Secret, Snapshot
from nagara.domain.errors import ErrorKind, GatewayError

PREFIXES = {
    KeyKind.STANDARD: "ng-",
    KeyKind.PROVISIONING: "ng-prov-",
    KeyKind.TEST: "ng-test-",
}
RANDOM_BYTES = 32
DIGEST_BYTES = 32
KEY_CHARS_MAX = 8 + 43

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARS = 37
_CHECKSUM_CHARS = 6
_SHAPE = re.compile(r"(ng-(?:prov-|test-)?)([0-9A-Za-z]{43})", re.ASCII)
KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key")
"""Where a key may be: OpenAI's way, Anthropic's and Google's."""
_MAY_HOLD_KEY = frozenset(KEY_HEADERS)

# An enum's members are looked up dearly, and this one for every call.
_PROVISIONING = KeyKind.PROVISIONING

_HOW = "Send your key as 'Authorization: Bearer ng-…', 'x-api-key: ng-…' or 'x-goog-api-key: ng-…'."
_PROVISIONING_KEYS = (
    "One was printed at the gateway's first start; 'nagara keys create NAME --provisioning' makes "
    "another."
)


class IssuedKey(msgspec.Struct, frozen=True):
    """A new key: the secret, to be shown once, and what is kept of it."""

    kind: KeyKind
    secret: Secret
    digest: bytes
    hint: str


def make_key(kind: KeyKind, random_bytes: bytes) -> str:
    """The key's text from exactly `RANDOM_BYTES` random bytes; raises `ValueError` for fewer."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    # 256 bits into 220: no character is measurably likelier than another.
    body = PREFIXES[kind] + _base62(int.from_bytes(random_bytes, "big"), _RANDOM_CHARS)
    return body + _checksum(body)


def issue_key(kind: KeyKind, random_bytes: bytes, pepper: bytes) -> IssuedKey:
    """A new key with its digest and hint; `random_bytes` as in `make_key`."""
    text = make_key(kind, random_bytes)
    return IssuedKey(kind, Secret(text), digest_key(pepper, text), hint(text))


def is_well_formed(text: str) -> bool:
    """Whether `text` has the shape of a key and its checksum agrees."""
    if not _SHAPE.fullmatch(text):
        return False
    return _checksum(text[:-_CHECKSUM_CHARS]) == text[-_CHECKSUM_CHARS:]


def digest_key(pepper: bytes, key: str) -> bytes:
    """What is stored and looked up instead of the key: BLAKE2b keyed by `pepper` (RFC 7693)."""
    hasher = _begin_digest(pepper).copy()
    hasher.update(key.encode())
    return hasher.digest()


@lru_cache(maxsize=4)
def _begin_digest(pepper: bytes) -> hashlib.blake2b:
    """A digest of nothing yet, to go on from: setting one up costs as much as all the rest."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES, key=pepper)


def hint(key: str) -> str:
    """The first and last four characters after the prefix: enough to recognise a key by."""
    body = key.rpartition("-")[2]
    return f"{body[:4]}…{body[-4:]}"


def mask_key(key: Key) -> str:
    """The key as it may be shown to anyone: `ng-abcd…wxyz`."""
    return f"{PREFIXES[key.kind]}{key.hint}"


def read_key_text(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key that a request presents, as OpenAI's, Anthropic's or Google's SDK does it, or None.

    Header names are in lower case. The text is not checked in any way yet. Raises `GatewayError`:
    INVALID_REQUEST for two different keys, AUTHENTICATION for an `Authorization` that is not a
    bearer one and stands alone.
    """
    key: bytes | None = None
    is_other_scheme = False
    for name, value in headers:
        # Asked once for all of them, since most headers hold no key.
        if name not in _MAY_HOLD_KEY:
            continue
        found = _read_bearer(value) if name == b"authorization" else value.strip()
        if found is None:
            is_other_scheme = True
        elif found and key is not None and found != key:
            raise _two_keys()
        key = found or key
    if key is None and is_other_scheme:
        raise _refusal(f"The Authorization header does not hold a bearer key. {_HOW}")
    return None if key is None else key.decode("latin-1")


def authenticate(
    headers: Sequence[tuple[bytes, bytes]], snapshot: Snapshot, pepper: bytes, now_s: float
) -> Key:
    """Who calls: the key that the headers present, known, enabled and not expired.

    Raises `GatewayError` AUTHENTICATION, or INVALID_REQUEST for two different keys. The kind of key
    is not looked at: see `require_standard` and `require_provisioning`.
    """
    text = read_key_text(headers)
    if text is None:
        raise _refusal(f"No API key was given. {_HOW}")
    # The length first: nobody's megabyte is hashed. The shape last: a known key has it.
    key = snapshot.keys.get(digest_key(pepper, text)) if len(text) <= KEY_CHARS_MAX else None
    if key is None:
        raise _unknown(text)
    if not key.is_enabled:
        raise _refusal(
            f"The API key {mask_key(key)} is disabled. Enable it with "
            f"'nagara keys enable {key.id}', or use another."
        )
    if key.expires_at_s is not None and now_s >= key.expires_at_s:
        raise _refusal(f"The API key {mask_key(key)} has expired. Make another and use that.")
    return key


def require_standard(key: Key) -> None:
    """Refuse a provisioning key where models are called; test keys pass."""
    if key.kind is _PROVISIONING:
        raise _refusal(
            "This is a provisioning key (ng-prov-…), and inference takes a standard key (ng-…): "
            "make one with 'nagara keys create NAME'."
        )


def require_some_key(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse who presents no key at all where the account is looked after, and say which it is."""
    if read_key_text(headers) is None:
        raise _refusal(
            "No API key was given, and this endpoint takes a provisioning key. Send it as "
            f"'Authorization: Bearer ng-prov-…'. {_PROVISIONING_KEYS}"
        )


def require_provisioning(key: Key) -> None:
    """Refuse anything but a provisioning key where the account is looked after."""
    if key.kind is not KeyKind.PROVISIONING:
        raise GatewayError(
            ErrorKind.PROVISIONING_KEY,
            f"This endpoint takes a provisioning key (ng-prov-…), and this is a {key.kind} key. "
            f"{_PROVISIONING_KEYS}",
            headers={"www-authenticate": "Bearer"},
        )


def authorize(key: Key, model_id: str, aliases: Iterable[str] = ()) -> None:
    """Refuse a model that the key may not use.

    The key's list may name the model by its id or any of its aliases. Raises PERMISSION, which
    names the model as it was asked for and not what else the key may use.
    """
    allowed = key.allowed_models
    if allowed is None or model_id in allowed or not allowed.isdisjoint(aliases):
        return
    raise GatewayError(
        ErrorKind.PERMISSION,
        f"The API key {mask_key(key)} may not use the model {model_id!r}. Ask whoever issued the "
        "key to allow it, or use another key or model.",
        param="model",
    )


def _read_bearer(value: bytes) -> bytes | None:
    """The credentials of a bearer `Authorization` (may be empty); None for any other scheme."""
    if value[:7] == b"Bearer " or value[:7].lower() == b"bearer ":
        return value[7:].strip()
    scheme, _, rest = value.strip().partition(b" ")
    return rest.strip() if scheme.lower() in (b"bearer", b"") else None


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(text: str) -> str:
    # CRC-32 catches every single changed character, and 62^6 has room for all its values.
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_CHARS)


def _unknown(text: str) -> GatewayError:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return _refusal(
            "The API key is malformed: keys of this gateway are 'ng-', 'ng-prov-' or 'ng-test-' "
            f"and 43 letters and digits; a provider's own key does not work here. {_HOW}"
        )
    if not is_well_formed(text):
        return _refusal(
            "The API key looks mistyped: its checksum does not agree. Copy it again in full."
        )
    return _refusal(
        f"The API key {shape[1]}{hint(text)} is not known here: it was deleted, or belongs to "
        "another gateway. 'nagara keys create NAME' makes a new one."
    )


def _refusal(message: str) -> GatewayError:
    return GatewayError(ErrorKind.AUTHENTICATION, message, headers={"www-authenticate": "Bearer"})


def _two_keys() -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        "The request gives two different keys in its Authorization and x-api-key headers: send "
        "one of them, or the same key in both.",
    )
