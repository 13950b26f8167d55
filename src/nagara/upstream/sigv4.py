"""AWS Signature Version 4: what proves to AWS that a request comes from an access key's owner.

The signature covers the method, the path, the query, the headers that are signed, the body and the
minute, so it is made for every request anew. Pure: the time is passed in, and the same arguments
always give the same signature. The secret key itself never leaves this module.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
import time
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec

from nagara.domain.catalog import Secret
from nagara.upstream.answer import Headers

ALGORITHM: Final = "AWS4-HMAC-SHA256"
DEFAULT_REGION: Final = "us-east-1"

# `bedrock-runtime.eu-west-1.amazonaws.com`, and the private addresses of a VPC's endpoints.
_REGION: Final = re.compile(r"(?:^|\.)([a-z]{2,4}(?:-[a-z]+)+-\d+)\.")


class AwsCredential(msgspec.Struct, frozen=True):
    """An access key, with the session token where it is a temporary one."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


class Signable(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it will be sent. `target` is path and query; header names are lower case."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


class Scope(msgspec.Struct, frozen=True):
    """Where a signature is good: an AWS region, and one of its services."""

    region: str
    service: str


def read_aws_credential(text: str) -> AwsCredential:
    """The credential in `ID:SECRET` or `ID:SECRET:TOKEN`. Raises `ValueError` for anything else."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError("An AWS credential is ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN].")
    token = Secret(parts[2]) if len(parts) == 3 else None
    return AwsCredential(parts[0], Secret(parts[1]), token)


def find_region(host: str) -> str:
    """The region that an AWS host name holds; the default one for a host that holds none."""
    match = _REGION.search(host)
    return match[1] if match else DEFAULT_REGION


def sign(request: Signable, credential: AwsCredential, scope: Scope, now_s: int) -> Headers:
    """The headers to add to `request`, all of whose own headers are signed.

    `now_s` is Unix time; AWS refuses a signature that is more than five minutes off.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    added = [(b"x-amz-date", stamp.encode())]
    if credential.session_token is not None:
        added.append((b"x-amz-security-token", credential.session_token.reveal().encode()))
    headers = sorted(request.headers + added)
    names = b";".join(name for name, _ in headers).decode()
    where = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    hashed = hashlib.sha256(_canonical(request, headers, names)).hexdigest()
    text = f"{ALGORITHM}\n{stamp}\n{where}\n{hashed}".encode()
    key = _derive_key(credential.secret_access_key.reveal(), stamp[:8], scope)
    signature = hmac.digest(key, text, "sha256").hex()
    proof = (
        f"{ALGORITHM} Credential={credential.access_key_id}/{where}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return [*added, (b"authorization", proof.encode())]


def _canonical(request: Signable, headers: Headers, names: str) -> bytes:
    path, _, query = request.target.partition(b"?")
    lines = [
        request.method,
        # Every service but S3 wants what is percent-encoded in the path encoded once more.
        quote(path, safe="/~").encode(),
        b"&".join(sorted(query.split(b"&"))),
        *(name + b":" + b" ".join(value.split()) for name, value in headers),
        b"",
        names.encode(),
        hashlib.sha256(request.body).hexdigest().encode(),
    ]
    return b"\n".join(lines)


# The key is good for a day and costs four rounds; a gateway has a few credentials.
@lru_cache(maxsize=16)
def _derive_key(secret: str, day: str, scope: Scope) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
