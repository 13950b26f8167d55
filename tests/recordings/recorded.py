"""Real provider traffic, recorded elsewhere, that lies beside the repository or where it is said.

Each line of a file is one request and its answer. Where the folder is absent, whoever asks is
skipped: the recordings are not part of the repository.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "recordings"
FOLDER = Path(os.environ.get("NAGARA_RECORDINGS", BESIDE))

needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}; NAGARA_RECORDINGS names their folder"
)


class Recorded(NamedTuple):
    """One answer: the API's name and path, and what came back. `body` is as it was sent."""

    id: str
    path: str
    status: int
    is_stream: bool
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read_recordings(*names: str) -> Iterator[Recorded]:
    """The answers of these APIs, whose bodies are JSON or text."""
    for name in names:
        with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt") as lines:
            yield from (decode(name, json.loads(line)) for line in lines)


def decode(name: str, line: dict[str, Any]) -> Recorded:
    answer = line["response"]
    headers = [
        (key.lower().encode(), str(value[0] if isinstance(value, list) else value).encode())
        for key, value in answer["headers"].items()
    ]
    body = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "")
    kind = dict(headers).get(b"content-type", b"")
    return Recorded(
        id=f"{name}:{line['id']}",
        path=line["request"]["path"],
        status=answer["status"],
        is_stream=b"event-stream" in kind,
        headers=headers,
        body=body.encode(),
    )
