"""The account API over a real gateway: what programs that look after keys and money do with it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.commands import run
from tests.system.error_shapes import read_error
from tests.system.gateway import GatewayProcess, served
from tests.system.wire import WireConnection, encode_request

MODEL = "gpt-4.1-mini"
NEVER = 999_999


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with served(tmp_path_factory.mktemp("account")) as gateway:
        yield gateway


class Caller:
    """A program with the provisioning key of one account."""

    def __init__(self, gateway: GatewayProcess, key: str, name: str = "default") -> None:
        self.name = name
        self.url = f"{gateway.url}/v1"
        self.headers = {"authorization": f"Bearer {key}"}

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        url = f"{self.url}/account{path}"
        return requests.request(method, url, headers=headers, timeout=10, **more)

    def get(self, path: str, **query: object) -> Any:
        response = self.send("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def make_key(self, **terms: object) -> dict[str, Any]:
        response = self.send("POST", "/keys", json={"name": "ci", **terms})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    def refused(self, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:
        response = self.send(method, path, **more)
        assert response.status_code == status, response.text
        error: dict[str, Any] = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


@pytest.fixture(name="caller")
def open_new_account(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Caller:
    """A caller with an account of the test's own, opened with ten dollars."""
    name = request.node.name[:200]
    gateway.run("accounts", "create", name, "--grant", "10")
    return Caller(gateway, gateway.make_key("boss", "--provisioning", "--account", name), name)


def ask(gateway: GatewayProcess, key: str, text: str = "Say hello.") -> requests.Response:
    return requests.post(
        f"{gateway.url}/v1/responses",
        headers={"authorization": f"Bearer {key}"},
        json={"model": MODEL, "input": text, "max_output_tokens": 50},
        timeout=10,
    )


def nano(text: str) -> int:
    whole, _, fraction = text.removeprefix("-").partition(".")
    amount = int(whole) * 10**9 + int(fraction.ljust(9, "0"))
    return -amount if text.startswith("-") else amount


# to the letter


def test_unused_account_has_its_balance_and_no_activity(caller: Caller) -> None:
    assert caller.get("/balance") == {"balance": "10.00"}
    assert caller.get("/activity") == {
        "period_days": 30,
        "total_stats": {
            "total_requests": 0,
            "total_cost": "0.00",
            "total_input_tokens": 0,
            "total_output_tokens": 0,
        },
        "daily_stats": [],
        "top_models": [],
        "api_key_usage": [],
    }
    assert caller.get("/keys") == {"keys": []}


def test_key_is_made_read_changed_and_deleted(gateway: GatewayProcess, caller: Caller) -> None:
    made = caller.make_key(credit_limit=0.1, expires_at="2999-01-31T12:00:00Z")
    secret, message = made.pop("key"), made.pop("message")
    assert secret.startswith("ng-")
    assert "once" in message
    assert made["credit_limit"] == 0.1
    assert made["expires_at"] == "2999-01-31T12:00:00Z"
    assert datetime.fromisoformat(made["created_at"]).tzinfo == UTC
    assert (made["name"], made["is_enabled"], made["kind"]) == ("ci", True, "standard")
    path = f"/keys/{made['id']}"
    assert caller.get(path) == made
    assert caller.get("/keys") == {"keys": [made]}
    assert ask(gateway, secret).status_code == 200

    changed = caller.send("PATCH", path, json={"is_enabled": False, "credit_limit": None})
    assert changed.status_code == 200
    assert (changed.json()["is_enabled"], changed.json()["credit_limit"]) == (False, None)
    assert changed.json()["expires_at"] == made["expires_at"]
    assert ask(gateway, secret).status_code == 401
    assert caller.send("PATCH", path, json={"is_enabled": True}).status_code == 200
    assert ask(gateway, secret).status_code == 200

    deleted = caller.send("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    # At once, and not when the next look at the database happens to come.
    assert ask(gateway, secret).status_code == 401
    assert caller.refused("GET", path, 404)["param"] == "key_id"
    assert caller.refused("DELETE", path, 404)


def test_credit_limit_is_written_with_all_its_digits(caller: Caller) -> None:
    body = b'{"name": "x", "credit_limit": 9223372036.854775807}'
    response = caller.send("POST", "/keys", data=body)
    assert b'"credit_limit":9223372036.854775807' in response.content


def test_only_a_provisioning_key_opens_it(gateway: GatewayProcess, caller: Caller) -> None:
    secret = caller.make_key()["key"]
    wrong = Caller(gateway, secret)
    for method, path in (
        *(("GET", path) for path in ("/balance", "/activity", "/keys", "/usage")),
        *(("GET", "/transactions"), ("POST", "/keys"), ("GET", "/keys/1")),
        *(("PATCH", "/keys/1"), ("DELETE", "/keys/1"), ("POST", "/keys/1/rotate")),
    ):
        assert wrong.refused(method, path, 401)["type"] == "invalid_provisioning_key"
    nobody = requests.get(f"{gateway.url}/v1/account/keys", timeout=5)
    assert (nobody.status_code, nobody.json()["error"]["type"]) == (401, "authentication_error")


def test_other_accounts_keys_are_not_there(gateway: GatewayProcess, caller: Caller) -> None:
    other = Caller(gateway, gateway.provisioning_key)
    own = caller.make_key()["id"]
    theirs = other.get("/keys")["keys"][0]["id"]
    for key_id in (theirs, NEVER, 2**63, 0, -1, "x", "1e3"):
        assert caller.refused("GET", f"/keys/{key_id}", 404)["type"] == "not_found_error"
        assert caller.refused("PATCH", f"/keys/{key_id}", 404, json={"name": "stolen"})
        assert caller.refused("DELETE", f"/keys/{key_id}", 404)
        assert caller.refused("POST", f"/keys/{key_id}/rotate", 404)
    assert [key["id"] for key in caller.get("/keys")["keys"]] == [own]


def test_provisioning_keys_can_neither_be_seen_nor_made(
    gateway: GatewayProcess, caller: Caller
) -> None:
    listed = msgspec.json.decode(gateway.run("keys", "list", "--json"))["keys"]
    hint = caller.headers["authorization"][-4:]
    own = next(key["id"] for key in listed if key["hint"].endswith(hint))
    assert caller.refused("DELETE", f"/keys/{own}", 404)
    body = {"name": "x", "kind": "provisioning"}
    assert caller.refused("POST", "/keys", 400, json=body)["param"] == "kind"


def test_test_key_costs_nothing(gateway: GatewayProcess, caller: Caller) -> None:
    secret = caller.make_key(kind="test")["key"]
    assert secret.startswith("ng-test-")
    assert ask(gateway, secret).status_code == 200
    assert caller.get("/balance") == {"balance": "10.00"}
    # Nothing is owed for it, so its answer does not wait for its record.
    deadline_s = time.monotonic() + 5
    while not (rows := caller.get("/usage")["data"]):
        assert time.monotonic() < deadline_s
    assert [row["is_test"] for row in rows] == [True]


# what was spent


def test_every_sum_is_what_was_charged(gateway: GatewayProcess, caller: Caller) -> None:
    first, second = caller.make_key(name="one"), caller.make_key(name="two")
    for key, times in ((first, 3), (second, 2)):
        for _ in range(times):
            assert ask(gateway, key["key"]).status_code == 200
    usage = caller.get("/usage")["data"]
    costs = dict.fromkeys((first["id"], second["id"]), 0)
    for row in usage:
        costs[row["api_key_id"]] += nano(row["cost"])
    total = sum(costs.values())
    assert total > 0
    assert nano(caller.get("/balance")["balance"]) == 10 * 10**9 - total
    activity = caller.get("/activity")
    assert activity["total_stats"]["total_requests"] == 5
    assert nano(activity["total_stats"]["total_cost"]) == total
    today = datetime.now(UTC).date().isoformat()
    assert [day["date"] for day in activity["daily_stats"]] == [today]
    (model,) = activity["top_models"]
    assert (model["model_name"], model["request_count"]) == (MODEL, 5)
    assert {
        key["api_key_id"]: (key["api_key_name"], key["request_count"], nano(key["total_cost"]))
        for key in activity["api_key_usage"]
    } == {
        first["id"]: ("one", 3, costs[first["id"]]),
        second["id"]: ("two", 2, costs[second["id"]]),
    }
    spent = {key["id"]: nano(key["spent"]) for key in caller.get("/keys")["keys"]}
    assert spent == costs
    one = caller.get("/activity", api_key_id=first["id"], model=MODEL, days=1, group_by="day,model")
    assert [group["request_count"] for group in one["groups"]] == [3]
    assert one["groups"][0]["date"] == today


def test_pages_are_followed_to_the_end(gateway: GatewayProcess, caller: Caller) -> None:
    key = caller.make_key()["key"]
    for _ in range(5):
        assert ask(gateway, key).status_code == 200
    for path, count in (("/usage", 5), ("/transactions", 6)):
        read: list[dict[str, Any]] = []
        query: dict[str, object] = {"limit": 2}
        while True:
            page = caller.get(path, **query)
            read += page["data"]
            assert page["has_more"] == (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            query["cursor"] = page["next_cursor"]
        assert len({row["id"] for row in read}) == len(read) == count
        assert [row["created_at"] for row in read] == sorted(
            (row["created_at"] for row in read), reverse=True
        )
    balance = 0
    for row in reversed(read):
        balance += nano(row["amount"])
        assert nano(row["balance"]) == balance
    assert caller.get("/balance")["balance"] == read[0]["balance"]


def test_a_call_is_found_by_its_request_id_and_refunded(
    gateway: GatewayProcess, caller: Caller
) -> None:
    request_id = ask(gateway, caller.make_key()["key"]).headers["x-request-id"]
    (row,) = caller.get("/usage")["data"]
    assert row["request_id"] == request_id
    gateway.run("credits", "refund", request_id, "--note", "sorry")
    assert caller.get("/balance") == {"balance": "10.00"}
    refund = caller.get("/transactions", type="refund")["data"][0]
    assert (refund["request_id"], refund["note"], refund["usage_id"]) == (
        request_id,
        "sorry",
        row["id"],
    )
    assert caller.get("/keys")["keys"][0]["spent"] == "0.00"
    again = run("credits", "refund", request_id, "--data", str(gateway.data))
    assert (again.returncode, "nothing is left" in again.stderr) == (1, True)


def test_a_charge_is_refunded_by_its_own_id_and_for_no_more_than_it_was(
    gateway: GatewayProcess, caller: Caller
) -> None:
    assert ask(gateway, caller.make_key()["key"]).status_code == 200
    charge = caller.get("/transactions", type="post")["data"][0]
    more = ("credits", "refund", charge["id"], "--amount", "1", "--data", str(gateway.data))
    refused = run(*more)
    assert (refused.returncode, "no more can be refunded" in refused.stderr) == (1, True)
    gateway.run("credits", "refund", charge["id"])
    assert caller.get("/balance") == {"balance": "10.00"}


@pytest.mark.parametrize(("percent", "times"), [("300", 4), ("-50", 0.5), ("0", 1)])
def test_markup_of_the_account_is_on_every_call_from_then_on(
    gateway: GatewayProcess, caller: Caller, percent: str, times: float
) -> None:
    key = caller.make_key()["key"]
    assert ask(gateway, key).status_code == 200
    (plain,) = caller.get("/usage")["data"]
    gateway.run("accounts", "set-markup", caller.name, percent)
    deadline_s = time.monotonic() + 5
    # Every worker notices within a second; who asks before pays the old price.
    expected = -(-nano(plain["cost"]) * times // 1)
    while nano(caller.get("/usage")["data"][0]["cost"]) != expected:
        assert time.monotonic() < deadline_s
        assert ask(gateway, key).status_code == 200
    assert "agrees with itself" in gateway.run("ledger", "verify")


@pytest.mark.parametrize("name", ["a\x00b", "\x7f", "a\tb", "a\u0085b"])
def test_name_with_a_control_character_is_refused(caller: Caller, name: str) -> None:
    assert caller.refused("POST", "/keys", 400, json={"name": name})["param"] == "name"


def test_what_the_operator_pays_is_never_told(gateway: GatewayProcess, caller: Caller) -> None:
    assert ask(gateway, caller.make_key()["key"]).status_code == 200
    for path in ("/usage", "/transactions", "/activity"):
        text = caller.send("GET", path).text
        assert '"cost_nano"' not in text
        assert ":cost:" not in text


def test_limit_below_what_is_spent_leaves_nothing_and_stops_the_key(
    gateway: GatewayProcess, caller: Caller
) -> None:
    key = caller.make_key()
    assert ask(gateway, key["key"]).status_code == 200
    path = f"/keys/{key['id']}"
    changed = caller.send("PATCH", path, data='{"credit_limit": 0.000000001}').json()
    assert changed["limits"]["credit"] == {
        "amount": "0.000000001",
        "period": "total",
        "remaining": "0.00",
        "resets_at": None,
    }
    assert ask(gateway, key["key"]).status_code == 402
    caller.send("PATCH", path, json={"credit_limit_period": "day", "credit_limit": 1})
    credit = caller.get(path)["limits"]["credit"]
    assert nano(credit["remaining"]) == 10**9 - nano(caller.get(path)["spent"])
    assert credit["resets_at"].endswith("T00:00:00Z")
    assert ask(gateway, key["key"]).status_code == 200


# rotation


def test_rotated_key_works_with_both_secrets_and_spends_on(
    gateway: GatewayProcess, caller: Caller
) -> None:
    key = caller.make_key(credit_limit=1)
    path = f"/keys/{key['id']}"
    assert ask(gateway, key["key"]).status_code == 200
    spent = caller.get(path)["spent"]
    rotated = caller.send("POST", f"{path}/rotate").json()
    assert (rotated["id"], rotated["spent"]) == (key["id"], spent)
    assert rotated["previous_key_expires_at"] > key["created_at"]
    assert rotated["key"] != key["key"]
    for secret in (key["key"], rotated["key"]):
        assert ask(gateway, secret).status_code == 200
    last = caller.send("POST", f"{path}/rotate", json={"overlap_s": 0}).json()
    # That which was current is gone at once; the one before it has its day.
    assert ask(gateway, rotated["key"]).status_code == 401
    for secret in (key["key"], last["key"]):
        assert ask(gateway, secret).status_code == 200
    assert len({row["api_key_id"] for row in caller.get("/usage")["data"]}) == 1
    caller.send("PATCH", path, json={"is_enabled": False})
    for secret in (key["key"], last["key"]):
        assert ask(gateway, secret).status_code == 401


def test_of_parallel_rotations_one_at_a_time_wins(caller: Caller) -> None:
    key = caller.make_key()
    statuses: list[int] = []

    def rotate() -> None:
        statuses.append(caller.send("POST", f"/keys/{key['id']}/rotate").status_code)

    threads = [threading.Thread(target=rotate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 409}
    assert 200 in statuses


# being asked again


@pytest.mark.parametrize("path", ["/balance", "/activity", "/keys", "/usage", "/transactions"])
def test_answer_that_is_known_is_not_sent_again(caller: Caller, path: str) -> None:
    first = caller.send("GET", path)
    again = caller.send("GET", path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    caller.make_key()
    if path == "/keys":
        changed = caller.send("GET", path, headers={"if-none-match": first.headers["etag"]})
        assert changed.status_code == 200


def test_secret_is_not_to_be_stored_by_anyone_between(caller: Caller) -> None:
    response = caller.send("POST", "/keys", json={"name": "x"})
    assert response.headers["cache-control"] == "no-store"


def test_wrong_method_says_which_are_right(caller: Caller) -> None:
    response = caller.send("PUT", "/keys")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_page_of_another_origin_is_turned_away(caller: Caller) -> None:
    error = caller.refused("GET", "/balance", 403, headers={"origin": "https://evil.example"})
    assert error["code"] == "cross_origin"


def test_body_that_is_too_large_is_413(caller: Caller) -> None:
    response = caller.send("POST", "/keys", data=b'{"name": "' + b"x" * 2_000_000 + b'"}')
    assert response.status_code == 413


def test_accounts_are_looked_after_while_inference_is_full(tmp_path: Path) -> None:
    with served(tmp_path, {"requests_in_flight_max": 1}) as gateway:
        body = b'{"model": "gpt-4.1-mini", "input": "Say hello."}'
        head = [
            ("authorization", f"Bearer {gateway.key}"),
            ("content-type", "application/json"),
        ]
        # A request whose body never ends takes the only place there is.
        data = encode_request("POST", "/v1/responses", tuple(head), body)[:-5]
        with closing(WireConnection(gateway.port)) as connection:
            connection.send(data)
            boss = Caller(gateway, gateway.provisioning_key)
            wait_until_full(gateway)
            assert boss.get("/balance") == {"balance": "100.00"}
            assert boss.make_key()["id"]


def wait_until_full(gateway: GatewayProcess) -> None:
    for _ in range(200):
        if ask(gateway, gateway.key).status_code == 503:
            return
    pytest.fail("a second request was never too many")


# whatever is sent

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from(
    ["name", "credit_limit", "credit_limit_period", "expires_at", "allowed_models", "limits",
     "kind", "is_enabled", "overlap_s"]
)  # fmt: skip
_bodies = st.binary(max_size=60) | st.dictionaries(_names, _json, max_size=5).map(
    lambda value: msgspec.json.encode(value)
)
_queries = st.dictionaries(
    st.sampled_from(
        ["days", "from", "to", "model", "api_key_id", "group_by", "limit", "cursor", "type"]
    ),
    st.text(max_size=20)
    | st.integers().map(str)
    | st.dates().map(str)
    | st.sampled_from(["day", "model,api_key", "post,refund", "WyJyZXF1ZXN0cyIsMSwyXQ"]),
    max_size=4,
)
_fuzzed = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", name="tester")
def open_testers_account(gateway: GatewayProcess) -> Caller:
    gateway.run("accounts", "create", "tester", "--grant", "10")
    tester = Caller(gateway, gateway.make_key("boss", "--provisioning", "--account", "tester"))
    tester.make_key()
    return tester


def exchange(gateway: GatewayProcess, tester: Caller, data: tuple[str, str, bytes]) -> int:
    """The status of an answer that has the shape of the API."""
    method, path, body = data
    with closing(WireConnection(gateway.port)) as connection:
        connection.send(encode_request(method, path, tester.headers.items(), body))
        answer = connection.read_answer(method)
    if answer.status >= 400:
        read_error(answer, path)
    return answer.status


@_fuzzed
@given(body=_bodies, where=st.sampled_from(["", "/{}", "/{}/rotate"]))
def test_no_body_is_answered_with_a_mistake_of_ours(
    gateway: GatewayProcess, tester: Caller, body: bytes, where: str
) -> None:
    key_id = tester.get("/keys")["keys"][0]["id"]
    method = "PATCH" if where == "/{}" else "POST"
    path = f"/v1/account/keys{where.format(key_id)}"
    assert exchange(gateway, tester, (method, path, body)) in {200, 201, 400, 409}


@_fuzzed
@given(
    query=_queries, path=st.sampled_from(["balance", "activity", "keys", "usage", "transactions"])
)
def test_no_query_is_answered_with_a_mistake_of_ours(
    gateway: GatewayProcess, tester: Caller, query: dict[str, str], path: str
) -> None:
    prepared = requests.Request("GET", f"http://x/v1/account/{path}", params=query).prepare()
    assert exchange(gateway, tester, ("GET", prepared.path_url, b"")) in {200, 400}


# afterwards


def test_ledger_agrees_with_itself_after_all_that(gateway: GatewayProcess) -> None:
    assert "agrees with itself" in gateway.run("ledger", "verify")
