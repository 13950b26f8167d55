"""What a request to a provider is authorized with: headers, signatures, and tokens of Google's."""

import asyncio
import base64
import builtins
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from nagara.domain.catalog import Auth, Deployment, Operation, Provider, Secret
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.providers import PROVIDERS
from nagara.upstream.answer import Headers
from nagara.upstream.attempt import build_headers
from nagara.upstream.authorization import Authorizer, encode_credential
from nagara.upstream.google_token import SCOPE
from nagara.upstream.origin import Origin
from tests.fakes import FakeUpstream, Peer, Received
from tests.unit.upstream.client import TIMEOUTS, Client

NOW_S = 1_800_000_000
ORIGIN = Origin("https", "bedrock-runtime.us-west-2.amazonaws.com", 443)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GRANT = {"access_token": "ya29.first", "expires_in": 3600, "token_type": "Bearer"}


def write_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def service_account(token_uri: str, **changes: str) -> str:
    file = {
        "type": "service_account",
        "client_email": "gateway@project.iam.gserviceaccount.com",
        "private_key": write_pem(KEY),
        "private_key_id": "key-1",
        "token_uri": token_uri,
    }
    return json.dumps(file | changes)


def deployment(auth: Auth, credential: str | None) -> Deployment:
    provider = Provider(
        name="p",
        display_name="P",
        homepage="",
        base_url="https://p.example",
        auth=auth,
        paths={Operation.CHAT: "/chat"},
    )
    return Deployment(
        name="p",
        provider=provider,
        model="m",
        credential=Secret(credential) if credential else None,
    )


class TokenServer:
    """Google's token endpoint: answers what it was told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [(200, GRANT)]
        self.received: list[Received] = []
        self.upstream = FakeUpstream(self.play)

    @property
    def url(self) -> str:
        return f"{self.upstream.url}/token"

    async def play(self, peer: Peer) -> None:
        while request := await peer.read_request():
            self.received.append(request)
            status, value = self.answers[min(len(self.received), len(self.answers)) - 1]
            await peer.answer(json.dumps(value).encode(), status=status)

    def form(self, number: int = 0) -> Mapping[str, str]:
        form = parse_qs(self.received[number].body.decode(), strict_parsing=True)
        return {name: values[0] for name, values in form.items()}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    async with server.upstream:
        yield server


@pytest.fixture
def authorize(client: Client) -> Callable[..., Any]:
    authorizer = Authorizer(client.pool, TIMEOUTS)

    async def authorize(
        credential: str, now_s: int = NOW_S, auth: Auth = Auth.GOOGLE_OAUTH
    ) -> Headers:
        return await authorizer.authorize(
            deployment(auth, credential), auth, ORIGIN, b"/model/a%3A0/converse", b"{}", now_s
        )

    return authorize


Authorize = Callable[..., Any]


def bearer(token: str) -> Headers:
    return [(b"authorization", b"Bearer " + token.encode())]


def decode_part(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (Auth.BEARER, [(b"authorization", b"Bearer s")]),
        (Auth.X_API_KEY, [(b"x-api-key", b"s")]),
        (Auth.API_KEY, [(b"api-key", b"s")]),
        (Auth.X_GOOG_API_KEY, [(b"x-goog-api-key", b"s")]),
        (Auth.AWS_SIGV4, []),
        (Auth.GOOGLE_OAUTH, []),
        (Auth.NONE, []),
    ],
)
def test_credential_stands_in_its_header_where_it_is_one(auth: Auth, headers: Headers) -> None:
    assert encode_credential(deployment(auth, "s")) == headers
    assert encode_credential(deployment(auth, None)) == []


@pytest.mark.parametrize(
    ("name", "credential", "auth"),
    [
        ("bedrock", "ABSKQmVkcm9ja0FQSUtleS1hYmNk", Auth.BEARER),
        ("bedrock", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3M=", Auth.BEARER),
        ("bedrock", "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG", Auth.AWS_SIGV4),
        ("bedrock", "ASIAIOSFODNN7EXAMPLE:secret:token==", Auth.AWS_SIGV4),
        ("vertex", '{"type":"service_account"}', Auth.GOOGLE_OAUTH),
        ("vertex", "AIzaSyExample", Auth.X_GOOG_API_KEY),
        ("vertex", "AQ.Ab8RN6Example", Auth.X_GOOG_API_KEY),
        ("vertex", "ya29.a0Example", Auth.BEARER),
        ("openai", "AKIAIOSFODNN7EXAMPLE:x", Auth.BEARER),
    ],
)
def test_way_of_a_credential_is_told_by_its_form(name: str, credential: str, auth: Auth) -> None:
    them = Deployment(name=name, provider=PROVIDERS[name], model="m", credential=Secret(credential))
    assert them.choose_auth() is auth


def test_credential_that_signs_stands_in_no_header() -> None:
    headers = build_headers(deployment(Auth.AWS_SIGV4, "ID:SECRET"), [], frozenset())
    assert not [value for _, value in headers if b"SECRET" in value]


async def test_request_to_aws_is_signed_with_the_time_it_is_given(authorize: Authorize) -> None:
    headers = dict(await authorize("AKID:SECRET:TOKEN", NOW_S, Auth.AWS_SIGV4))
    assert headers[b"x-amz-date"] == b"20270115T080000Z"
    assert headers[b"x-amz-security-token"] == b"TOKEN"
    assert b"/us-west-2/bedrock/aws4_request" in headers[b"authorization"]
    assert not any(b"SECRET" in value for value in headers.values())


@pytest.mark.parametrize(
    ("auth", "credential"), [(Auth.AWS_SIGV4, "no pair"), (Auth.GOOGLE_OAUTH, "no json")]
)
async def test_credential_of_a_wrong_form_is_the_operators_fault_and_not_shown(
    auth: Auth, credential: str, authorize: Authorize
) -> None:
    with pytest.raises(GatewayError) as caught:
        await authorize(credential, NOW_S, auth)
    assert caught.value.kind is ErrorKind.UPSTREAM_CREDENTIAL
    assert credential not in caught.value.message


async def test_without_a_credential_nothing_is_added(client: Client) -> None:
    them = deployment(Auth.AWS_SIGV4, None)
    authorizer = Authorizer(client.pool, TIMEOUTS)
    assert await authorizer.authorize(them, Auth.AWS_SIGV4, ORIGIN, b"/", b"", 0) == []


async def test_service_account_is_exchanged_for_a_token(
    server: TokenServer, authorize: Authorize
) -> None:
    assert await authorize(service_account(server.url)) == bearer("ya29.first")
    request = server.received[0]
    assert (request.method, request.target) == (b"POST", b"/token")
    assert request.header(b"content-type") == b"application/x-www-form-urlencoded"
    form = server.form()
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")
    assert decode_part(head) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert decode_part(claims) == {
        "iss": "gateway@project.iam.gserviceaccount.com",
        "scope": SCOPE,
        "aud": server.url,
        "iat": NOW_S,
        "exp": NOW_S + 3600,
    }
    KEY.public_key().verify(
        base64.urlsafe_b64decode(signature + "=="),
        f"{head}.{claims}".encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )


async def test_users_file_is_exchanged_by_its_refresh_token(
    server: TokenServer, authorize: Authorize
) -> None:
    file = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "1//refresh",
        "token_uri": server.url,
    }
    assert await authorize(json.dumps(file)) == bearer("ya29.first")
    assert server.form() == {
        "grant_type": "refresh_token",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "1//refresh",
    }


async def test_token_is_kept_until_shortly_before_its_end(
    server: TokenServer, authorize: Authorize
) -> None:
    server.answers.append((200, GRANT | {"access_token": "ya29.second"}))
    file = service_account(server.url)
    for now_s in (NOW_S, NOW_S + 3299):
        assert await authorize(file, now_s) == bearer("ya29.first")
    assert len(server.received) == 1
    assert await authorize(file, NOW_S + 3300) == bearer("ya29.second")
    assert len(server.received) == 2


async def test_requests_at_once_share_one_fetch(server: TokenServer, authorize: Authorize) -> None:
    file = service_account(server.url)
    answers: Sequence[Headers] = await asyncio.gather(*(authorize(file) for _ in range(10)))
    assert list(answers) == [bearer("ya29.first")] * 10
    assert len(server.received) == 1


async def test_cancelled_fetch_leaves_the_others_their_token(
    server: TokenServer, authorize: Authorize
) -> None:
    file = service_account(server.url)
    first, second = (asyncio.ensure_future(authorize(file)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == bearer("ya29.first")


async def test_good_token_is_used_on_while_google_fails(
    server: TokenServer, authorize: Authorize
) -> None:
    server.answers += [(503, {}), (200, GRANT | {"access_token": "ya29.second"})]
    file = service_account(server.url)
    await authorize(file)
    for now_s in (NOW_S + 3400, NOW_S + 3429):
        assert await authorize(file, now_s) == bearer("ya29.first")
    assert len(server.received) == 2
    assert await authorize(file, NOW_S + 3430) == bearer("ya29.second")


async def test_expired_token_is_not_used(server: TokenServer, authorize: Authorize) -> None:
    server.answers.append((503, {}))
    file = service_account(server.url)
    await authorize(file)
    with pytest.raises(GatewayError) as caught:
        await authorize(file, NOW_S + 3600)
    assert caught.value.kind is ErrorKind.UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "x"}, ErrorKind.UPSTREAM_CREDENTIAL),
        (401, "no object", ErrorKind.UPSTREAM_CREDENTIAL),
        (500, {}, ErrorKind.UPSTREAM_UNAVAILABLE),
        (200, {"access_token": 1}, ErrorKind.UPSTREAM_PROTOCOL),
        (200, [], ErrorKind.UPSTREAM_PROTOCOL),
    ],
)
async def test_answer_without_a_token_is_an_upstream_failure(
    server: TokenServer, authorize: Authorize, status: int, body: Any, kind: ErrorKind
) -> None:
    server.answers = [(status, body)]
    with pytest.raises(GatewayError) as caught:
        await authorize(service_account(server.url))
    assert caught.value.kind is kind
    assert "gserviceaccount" not in caught.value.message
    assert ("invalid_grant" in caught.value.message) == ("error" in body)


async def test_unreachable_token_endpoint_is_an_upstream_failure(authorize: Authorize) -> None:
    async with FakeUpstream() as gone:
        url = gone.url
    with pytest.raises(GatewayError) as caught:
        await authorize(service_account(url))
    assert caught.value.kind is ErrorKind.UPSTREAM_CONNECT


@pytest.mark.parametrize(
    "pem", ["no key", write_pem(ec.generate_private_key(ec.SECP256R1()))], ids=["text", "ec"]
)
async def test_private_key_that_is_none_of_rsa_is_refused(authorize: Authorize, pem: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await authorize(service_account("http://127.0.0.1:1/", private_key=pem))
    assert caught.value.kind is ErrorKind.UPSTREAM_CREDENTIAL
    assert "private key" in caught.value.message


async def test_missing_package_is_named_with_its_extra(
    authorize: Authorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_cryptography(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_cryptography)
    with pytest.raises(GatewayError, match=r"nagara\[vertex\]"):
        await authorize(service_account("http://127.0.0.1:1/"))
