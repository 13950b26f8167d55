"""`python -m bench.activity`: reading an account's activity with millions of requests behind it.

Makes a database of its own, with the journal and the roll-ups filled in bulk as settlements would
leave them, starts the real gateway on it, and reads every report of the account API. Prints the
times of whole HTTP calls. Leaves no file behind; ten million requests take some minutes and four
gigabytes meanwhile.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from tests.system.gateway import GatewayProcess

from nagara.storage.data_folder import database_path

DAYS = 30
DAY_MS = 86_400_000
CALLS = 200

_FILL_KEYS = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :keys)
INSERT INTO keys (account_id, name, kind, hint, created_at_s, digest)
SELECT 1, 'key ' || n, 'standard', 'abcd…wxyz', 0, randomblob(32) FROM numbers
"""
_FILL_REQUESTS = """
WITH RECURSIVE numbers (n) AS (
    SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :requests - 1
)
INSERT INTO requests (id, request_id, account_id, key_id, at_ms, operation, model, provider,
    deployment, status, outcome, is_streamed, is_test, attempts, duration_ms, usage,
    is_usage_estimated, input_tokens, output_tokens, held_nano, charge_nano, rate_card)
SELECT printf('%032x', n), printf('req_%032x', n), 1, :first_key + n % :keys,
    :first_ms + n * :span_ms / :requests, 'responses', 'model-' || (n / :keys % :models),
    'openai', 'gpt', 200, 'ok', 0, 0, 1, 800, '{"input":900,"output":120}', 0, 900, 120, 9000,
    4200, '32b0b34398b804f8'
FROM numbers
"""
_FILL_ACTIVITY = f"""
INSERT INTO activity (account_id, day, key_id, model, requests, charge_nano, cost_nano,
    input_tokens, output_tokens)
SELECT account_id, at_ms / {DAY_MS}, key_id, model, COUNT(*), SUM(charge_nano), 0,
    SUM(input_tokens), SUM(output_tokens)
FROM requests GROUP BY 1, 2, 3, 4
"""


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--models", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nagara-bench-") as folder:
        data = Path(folder)
        with GatewayProcess(data) as gateway:
            secret = gateway.provisioning_key
        began_s = time.monotonic()
        rows = _fill(database_path(data), options.requests, options.keys, options.models)
        print(
            f"{options.requests} requests, {rows} rows of activity, "
            f"filled in {time.monotonic() - began_s:.0f} s"
        )
        with GatewayProcess(data) as gateway:
            _ask_all(gateway.url, secret)


def _fill(path: Path, count: int, keys: int, models: int) -> int:
    """Requests evenly over the last days, keys and models; the rows of activity they come to."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        connection.execute(_FILL_KEYS, {"keys": keys})
        first_key = connection.execute("SELECT MAX(id) - ? + 1 FROM keys", (keys,)).fetchone()[0]
        today_ms = int(time.time()) // 86_400 * DAY_MS
        values = {
            "requests": count,
            "keys": keys,
            "models": models,
            "first_key": first_key,
            "first_ms": today_ms - (DAYS - 1) * DAY_MS,
            "span_ms": DAYS * DAY_MS,
        }
        connection.execute(_FILL_REQUESTS, values)
        connection.execute(_FILL_ACTIVITY)
    rows = int(connection.execute("SELECT COUNT(*) FROM activity").fetchone()[0])
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return rows


def _ask_all(url: str, secret: str) -> None:
    asked: tuple[tuple[str, Mapping[str, str | int]], ...] = (
        ("activity", {}),
        ("activity", {"days": 7}),
        ("activity", {"model": "model-3"}),
        ("activity", {"api_key_id": 5}),
        ("activity", {"group_by": "day,model"}),
        ("usage", {}),
        ("usage", {"api_key_id": 5}),
        ("transactions", {}),
        ("balance", {}),
        ("keys", {}),
    )
    with requests.Session() as session:
        session.headers["authorization"] = f"Bearer {secret}"
        for path, query in asked:
            times_ms = []
            for _ in range(CALLS):
                began_s = time.perf_counter()
                session.get(f"{url}/v1/account/{path}", params=query).raise_for_status()
                times_ms.append((time.perf_counter() - began_s) * 1000)
            times_ms.sort()
            p50, p99 = statistics.median(times_ms), times_ms[int(CALLS * 0.99)]
            shown = "&".join(f"{name}={value}" for name, value in query.items())
            print(f"{path + '?' + shown:32} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")


if __name__ == "__main__":
    main()
