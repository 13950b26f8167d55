"""What is measured: the gateway as a user runs it, and nginx as the floor below any proxy.

Both are given the same upstream and nothing that helps only one of them. The gateway checks a key
and writes its log (to nowhere); nginx forwards, keeps its connections, and does not buffer.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from bench import processes
from bench.processes import BenchError
from bench.upstreams import MODEL, nginx_config

NAGARA = Path(sys.executable).with_name("nagara")
KEY = re.compile(r"\bng-[0-9A-Za-z]{43}\b")
STARTS = 3
FREE_MODEL = "bench-free"
CONFIG = f"""
[models.{FREE_MODEL}]
prices = {{ free = true }}
deployments = [{{ provider = "openai", model = "{MODEL}" }}]
"""
"""The default, and beside it a model that costs nothing: its calls are held and charged nothing."""
SETTLE_S = 0.5


class Subject(NamedTuple):
    """A running proxy: where to send, and the process whose CPU time counts."""

    name: str
    port: int
    process: psutil.Process


class Start(NamedTuple):
    """How the gateway starts: seconds from its first instruction to the first 200 on /readyz."""

    first_s: float
    later_s: float
    idle_bytes: int


@contextmanager
def nginx_proxy(nginx: str, upstream_port: int, core: int, folder: Path) -> Iterator[Subject]:
    """nginx in front of the upstream: keep-alive on both sides, no logs, no buffering."""
    port = processes.free_port()
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(nginx_config(_proxy_servers(port, upstream_port), folder))
    with processes.running([nginx, "-c", str(config), "-p", str(folder)], core=core) as process:
        processes.wait_for_ok(process, port, "/ready")
        yield Subject("nginx", port, process)


def _proxy_servers(port: int, upstream_port: int) -> str:
    return f"""
        upstream provider {{ server 127.0.0.1:{upstream_port}; keepalive 256; }}
        server {{
            listen 127.0.0.1:{port} backlog=1024;
            client_body_buffer_size 64k;
            location / {{
                proxy_pass http://provider;
                proxy_http_version 1.1;
                proxy_set_header connection "";
                proxy_buffering off;
                proxy_read_timeout 30s;
            }}
        }}
    """


@contextmanager
def gateway(upstream_port: int, core: int, data: Path) -> Iterator[Subject]:
    """`nagara serve` with one provider: the upstream, under the name of OpenAI."""
    with _served(upstream_port, core, data, output=None) as subject:
        yield subject


@contextmanager
def _served(upstream_port: int, core: int, data: Path, output: Path | None) -> Iterator[Subject]:
    port = processes.free_port()
    config = data.with_name("bench.toml")
    config.write_text(CONFIG)
    command = [str(NAGARA), "serve", "--port", str(port), "--data", str(data)]
    command += ["--config", str(config)]
    env = _environment(upstream_port)
    with processes.running(command, core=core, output=output, env=env) as process:
        processes.wait_for_ok(process, port, "/readyz")
        yield Subject("nagara", port, process)


def _environment(upstream_port: int) -> dict[str, str]:
    """Nothing of the caller's own configuration: what is measured is the default."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    base_url = f"http://127.0.0.1:{upstream_port}/v1"
    provider = {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": base_url}
    # Millions of paid calls are more than an account opens with.
    return {**kept, **provider, "NAGARA_OPENING_GRANT_USD": "1000000"}


def first_start(upstream_port: int, core: int, data: Path, output: Path) -> float:
    """Start the gateway on an empty data folder, and stop it; seconds until it was ready."""
    began = time.monotonic()
    with _served(upstream_port, core, data, output):
        return time.monotonic() - began


def measure_starts(upstream_port: int, core: int, folder: Path) -> Start:
    """One first start and some later ones; the later figures are medians."""
    data = folder / "data"
    first_s = first_start(upstream_port, core, data, folder / "first-start.txt")
    later: list[tuple[float, int]] = []
    for _ in range(STARTS):
        began = time.monotonic()
        with gateway(upstream_port, core, data) as subject:
            ready_s = time.monotonic() - began
            time.sleep(SETTLE_S)  # idle means after whatever it still does once ready
            later.append((ready_s, processes.resident_bytes(subject.process)))
    return Start(
        first_s,
        statistics.median(seconds for seconds, _ in later),
        int(statistics.median(size for _, size in later)),
    )


def make_key(data: Path) -> str:
    """A standard key for the gateway whose data folder this is.

    Raises `BenchError` when the command fails or prints none.
    """
    command = [str(NAGARA), "keys", "create", "bench", "--json", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = KEY.search(done.stdout)
    if found is None:
        raise BenchError(f"`nagara keys create` gave no key: {done.stderr.strip()[-500:]}")
    return found[0]
