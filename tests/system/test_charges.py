"""What is charged for an answer that does not go as it should, or that the caller can hardly pay.

The provider is played by the test; what the ledger made of it is read from its rows.
"""

import asyncio
import contextlib
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from nagara.storage.data_folder import database_path
from tests.fakes import FakeUpstream, Peer
from tests.system.caller import Caller, Head, call
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CHAT, DIALECTS, Lines, begin_stream, give_answer
from tests.system.stage import Stage, staged, staged_by

INPUT_NANO, OUTPUT_NANO = 1000, 2000
"""What a token costs on the stage."""

KNOWN = "gpt-4.1-mini"
KNOWN_PROVIDER = f"""
[credentials.theirs]
env = "THEIR_KEY"

[providers.openai]
credential = "theirs"
base_url = "http://127.0.0.1:{{port}}/v1"

[providers.spare]
kind = "compatible"
base_url = "http://127.0.0.1:{{port}}/spare/v1"

[models."{KNOWN}"]
deployments = [
    {{{{ provider = "openai", model = "{KNOWN}" }}}},
    {{{{ provider = "spare", model = "{KNOWN}", priority = 2 }}}},
]
"""
"""A provider whose own prices are in the catalogue, and one whose are not."""

CAP = 400
SOON_S = 10.0
CHECK_S = 0.02
DOLLARS = re.compile(r"\$(\d+\.\d+)")

CAPS = {
    "chat": ("max_tokens", "max_completion_tokens"),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}
"""The names by which a caller may cap the output, in each dialect."""


class Row(msgspec.Struct, frozen=True):
    """What the journal has of a request."""

    status: int
    outcome: str
    is_estimated: int
    charge_nano: int
    held_nano: int
    cost_nano: int | None
    attempts: int
    provider: str | None


_FIND = (
    "SELECT status, outcome, is_usage_estimated, charge_nano, held_nano, cost_nano, attempts, "
    "provider FROM requests WHERE request_id = ?"
)


def read(gateway: GatewayProcess, sql: str, *params: str) -> list[Any]:
    """Rows of the gateway's file."""
    with contextlib.closing(sqlite3.connect(database_path(gateway.data))) as connection:
        return connection.execute(sql, params).fetchall()


def wait_for_row(gateway: GatewayProcess, request_id: str) -> Row:
    """What became of a request, as soon as it is settled."""
    until_s = time.monotonic() + SOON_S
    while not (rows := read(gateway, _FIND, request_id)):
        assert time.monotonic() < until_s, f"{request_id} was never settled:\n{gateway.output}"
        time.sleep(CHECK_S)
    assert len(rows) == 1
    return Row(*rows[0])


def transfers_of(gateway: GatewayProcess, request_id: str) -> list[tuple[str, str, str, int]]:
    """What moved for a request: why, from whom, to whom, how much."""
    return read(
        gateway,
        "SELECT code, debit.kind, credit.kind, amount_nano FROM transfers "
        "JOIN requests ON requests.id = transfers.request "
        "JOIN ledger_accounts AS debit ON debit.id = debit_id "
        "JOIN ledger_accounts AS credit ON credit.id = credit_id "
        "WHERE request_id = ? ORDER BY transfers.seq",
        request_id,
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("charges")) as stage:
        yield stage


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose provider's own prices are known."""
    with staged_by(KNOWN_PROVIDER, tmp_path_factory.mktemp("known"), {}) as stage:
        yield stage


@pytest.fixture(autouse=True, scope="module")
def verify(stage: Stage, known: Stage) -> Iterator[None]:
    """Whatever happened, the ledgers agree with themselves afterwards."""
    yield
    for each in (stage, known):
        each.gateway.run("ledger", "verify")


# a caller who leaves


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_who_leaves_pays_for_what_was_written_by_an_estimate_within_the_hold(
    stage: Stage, dialect: str
) -> None:
    lines = DIALECTS[dialect]
    request_id = f"left-{dialect}"
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(lines.path, lines.streamed, x_request_id=request_id)
        peer = await upstream.accept()
        assert await peer.read_request()
        await begin_stream(peer, *lines.events)
        await caller.read_until(b"Hel") if await caller.read_head() else None
        caller.leave()
        await peer.closed()
    row = await asyncio.to_thread(wait_for_row, stage.gateway, request_id)
    assert row.is_estimated == 1
    assert 0 < row.charge_nano <= row.held_nano
    moved = [("post", "customer", "revenue", row.charge_nano)]
    assert transfers_of(stage.gateway, request_id) == moved


async def test_who_leaves_before_anything_was_written_pays_nothing(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(CHAT.path, CHAT.streamed, x_request_id="left-early")
        peer = await upstream.accept()
        assert await peer.read_request()
        caller.leave()
        await peer.closed()
    row = await asyncio.to_thread(wait_for_row, stage.gateway, "left-early")
    assert (row.status, row.charge_nano) == (499, 0)
    assert row.held_nano > 0
    assert transfers_of(stage.gateway, "left-early") == []


# an attempt that fails


async def test_what_breaks_off_costs_the_operator_and_not_the_caller(known: Stage) -> None:
    async with known.upstream() as upstream, Caller(known.gateway) as caller:
        caller.post(CHAT.path, {**CHAT.streamed, "model": KNOWN}, x_request_id="broken")
        peer = await upstream.accept()
        assert await peer.read_request()
        await begin_stream(peer, *CHAT.events)
        peer.reset()
        await caller.read_head()
        assert b"upstream_cut" in await caller.read_body()
    row = wait_for_row(known.gateway, "broken")
    assert (row.outcome, row.charge_nano, row.provider) == ("cut", 0, "openai")
    assert row.cost_nano is not None
    assert row.cost_nano > 0
    moved = [("cost", "cost:openai", "provider:openai", row.cost_nano)]
    assert transfers_of(known.gateway, "broken") == moved


async def test_only_the_attempt_that_served_is_charged(known: Stage) -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            if request.target.startswith(b"/spare/"):
                await give_answer(peer, CHAT)
            else:
                await peer.answer(b"{}", status=500)

    async with known.upstream(script):
        body = {**CHAT.request, "model": KNOWN}
        head, _ = await call(known.gateway, CHAT.path, body, x_request_id="second")
    assert head.status == 200
    row = wait_for_row(known.gateway, "second")
    assert (row.attempts, row.provider, row.is_estimated) == (2, "spare", 0)
    assert [moved[0] for moved in transfers_of(known.gateway, "second")] == ["post"]


async def test_what_every_provider_refuses_is_not_charged(known: Stage) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(b"{}", status=500)

    async with known.upstream(script):
        body = {**CHAT.request, "model": KNOWN}
        head, _ = await call(known.gateway, CHAT.path, body, x_request_id="refused")
    assert head.status == 502
    row = wait_for_row(known.gateway, "refused")
    assert (row.outcome, row.charge_nano, row.attempts) == ("error", 0, 2)
    assert transfers_of(known.gateway, "refused") == []


async def test_moderation_by_a_model_with_a_price_is_charged_for_its_input(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(b'{"id": "modr-1", "results": [{"flagged": false}]}')

    async with stage.upstream(script):
        body = {"model": CHAT.request["model"], "input": "is this well said?"}
        head, _ = await call(stage.gateway, "/v1/moderations", body, x_request_id="moderated")
    assert head.status == 200
    row = wait_for_row(stage.gateway, "moderated")
    # The values of its fields and some bytes around each, four to a token.
    size = sum(len(json.dumps(value)) + 16 for value in body.values())
    assert (row.is_estimated, row.charge_nano) == (1, -(-size // 4) * INPUT_NANO)


# a caller who can hardly pay


class Poor:
    """An account with so much, and its key."""

    def __init__(self, stage: Stage, name: str, balance_nano: int) -> None:
        grant = f"{balance_nano / 10**9:.9f}"
        stage.gateway.run("accounts", "create", name, "--grant", grant)
        self.url = stage.gateway.url
        self.key = stage.gateway.make_key(name, "--account", name)


@contextlib.asynccontextmanager
async def answering(stage: Stage, lines: Lines) -> AsyncIterator[list[dict[str, Any]]]:
    """A provider that answers; the bodies that it was sent."""
    bodies: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            bodies.append(json.loads(request.body))
            await give_answer(peer, lines)

    upstream: FakeUpstream = stage.upstream(script)
    async with upstream:
        yield bodies


async def find_needed_nano(stage: Stage, name: str, lines: Lines, body: dict[str, Any]) -> int:
    """What a request needs, as one who has next to nothing is told."""
    head, answer = await call(Poor(stage, f"broke-{name}", 1), lines.path, body)
    needed_nano, available_nano = read_402(head, answer)
    assert available_nano == 1
    return needed_nano


def read_402(head: Head, answer: bytes) -> tuple[int, int]:
    """What was needed and what was there."""
    assert head.status == 402, answer
    needed, available = DOLLARS.findall(json.loads(answer)["error"]["message"])
    return round(float(needed) * 10**9), round(float(available) * 10**9)


@pytest.mark.parametrize(
    ("dialect", "field"), [(dialect, field) for dialect, fields in CAPS.items() for field in fields]
)
async def test_output_is_lowered_to_what_can_be_paid_and_both_sides_are_told(
    stage: Stage, dialect: str, field: str
) -> None:
    lines, name = DIALECTS[dialect], f"{dialect}-{field}"
    body = {**lines.request, field: CAP}
    needed_nano = await find_needed_nano(stage, name, lines, body)
    poor = Poor(stage, name, needed_nano - (CAP - 50) * OUTPUT_NANO + 1)
    async with answering(stage, lines) as bodies:
        head, answer = await call(poor, lines.path, body, x_request_id=name)
    assert head.status == 200, answer
    assert head.header("x-nagara-max-output-tokens") == "50"
    assert [sent[field] for sent in bodies] == [50]
    row = wait_for_row(stage.gateway, name)
    assert row.charge_nano == 7 * INPUT_NANO + 2 * OUTPUT_NANO
    assert row.held_nano == needed_nano - (CAP - 50) * OUTPUT_NANO


async def test_who_can_pay_is_told_of_no_cap(stage: Stage) -> None:
    async with answering(stage, CHAT) as bodies:
        head, _ = await call(stage.gateway, CHAT.path, {**CHAT.request, "max_tokens": CAP})
    assert head.header("x-nagara-max-output-tokens") is None
    assert [sent["max_tokens"] for sent in bodies] == [CAP]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_a_402_says_would_fit_fits(stage: Stage, dialect: str) -> None:
    lines, name, field = DIALECTS[dialect], f"tight-{dialect}", CAPS[dialect][0]
    body = {**lines.request, field: CAP}
    needed_nano = await find_needed_nano(stage, name, lines, body)
    # Ten tokens are less than a useful answer, unless somebody asks for so few.
    balance_nano = needed_nano - (CAP - 10) * OUTPUT_NANO
    poor = Poor(stage, name, balance_nano)
    async with answering(stage, lines) as bodies:
        head, answer = await call(poor, lines.path, body, x_request_id=name)
        assert read_402(head, answer) == (needed_nano, balance_nano)
        assert "capped at 10 tokens it would fit" in json.loads(answer)["error"]["message"]
        assert bodies == []
        assert read(stage.gateway, _FIND, name) == []
        head, answer = await call(poor, lines.path, {**body, field: 10}, x_request_id=f"{name}-10")
    assert head.status == 200, answer
    assert [sent[field] for sent in bodies] == [10]
    row = wait_for_row(stage.gateway, f"{name}-10")
    assert row.charge_nano == 7 * INPUT_NANO + 2 * OUTPUT_NANO
