"""Health and log lines: what machines poll, and what people read afterwards."""

import contextlib
import os
import pty
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fakes import Peer
from tests.system.caller import call
from tests.system.commands import NAGARA
from tests.system.gateway import ADDRESS, STANDARD_KEY, GatewayProcess
from tests.system.scripts import DIALECTS, begin_stream, give_answer, give_stream
from tests.system.stage import (
    CREDENTIAL,
    DEADLINE_S,
    Stage,
    is_request,
    log_lines,
    staged,
    wait_for_line,
)

PROMPT = "the-prompt-that-nobody-may-log"
ANSWER = "Hello."


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("operations")) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/healthz"), ("GET", "/readyz"), ("HEAD", "/"), ("GET", "/")]
)
def test_those_who_look_whether_it_is_there_are_answered(
    gateway: GatewayProcess, method: str, path: str
) -> None:
    answer = requests.request(method, gateway.url + path, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"]
    assert (answer.content == b"") is (method == "HEAD")


def test_readiness_is_503_while_the_store_cannot_be_read(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        with keys_unreadable(tmp_path / "nagara.db"):
            wait_for_readiness(gateway, 503)
            assert requests.get(f"{gateway.url}/healthz", timeout=5).status_code == 200
        wait_for_readiness(gateway, 200)
        assert wait_for_line(gateway, lambda line: line["event"] == "storage_failed")
        assert wait_for_line(gateway, lambda line: line["event"] == "storage_recovered")


def wait_for_readiness(gateway: GatewayProcess, status: int) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while requests.get(f"{gateway.url}/readyz", timeout=5).status_code != status:
        assert time.monotonic() < until_s
        time.sleep(0.01)


@contextlib.contextmanager
def keys_unreadable(database: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.execute("ALTER TABLE keys RENAME TO keys_away")
        connection.execute("UPDATE revisions SET number = number + 1")
        connection.commit()
        yield
        connection.execute("ALTER TABLE keys_away RENAME TO keys")
        connection.execute("UPDATE revisions SET number = number + 1")
        connection.commit()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, log_level="debug") as stage:
        yield stage


async def test_every_request_has_one_line_and_none_holds_a_secret(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            lines = next(x for x in DIALECTS.values() if request.target.startswith(x.path.encode()))
            if b"malformed" in request.body:
                await begin_stream(peer, *lines.events, b"data: {" + PROMPT.encode() + b"\n\n")
                peer.close()
            elif b"refused" in request.body:
                said = f"you said {PROMPT} with {CREDENTIAL}"
                await peer.answer(b'{"error": {"message": "%b"}}' % said.encode(), status=400)
            elif b'"stream"' in request.body:
                await give_stream(peer, lines)
            else:
                await give_answer(peer, lines)

    ids = []
    async with stage.upstream(script):
        for name, lines in DIALECTS.items():
            for case in ("whole", "stream", "malformed", "refused", "not JSON", "no such model"):
                request_id = f"{name}-{case}".replace(" ", "-")
                body = {**lines.request, "user": PROMPT, "metadata": {"case": case}}
                if case in ("stream", "malformed"):
                    body["stream"] = True
                if case == "no such model":
                    body["model"] = "nothing-of-the-kind"
                sent = PROMPT.encode() if case == "not JSON" else body
                await call(stage.gateway, lines.path, sent, x_request_id=request_id)
                ids.append(request_id)
            wrong = f"{stage.gateway.key[:-1]}!"
            await call(stage.gateway, lines.path, lines.request, x_api_key=wrong, authorization="",
                       x_request_id=f"{name}-wrong-key")  # fmt: skip
            ids.append(f"{name}-wrong-key")
    for request_id in ids:
        line = stage.wait_for_line(is_request(request_id))
        assert line["status"]
        assert line["duration_ms"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    log = "\n".join(
        line for line in stage.gateway.output.splitlines() if line.startswith('{"time"')
    )
    logged = [line["request_id"] for line in log_lines(log) if line["event"] == "request_ended"]
    assert sorted(logged) == sorted(ids)
    key = stage.gateway.key
    for secret in (key, key[3:20], key[-12:], PROMPT, ANSWER, CREDENTIAL, CREDENTIAL[-12:]):
        assert secret not in log


def test_errors_of_every_edge_have_a_line_too(gateway: GatewayProcess) -> None:
    cases = {
        "edge-404": ("GET", "/nothing", {}),
        "edge-405": ("GET", "/v1/responses", {}),
        "edge-origin": ("POST", "/v1/responses", {"origin": "https://evil.example"}),
    }
    for request_id, (method, path, headers) in cases.items():
        requests.request(
            method, gateway.url + path, headers={"x-request-id": request_id, **headers}, timeout=5
        )
        line = wait_for_line(gateway, is_request(request_id))
        assert line["outcome"] == "error"
        assert line["path"] == path


def test_polls_leave_no_lines(gateway: GatewayProcess) -> None:
    requests.get(f"{gateway.url}/readyz", headers={"x-request-id": "a-poll"}, timeout=5)
    requests.get(f"{gateway.url}/", headers={"x-request-id": "after-the-poll"}, timeout=5)
    wait_for_line(gateway, is_request("after-the-poll"))
    assert "a-poll" not in gateway.output


class Terminal:
    """`nagara serve` on a terminal, and what it shows."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self._shown = b""
        self._process = subprocess.Popen(
            [str(NAGARA), "serve", "--port", "0", "--data", str(folder)],
            env={"HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # The other end's close is an error here.
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65_536):
                self._shown += data

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """The first match in what is shown."""
        until_s = time.monotonic() + DEADLINE_S
        while not (match := pattern.search(self._shown.decode(errors="replace"))):
            assert time.monotonic() < until_s, self._shown
            time.sleep(0.01)
        return match

    def stop(self) -> int:
        """Press Ctrl-C, and give the exit code."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(DEADLINE_S)
        self._reader.join()
        os.close(self._ours)
        return code


def test_log_on_a_terminal_is_for_people(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    try:
        url = terminal.wait_for(ADDRESS)[0]
        key = terminal.wait_for(STANDARD_KEY)[0]
        terminal.wait_for(re.compile(r"Data "))
        answer = requests.post(
            f"{url}/v1/responses",
            headers={"x-api-key": key},
            json={"model": "gpt-4.1-mini", "input": PROMPT},
            timeout=5,
        )
        assert answer.status_code == 200
        line = terminal.wait_for(re.compile(r"^\d\d:\d\d:\d\d  .*", re.MULTILINE))[0]
    finally:
        code = terminal.stop()
    assert code == 0
    for part in ("200 POST /v1/responses", "gpt-4.1-mini", "sandbox", " ms"):
        assert part in line
    assert PROMPT not in line
    assert "{" not in line
