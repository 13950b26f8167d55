"""Web pages: refused unless the settings allow their origin, or the gateway served them itself."""

from collections.abc import Iterator

import pytest
import requests

from tests.system.gateway import GatewayProcess

ALLOWED = "https://app.example"
PATHS = ["/v1/responses", "/v1/messages", "/v1/models", "/v1/account/balance", "/healthz", "/"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    environment = {"NAGARA_ALLOWED_ORIGINS": ALLOWED}
    with GatewayProcess(tmp_path_factory.mktemp("origins"), environment) as gateway:
        yield gateway


def ask(
    gateway: GatewayProcess, method: str, path: str, origin: str, **headers: str
) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"origin": origin, "authorization": f"Bearer {gateway.key}"}
    body = {"model": "gpt-4.1-mini", "input": "Say hello."} if method == "POST" else None
    return requests.request(method, gateway.url + path, headers=named, json=body, timeout=5)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.com"])
def test_other_origins_are_refused_with_the_reason(
    gateway: GatewayProcess, path: str, origin: str
) -> None:
    method = "POST" if path in ("/v1/responses", "/v1/messages") else "GET"
    answer = ask(gateway, method, path, origin)
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "cross_origin"
    assert origin in error["message"]
    assert "allowed_origins" in error["message"]
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_preflight_of_an_allowed_origin_is_answered(gateway: GatewayProcess) -> None:
    answer = ask(
        gateway, "OPTIONS", "/v1/responses", ALLOWED, access_control_request_method="POST",
        access_control_request_headers="authorization,content-type,x-stainless-lang",
    )  # fmt: skip
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-stainless-lang" in answer.headers["access-control-allow-headers"]
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/responses", 200),
        ("GET", "/v1/models", 200),
        ("POST", "/v1/none", 404),
        ("GET", "/v1/responses", 405),
    ],
)
def test_answers_and_errors_to_an_allowed_origin_are_marked(
    gateway: GatewayProcess, method: str, path: str, status: int
) -> None:
    answer = ask(gateway, method, path, ALLOWED)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["x-request-id"]
    exposed = answer.headers["access-control-expose-headers"].lower()
    # With credentials a star would mean nothing; keys travel in a header, so it does.
    assert exposed == "*" or "x-request-id" in exposed


def test_pages_of_the_gateway_itself_may_call(gateway: GatewayProcess) -> None:
    assert ask(gateway, "POST", "/v1/responses", gateway.url).status_code == 200


def test_programs_without_an_origin_may_call(gateway: GatewayProcess) -> None:
    assert requests.get(f"{gateway.url}/v1/models", timeout=5).status_code == 200
