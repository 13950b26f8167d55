"""Access tokens of Google's: what a credentials file is exchanged for, and keeps for an hour.

A file is of a service account, which signs an assertion (RFC 7523) with its private key, or of a
user who logged in with gcloud, whose refresh token is sent. Signing needs the `cryptography`
package (the extra `vertex`), which is imported only then. A token is kept in memory until shortly
before it expires; while Google cannot be reached, one that is still good goes on being used.

Must not let the private key or a token into a message, whatever Google answers.

Sources: https://developers.google.com/identity/protocols/oauth2/service-account and
https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlencode

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
ASSERTION_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_S: Final = 3600
"""The longest that Google takes."""
RENEWED_BEFORE_S: Final = 300
"""How long before its end a token is replaced, so that none expires on its way."""
RETRIED_AFTER_S: Final = 30
"""How long an old token is used without asking again, after a new one could not be had."""
MISSING_EXTRA: Final = (
    "needs the package cryptography to sign for a Google service account: "
    "pip install 'nagara[vertex]'"
)


class CredentialsFile(msgspec.Struct, frozen=True):
    """What Google's tools write, as far as it is used here."""

    type: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = TOKEN_URL
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""

    @property
    def is_service_account(self) -> bool:
        """Whether an assertion is to be signed, rather than a refresh token sent."""
        return self.type == "service_account"


class AccessToken(msgspec.Struct, frozen=True):
    """A token, and the Unix times when it is to be renewed and when it expires."""

    value: str
    renew_at_s: int
    expires_at_s: int


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int = 3600


class _Refused(msgspec.Struct):
    error: str | None = None
    error_description: str | None = None


Post = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a form to a URL; gives the status and the body. Raises `GatewayError` if it cannot."""


def read_credentials_file(text: str) -> CredentialsFile:
    """A credentials file. Raises `ValueError` that says what it lacks, never what it holds."""
    try:
        file = msgspec.json.decode(text.encode(), type=CredentialsFile)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ValueError("it is not the JSON of a Google credentials file") from None
    if file.is_service_account:
        needed: tuple[str, ...] = ("client_email", "private_key")
    elif file.type == "authorized_user":
        needed = ("client_id", "client_secret", "refresh_token")
    else:
        raise ValueError(
            "its type must be service_account or authorized_user; other kinds of Google "
            "credentials are not supported"
        )
    missing = [name for name in needed if not getattr(file, name)]
    if missing:
        raise ValueError(f"it has no {missing[0]}")
    return file


def can_sign() -> bool:
    """Whether the package is installed that signing needs."""
    return find_spec("cryptography") is not None


def write_token_request(file: CredentialsFile, now_s: int) -> bytes:
    """The form that asks for a token. Raises `GatewayError` when it cannot be signed."""
    if file.is_service_account:
        assertion = sign_assertion(file, now_s)
        return urlencode({"grant_type": ASSERTION_GRANT, "assertion": assertion}).encode()
    form = {
        "grant_type": "refresh_token",
        "client_id": file.client_id,
        "client_secret": file.client_secret,
        "refresh_token": file.refresh_token,
    }
    return urlencode(form).encode()


def sign_assertion(file: CredentialsFile, now_s: int) -> str:
    """The JSON web token (RFC 7519, RS256) by which a service account asks for access."""
    head = {"alg": "RS256", "typ": "JWT", "kid": file.private_key_id}
    claims = {
        "iss": file.client_email,
        "scope": SCOPE,
        "aud": file.token_uri,
        "iat": now_s,
        "exp": now_s + ASSERTION_LIFE_S,
    }
    signed = b".".join(_encode_base64(msgspec.json.encode(part)) for part in (head, claims))
    return (signed + b"." + _encode_base64(_sign(file.private_key, signed))).decode()


class GoogleTokens:
    """The tokens of one credentials file. Concurrent requests wait for one and the same fetch."""

    def __init__(self, file: CredentialsFile, post: Post) -> None:
        self._file = file
        self._post = post
        self._token = AccessToken("", 0, 0)
        self._fetching = asyncio.Lock()

    async def get(self, now_s: int) -> str:
        """A token that is good at `now_s`. Raises `GatewayError` of an upstream kind."""
        if now_s < self._token.renew_at_s:
            return self._token.value
        # Whoever waited finds what was fetched before it; a cancelled fetch is the next one's.
        async with self._fetching:
            if now_s >= self._token.renew_at_s:
                self._token = await self._renew(now_s)
        return self._token.value

    async def _renew(self, now_s: int) -> AccessToken:
        try:
            return await self._fetch(now_s)
        except GatewayError:
            if now_s >= self._token.expires_at_s:
                raise
            return msgspec.structs.replace(self._token, renew_at_s=now_s + RETRIED_AFTER_S)

    async def _fetch(self, now_s: int) -> AccessToken:
        status, body = await self._post(
            self._file.token_uri, write_token_request(self._file, now_s)
        )
        if status != 200:
            raise _refuse(status, body)
        try:
            granted = msgspec.json.decode(body, type=_Granted)
        except (msgspec.DecodeError, RecursionError) as error:
            raise GatewayError(
                ErrorKind.UPSTREAM_PROTOCOL, "Google's token endpoint sent no access token."
            ) from error
        renewed_before_s = min(RENEWED_BEFORE_S, granted.expires_in // 2)
        expires_at_s = now_s + granted.expires_in
        return AccessToken(granted.access_token, expires_at_s - renewed_before_s, expires_at_s)


def _refuse(status: int, body: bytes) -> GatewayError:
    """The error of an answer without a token. The reason is a code; the rest may name accounts."""
    try:
        reason = msgspec.json.decode(body, type=_Refused).error
    except (msgspec.DecodeError, RecursionError):
        reason = None
    # Only what is the credential's fault is told to check it (RFC 6749, section 5.2).
    kind = ErrorKind.UPSTREAM_CREDENTIAL if status < 500 else ErrorKind.UPSTREAM_UNAVAILABLE
    return GatewayError(
        kind,
        f"Google gave no access token for the gateway's credential (it answered {status}"
        f"{f', {reason[:100]}' if reason else ''}). The operator of this gateway can check it.",
    )


def _sign(private_key: str, data: bytes) -> bytes:
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise GatewayError(
            ErrorKind.UPSTREAM_CREDENTIAL, f"The gateway {MISSING_EXTRA}."
        ) from error
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise _no_key() from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _no_key()
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _no_key() -> GatewayError:
    return GatewayError(
        ErrorKind.UPSTREAM_CREDENTIAL,
        "The private key in the gateway's Google credentials file cannot be read. "
        "The operator of this gateway can check it.",
    )


def _encode_base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
