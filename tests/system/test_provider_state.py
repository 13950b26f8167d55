"""What a provider keeps under the gateway's credential, and who may name it."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.system.caller import call
from tests.system.gateway import GatewayProcess
from tests.system.responses_provider import ResponsesProvider
from tests.system.scripts import RESPONSES
from tests.system.stage import Address, Stage

CONFIG = """
[providers.guarded]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
[providers.shared]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
share_state = true
"""
STATE = [("conversation", "conv_1"), ("conversation", {"id": "conv_1"}), ("prompt", {"id": "p_1"})]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("state")
    config = folder / "nagara.toml"
    with contextlib.closing(Address()) as address:
        config.write_text(CONFIG.format(port=address.port))
        with GatewayProcess(folder / "data", None, "--config", str(config)) as gateway:
            yield Stage(gateway, address)


@pytest.mark.parametrize(("name", "value"), STATE)
async def test_state_under_a_shared_credential_is_refused_with_the_way_out(
    stage: Stage, name: str, value: object
) -> None:
    provider = ResponsesProvider()
    async with stage.upstream(provider.script):
        body = {"model": "guarded/m", "input": "Go on.", name: value}
        head, answer = await call(stage.gateway, RESPONSES.path, body)
    error = json.loads(answer)["error"]
    assert (head.status, error["param"]) == (400, name)
    assert "share_state = true in [providers.guarded]" in error["message"]
    assert not provider.requests


@pytest.mark.parametrize(("name", "value"), STATE)
async def test_state_goes_to_the_provider_where_the_operator_shares_it(
    stage: Stage, name: str, value: object
) -> None:
    provider = ResponsesProvider()
    async with stage.upstream(provider.script):
        head, _ = await call(stage.gateway, RESPONSES.path, {"model": "shared/m", name: value})
    assert head.status == 200
    assert provider.requests[0][name] == value


async def test_parameter_that_is_null_names_nothing(stage: Stage) -> None:
    async with stage.upstream(ResponsesProvider().script):
        body = {"model": "guarded/m", "input": "Hi.", "conversation": None, "prompt": None}
        head, _ = await call(stage.gateway, RESPONSES.path, body)
    assert head.status == 200
