"""What a person sees who starts the gateway: the first time, later, and when it cannot start."""

import os
import re
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.system.commands import run, succeed
from tests.system.gateway import ADDRESS, GatewayProcess

RESPONSES = {"model": "gpt-4.1-mini", "input": "Say hello."}


def test_first_start_prints_both_keys_and_a_curl_line_that_works_as_pasted(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        printed = gateway.output
        assert gateway.key
        assert gateway.provisioning_key
        assert printed.count(gateway.provisioning_key) == 1
        assert "once" in printed
        start = printed.index("curl ")
        pasted = printed[start : printed.index("\n\n", start)]
        done = subprocess.run(
            ["sh", "-c", pasted], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "sandbox" in done.stdout
        assert '"output_text"' in done.stdout


def test_later_start_prints_the_address_and_how_to_make_a_key(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as first:
        old = first.key
    with GatewayProcess(tmp_path) as later:
        printed = later.output
        assert ADDRESS.search(printed)
        assert "nagara keys create" in printed
        assert "ng-" not in printed
        answer = requests.post(
            f"{later.openai_url}/responses", headers={"x-api-key": old}, json=RESPONSES, timeout=5
        )
        assert answer.status_code == 200


def test_providers_of_the_environment_are_named_and_their_credentials_are_not(
    tmp_path: Path,
) -> None:
    environment = {"OPENAI_API_KEY": "sk-openai-secret-1", "ANTHROPIC_API_KEY": "sk-ant-secret-2"}
    with GatewayProcess(tmp_path, environment) as gateway:
        for shown in ("openai (OPENAI_API_KEY)", "anthropic (ANTHROPIC_API_KEY)"):
            assert shown in gateway.output
        assert "secret" not in gateway.output


def test_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--data", str(tmp_path / "data"), folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert port in done.stderr
    assert "--port" in done.stderr
    # The keys of a first start that nobody saw would be lost.
    assert not (tmp_path / "data" / "nagara.db").exists()


def test_address_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    for host in ("203.0.113.1", "no.such.host.invalid"):
        done = run("serve", "--host", host, "--port", "0", "--data", str(tmp_path), folder=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert host in done.stderr


@pytest.mark.parametrize("kind", ["a file", "not writable", "not a database"])
def test_data_folder_that_cannot_be_used_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "data"
    if kind == "a file":
        folder.write_text("I am a file")
    elif kind == "not writable":
        folder = Path("/proc/nagara")
    else:
        folder.mkdir()
        (folder / "nagara.db").write_text("no database" * 500)
    done = run("serve", "--port", "0", "--data", str(folder), folder=tmp_path)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert str(folder) in done.stderr


def test_two_gateways_on_one_data_folder_both_work(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as first, GatewayProcess(tmp_path) as second:
        made = succeed("keys", "create", "shared", "--data", str(tmp_path)).strip()
        for gateway in (first, second):
            for key in (first.key, made):
                wait_until_served(gateway, key)
    assert second.key == ""


def wait_until_served(gateway: GatewayProcess, key: str) -> None:
    for _ in range(200):
        answer = requests.post(
            f"{gateway.openai_url}/responses", headers={"x-api-key": key}, json=RESPONSES, timeout=5
        )
        if answer.status_code == 200:
            return
    raise AssertionError(answer.text)


def test_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with GatewayProcess(folder):
        for path in (folder, *folder.iterdir()):
            assert os.stat(path).st_mode & 0o077 == 0, path


def test_help_names_the_commands() -> None:
    printed = succeed("--help")
    assert all(re.search(rf"^ +{word}\b", printed, re.MULTILINE) for word in ("serve", "keys"))
