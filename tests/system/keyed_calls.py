"""What tests of idempotency keys share: the charges of an account,, and a provider that counts."""

import json
import uuid
from typing import Any

import requests

from tests.fakes import FakeUpstream, Peer
from tests.system.caller import Head
from tests.system.gateway import GatewayProcess
from tests.system.scripts import Lines, give_answer, give_stream

REPLAYED = "x-nagara-idempotent-replay"


def count_charges(gateway: GatewayProcess) -> int:
    """How often the account was charged until now, by the ledger's own rows."""
    found = requests.get(
        f"{gateway.url}/v1/account/transactions?limit=100",
        headers={"authorization": f"Bearer {gateway.provisioning_key}"},
        timeout=10,
    ).json()["data"]
    assert len(found) < 100, "there may be more"
    return sum(row["amount"].startswith("-") for row in found)


def new_key() -> str:
    """A key that no other call has."""
    return uuid.uuid4().hex


async def play(peer: Peer, lines: Lines, is_streamed: bool) -> None:
    """A provider that answers every request well."""
    while await peer.read_request():
        await (give_stream if is_streamed else give_answer)(peer, lines)


def asked(upstream: FakeUpstream) -> int:
    """How many requests the provider has read."""
    return sum(peer.request_count for peer in upstream.peers)


def error_of(body: bytes) -> dict[str, Any]:
    """The error of an answer, in either shape."""
    error: dict[str, Any] = json.loads(body)["error"]
    return error


def is_replay(head: Head) -> bool:
    """Whether it is the answer of an earlier request."""
    return head.header(REPLAYED) == "true"
