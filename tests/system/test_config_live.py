"""The configuration as an operator meets it: mistakes at the start, edits while it runs."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fakes import Peer
from tests.system.caller import call
from tests.system.commands import run
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CHAT, give_answer
from tests.system.stage import CREDENTIAL, DEADLINE_S, Address, wait_for_line

CONFIG = """
[config]
config_check_s = 0.05

[credentials.filed]
file = "{secret_file}"

[providers.theirs]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "filed"

[models.house-model]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "theirs", model = "their-model-2" }}]

[aliases]
first-alias = "house-model"
"""


class Edited:
    """A gateway that follows a file, and the file."""

    def __init__(self, gateway: GatewayProcess, file: Path, secret: Path, address: Address) -> None:
        self.gateway = gateway
        self.file = file
        self.secret = secret
        self.address = address

    def append(self, text: str) -> None:
        """Edit the file as editors do: a new one in its place."""
        new = self.file.with_suffix(".new")
        new.write_text(self.file.read_text() + text)
        new.replace(self.file)


@pytest.fixture
def edited(tmp_path: Path) -> Iterator[Edited]:
    address = Address()
    secret, file = tmp_path / "credential", tmp_path / "nagara.toml"
    secret.write_text(f"{CREDENTIAL}\n")
    file.write_text(CONFIG.format(secret_file=secret, port=address.port))
    with GatewayProcess(tmp_path / "data", {}, "--config", str(file)) as gateway:
        yield Edited(gateway, file, secret, address)
        assert CREDENTIAL not in gateway.output
    address.close()


def status_of(gateway: GatewayProcess, model: str) -> int:
    return requests.get(
        f"{gateway.url}/v1/models/{model}", headers={"x-api-key": gateway.key}, timeout=5
    ).status_code


def wait_for_model(gateway: GatewayProcess, model: str, status: int) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while (found := status_of(gateway, model)) != status:
        assert time.monotonic() < until_s, f"{model} is {found} still"
        time.sleep(0.01)


def test_alias_that_is_added_while_running_works_within_seconds(edited: Edited) -> None:
    assert status_of(edited.gateway, "first-alias") == 200
    assert status_of(edited.gateway, "second-alias") == 404
    edited.append('second-alias = "house-model"\n')
    wait_for_model(edited.gateway, "second-alias", 200)
    wait_for_line(edited.gateway, lambda line: line.get("message") == "configuration reloaded")


def test_broken_edit_leaves_the_running_configuration_and_says_so(edited: Edited) -> None:
    good = edited.file.read_text()
    edited.append('second-alias = "no-such-model"\n')
    line = wait_for_line(edited.gateway, lambda line: "not reloaded" in line.get("message", ""))
    assert line["level"] == "error"
    assert "no-such-model" in line["message"]
    assert "nagara.toml:" in line["message"]
    assert status_of(edited.gateway, "first-alias") == 200
    edited.file.write_text(good)
    edited.append('second-alias = "house-model"\n')
    wait_for_model(edited.gateway, "second-alias", 200)


@pytest.mark.parametrize("text", ["[server\n", "[server]\nprot = 1\n", "\x00"])
def test_every_kind_of_broken_edit_is_survived(edited: Edited, text: str) -> None:
    edited.append(text)
    wait_for_line(edited.gateway, lambda line: "not reloaded" in line.get("message", ""))
    assert status_of(edited.gateway, "first-alias") == 200


def test_file_that_is_taken_away_is_survived(edited: Edited) -> None:
    edited.file.rename(edited.file.with_suffix(".away"))
    wait_for_line(edited.gateway, lambda line: "not reloaded" in line.get("message", ""))
    assert status_of(edited.gateway, "first-alias") == 200


def test_setting_that_needs_a_restart_is_named(edited: Edited) -> None:
    edited.append("[server]\nkeep_alive_s = 5\n")
    line = wait_for_line(edited.gateway, lambda line: "next start" in line.get("message", ""))
    assert "keep_alive_s" in line["message"]


def test_live_limit_is_taken_by_the_next_request(edited: Edited) -> None:
    edited.append("[limits]\nkey_requests_per_minute_max = 1\n")
    wait_for_line(edited.gateway, lambda line: "reloaded" in line.get("message", ""))
    statuses = [
        requests.post(
            f"{edited.gateway.openai_url}/chat/completions",
            headers={"x-api-key": edited.gateway.key},
            json=CHAT.request,
            timeout=5,
        ).status_code
        for _ in range(2)
    ]
    assert statuses == [502, 429]


async def test_credential_is_read_from_its_file_and_again_when_it_changes(edited: Edited) -> None:
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request.header(b"authorization") or b"")
            await give_answer(peer, CHAT)

    async with edited.address.upstream(script):
        await call(edited.gateway, CHAT.path, CHAT.request)
        edited.secret.write_text("sk-rotated-0123456789")
        wait_for_line(edited.gateway, lambda line: "reloaded" in line.get("message", ""))
        await call(edited.gateway, CHAT.path, CHAT.request)
    assert got == [f"Bearer {CREDENTIAL}".encode(), b"Bearer sk-rotated-0123456789"]
    assert "sk-rotated" not in edited.gateway.output


async def test_running_stream_keeps_the_picture_it_began_with(edited: Edited) -> None:
    async with edited.address.upstream() as upstream:
        calling = asyncio.create_task(call(edited.gateway, CHAT.path, CHAT.request))
        peer = await upstream.accept()
        await peer.read_request()
        edited.file.write_text("[config]\nconfig_check_s = 0.05\n")
        await asyncio.to_thread(
            wait_for_line, edited.gateway, lambda line: "reloaded" in line.get("message", "")
        )
        await give_answer(peer, CHAT)
        head, answer = await calling
    assert head.status == 200
    assert b"house-model" in answer


# Mistakes at the start


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server\n", "nagara.toml"),
        ("[server]\nprot = 8080\n", 'did you mean "port"'),
        ("[sever]\nport = 8080\n", 'did you mean "server"'),
        ("[server]\nport = 99999\n", "0 to 65535"),
        ('[server]\nport = "http"\n', "port"),
        ('[providers.opnai]\ncredential = "a"\n', 'did you mean "openai"'),
        ('[providers.openai]\ncredental = "a"\n', 'did you mean "credential"'),
        ('[aliases]\nfast = "gpt-4.1-mimi"\n', 'did you mean "gpt-4.1-mini"'),
        ('[providers.x]\nkind = "compatible"\n', "base_url"),
    ],
)
def test_mistake_in_the_file_is_a_clear_line_and_exit_code_1(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "nagara.toml").write_text(text)
    done = run("serve", "--port", "0", "--data", str(tmp_path / "data"), folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    *others, last = done.stderr.splitlines()
    assert last.startswith("nagara: the configuration is broken: ")
    assert all("nagara.toml:" in line for line in others)
    assert len([line for line in (*others, last) if told in line]) == 1, done.stderr


def test_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--config", "none.toml", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "none.toml" in done.stderr


def test_ca_bundle_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        bundle = tmp_path / "ca.pem"
        if content is not None:
            bundle.write_text(content)
        done = run(
            "serve", "--port", "0", "--data", str(tmp_path / "data"), folder=tmp_path,
            environment={"NAGARA_CA_BUNDLE": str(bundle)},
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "ca.pem" in done.stderr


def test_secret_written_into_the_file_works_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "nagara.toml"
    file.write_text(
        f'[credentials.inline]\nvalue = "{CREDENTIAL}"\n[providers.openai]\ncredential = "inline"\n'
    )
    with GatewayProcess(tmp_path / "data", {}, "--config", str(file)) as gateway:
        line = wait_for_line(gateway, lambda line: line["level"] == "warning")
        assert "prefer env or file" in line["message"]
        assert CREDENTIAL not in gateway.output


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_config_check_shows_sources_and_no_secret(tmp_path: Path, options: list[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sk-from-a-file-0123456789")
    (tmp_path / "nagara.toml").write_text(
        f'[credentials.filed]\nfile = "{secret}"\n'
        f'[credentials.inline]\nvalue = "{CREDENTIAL}"\n'
        '[providers.openai]\ncredential = "filed"\n'
        '[providers.mistral]\ncredential = "inline"\n'
    )
    environment = {
        "ANTHROPIC_API_KEY": "sk-ant-from-the-environment",
        "NAGARA_PORT": "9999",
        "NAGARA_SECRET": "ab" * 32,
    }
    done = run("config", "check", *options, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    for shown in ("9999", "NAGARA_PORT", "anthropic", "openai", "ANTHROPIC_API_KEY", str(secret)):
        assert shown in told
    for hidden in (CREDENTIAL, "sk-from-a-file", "sk-ant-from", "ab" * 32):
        assert hidden not in told


def test_config_check_of_a_broken_file_tells_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "nagara.toml").write_text("[server]\nprot = 1\nprot_ = 2\n[lgo]\n")
    done = run("config", "check", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") >= 3
