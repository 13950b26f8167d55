"""Keys and the catalogue change beside a running gateway, and it follows within a second."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.fakes import FakeUpstream
from tests.system.caller import call
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CALLER_MODEL, CHAT
from tests.system.stage import Stage, is_request, staged, wait_for_line

SEEN_S_MAX = 1.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("keys")) as gateway:
        yield gateway


def ask(gateway: GatewayProcess, key: str) -> requests.Response:
    return requests.post(
        f"{gateway.openai_url}/responses",
        headers={"authorization": f"Bearer {key}"},
        json={"model": "gpt-4.1-mini", "input": "Say hello."},
        timeout=5,
    )


def wait_for_status(gateway: GatewayProcess, key: str, status: int) -> requests.Response:
    """The first answer of that status, which must come within the promised second."""
    since_s = time.monotonic()
    while (answer := ask(gateway, key)).status_code != status:
        assert time.monotonic() - since_s < SEEN_S_MAX, answer.text
    return answer


def test_key_that_was_just_made_works_at_once(tmp_path: Path) -> None:
    # So seldom is the store looked at here that only the key's own first request can have done it.
    with GatewayProcess(tmp_path, {"NAGARA_KEY_CHECK_MS": "60000"}) as gateway:
        key = gateway.make_key("fresh")
        assert ask(gateway, key).status_code == 200
        account = {"authorization": f"Bearer {gateway.make_key('boss', '--provisioning')}"}
        balance = requests.get(f"{gateway.openai_url}/account/balance", headers=account, timeout=5)
        assert balance.status_code == 200
        unknown = ask(gateway, key[:-7] + ("a" if key[-7] != "a" else "b") + key[-6:])
        assert unknown.status_code == 401


def test_key_lives_through_everything_that_can_be_done_to_it(gateway: GatewayProcess) -> None:
    key = gateway.make_key("life")
    wait_for_status(gateway, key, 200)
    gateway.run("keys", "disable", "life")
    assert "disabled" in wait_for_status(gateway, key, 401).text
    gateway.run("keys", "enable", "life")
    wait_for_status(gateway, key, 200)
    gateway.run("keys", "delete", "life", "--yes")
    assert "deleted" in wait_for_status(gateway, key, 401).text
    assert ask(gateway, gateway.key).status_code == 200


def test_key_expires_while_the_gateway_runs(gateway: GatewayProcess) -> None:
    key = gateway.make_key("brief", "--expires", "1d")
    wait_for_status(gateway, key, 200)
    with closing(sqlite3.connect(gateway.data / "nagara.db", timeout=10)) as connection:
        # Sooner than the command allows; the clock is the system's own.
        connection.execute(
            "UPDATE keys SET expires_at_s = ? WHERE name = 'brief'", (int(time.time()) + 2,)
        )
        connection.execute("UPDATE revisions SET number = number + 1 WHERE name = 'keys'")
        connection.commit()
    until_s = time.monotonic() + 4
    while (answer := ask(gateway, key)).status_code != 401:
        assert time.monotonic() < until_s
    assert "expired" in answer.text


def test_key_is_limited_to_its_models(gateway: GatewayProcess) -> None:
    key = gateway.make_key("narrow", "--models", "gpt-4.1")
    assert "gpt-4.1-mini" in wait_for_status(gateway, key, 403).text
    listed = requests.get(
        f"{gateway.openai_url}/models", headers={"x-api-key": key}, timeout=5
    ).json()["data"]
    assert {model["id"] for model in listed} == {"gpt-4.1"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


async def test_test_key_is_served_by_the_sandbox_and_costs_nothing(stage: Stage) -> None:
    test_key = stage.gateway.make_key("ci", "--test")
    upstream: FakeUpstream
    async with stage.upstream() as upstream:
        for model in (CALLER_MODEL, "gpt-4.1-mini"):
            body = {**CHAT.request, "model": model}
            until_s = time.monotonic() + SEEN_S_MAX
            head, answer = await call(
                stage.gateway, CHAT.path, body, authorization=f"Bearer {test_key}"
            )
            while head.status == 401 and time.monotonic() < until_s:
                head, answer = await call(
                    stage.gateway, CHAT.path, body, authorization=f"Bearer {test_key}"
                )
            assert head.status == 200, answer
            assert head.header("x-nagara-provider") == "sandbox"
            assert head.header("x-nagara-cost") == "0.00"
            assert b"sandbox" in answer
            line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
            assert line["charge_usd"] == "0.00"
            assert line["usage"]["input"] > 0
        assert not upstream.peers


def test_renewed_catalogue_is_taken_while_running(gateway: GatewayProcess) -> None:
    printed = gateway.run("models", "sync")
    assert "models from genai-prices" in printed
    assert ask(gateway, gateway.key).status_code == 200
    with closing(sqlite3.connect(gateway.data / "nagara.db", timeout=10)) as connection:
        store_model_of_tomorrow(connection)
    # The line that says so may also be that of the catalogue which `models sync` has stored.
    wait_for_line(gateway, lambda line: "catalogue was renewed" in line.get("message", ""))
    until_s = time.monotonic() + 5
    while (answer := ask_for_tomorrow(gateway)).status_code == 404 and time.monotonic() < until_s:
        pass
    assert answer.status_code == 200, answer.text


def ask_for_tomorrow(gateway: GatewayProcess) -> requests.Response:
    return requests.post(
        f"{gateway.openai_url}/responses",
        headers={"x-api-key": gateway.key},
        json={"model": "model-of-tomorrow", "input": "Say hello."},
        timeout=5,
    )


def store_model_of_tomorrow(connection: sqlite3.Connection) -> None:
    """What `models sync` does with newer prices than those that are installed."""
    ((document,),) = connection.execute("SELECT document FROM catalogues WHERE name = 'models.2'")
    catalogue = json.loads(document)
    catalogue["built_at_s"] += 86_400
    catalogue["models"].append({**catalogue["models"][0], "id": "model-of-tomorrow", "aliases": []})
    connection.execute(
        "UPDATE catalogues SET document = ?, built_at_s = ? WHERE name = 'models.2'",
        (json.dumps(catalogue).encode(), catalogue["built_at_s"]),
    )
    connection.execute("UPDATE revisions SET number = number + 1 WHERE name = 'catalogue'")
    connection.commit()


def test_catalogue_that_clashes_with_an_alias_is_refused_and_keys_are_still_followed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "nagara.toml"
    file.write_text('[aliases]\nmodel-of-tomorrow = "gpt-4.1-mini"\n')
    with GatewayProcess(tmp_path / "data", {}, "--config", str(file)) as gateway:
        gateway.run("models", "sync")
        with closing(sqlite3.connect(gateway.data / "nagara.db", timeout=10)) as connection:
            store_model_of_tomorrow(connection)
        line = wait_for_line(gateway, lambda line: "not used" in line.get("message", ""))
        assert "model-of-tomorrow" in line["message"]
        key = gateway.make_key("later")
        wait_for_status(gateway, key, 200)
