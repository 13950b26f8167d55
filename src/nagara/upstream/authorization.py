"""How a credential becomes headers of a request to its provider.

Most credentials are the header's value, the same for every request. Two are not: AWS wants each
request signed, and Google a token that is fetched for the credential and lasts for an hour. Nothing
is awaited but that fetch, which goes over the gateway's own client; when it fails the attempt
fails, and another deployment may be tried.
"""

from collections.abc import Mapping
from typing import Final

from nagara.domain.catalog import Auth, Deployment
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.answer import Headers
from nagara.upstream.bounds import Timeouts
from nagara.upstream.google_token import GoogleTokens, read_credentials_file
from nagara.upstream.origin import Origin, read_base_url
from nagara.upstream.pool import Pool
from nagara.upstream.sigv4 import Scope, Signable, find_region, read_aws_credential, sign

TOKEN_BYTES_MAX: Final = 64 * 1024
TOKEN_SOURCES_MAX: Final = 256
AWS_SERVICE: Final = "bedrock"

EVERY_TIME: Final = frozenset({Auth.AWS_SIGV4, Auth.GOOGLE_OAUTH})
"""Whose headers `Authorizer` makes, for each request."""

_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
_PREFIXES: Final[Mapping[Auth, tuple[bytes, bytes]]] = {
    Auth.BEARER: (b"authorization", b"Bearer "),
    Auth.X_API_KEY: (b"x-api-key", b""),
    Auth.API_KEY: (b"api-key", b""),
    Auth.X_GOOG_API_KEY: (b"x-goog-api-key", b""),
    Auth.XI_API_KEY: (b"xi-api-key", b""),
}


def encode_credential(deployment: Deployment) -> Headers:
    """The header that holds the credential; none where it is no header's value, or not there."""
    auth = deployment.choose_auth()
    if deployment.credential is None or auth not in _PREFIXES:
        return []
    name, prefix = _PREFIXES[auth]
    return [(name, prefix + deployment.credential.reveal().encode())]


class Authorizer:
    """Authorizes the requests whose headers are not the same each time."""

    def __init__(self, pool: Pool, timeouts: Timeouts) -> None:
        self._pool = pool
        self._timeouts = timeouts
        self._tokens: dict[str, GoogleTokens] = {}

    async def authorize(
        self,
        deployment: Deployment,
        auth: Auth,
        origin: Origin,
        target: bytes,
        body: bytes,
        now_s: int,
    ) -> Headers:
        """The headers that this POST needs besides those of `encode_credential`.

        Raises `GatewayError` of an upstream kind when a token cannot be had.
        """
        if deployment.credential is None:
            return []
        text = deployment.credential.reveal()
        try:
            if auth is Auth.AWS_SIGV4:
                return sign_request(text, origin, target, body, now_s)
            if auth is Auth.GOOGLE_OAUTH:
                token = await self._find_tokens(text).get(now_s)
                return [(b"authorization", b"Bearer " + token.encode())]
        except ValueError as error:
            # The configuration refuses such a credential at the start; this one came another way.
            raise GatewayError(
                ErrorKind.UPSTREAM_CREDENTIAL,
                f"The gateway's credential for {deployment.name} is not of the form it should be.",
            ) from error
        return []

    def _find_tokens(self, text: str) -> GoogleTokens:
        # By the credential and not by the deployment: all models of a provider share its token.
        tokens = self._tokens.get(text)
        if tokens is None:
            tokens = GoogleTokens(read_credentials_file(text), self._post)
            if len(self._tokens) >= TOKEN_SOURCES_MAX:
                self._tokens.clear()
            self._tokens[text] = tokens
        return tokens

    async def _post(self, url: str, form: bytes) -> tuple[int, bytes]:
        base = read_base_url(url)
        target = base.target(b"") or b"/"
        answer = await self._pool.send(base.origin, b"POST", target, [_FORM], form, self._timeouts)
        body = bytearray()
        try:
            while len(body) < TOKEN_BYTES_MAX and (piece := await answer.read()):
                body += piece
        finally:
            answer.abort()
        return answer.status, bytes(body)


def sign_request(text: str, origin: Origin, target: bytes, body: bytes, now_s: int) -> Headers:
    """The headers that sign a POST with the AWS credential in `text`. Raises `ValueError`."""
    request = Signable(
        method=b"POST", target=target, headers=[(b"host", origin.host_header)], body=body
    )
    scope = Scope(find_region(origin.host), AWS_SERVICE)
    return sign(request, read_aws_credential(text), scope, now_s)
