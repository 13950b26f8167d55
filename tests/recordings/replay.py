"""An upstream that answers with what was recorded: `python -m tests.recordings.replay`.

A real server on a socket, in a process of its own so that it takes no time from the clients under
test. It prints its address and serves until its input is closed. Which recording is meant is told
by the model: the `model` of the body, or the path's segment in Gemini's and Bedrock's paths.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tests.recordings.exchanges import Exchange, read_exchanges
from tests.recordings.recorded import FOLDER

MODEL_IN_PATH: Final = re.compile(r"/models?/([^/:?]+)")
CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_BYTES_MAX: Final = 1024 * 1024
MISSED: Final = b'{"error": {"message": "the replay has no recording of this model"}}'


class Replay:
    """Answers requests from the exchanges, byte for byte."""

    def __init__(self, exchanges: Mapping[str, Exchange]) -> None:
        self._exchanges = exchanges

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection: request after request until the client closes it."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = CONTENT_LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                writer.write(self.answer(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            # The client left, or the replay ends.
            pass
        finally:
            writer.close()

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The recorded answer, or a 410 that no provider gives, so that a miss is seen."""
        exchange = self._exchanges.get(find_model(head, body))
        if exchange is None:
            return encode_answer(410, {"content-type": "application/json"}, MISSED)
        return encode_answer(exchange.status, exchange.headers, exchange.body)


def find_model(head: bytes, body: bytes) -> str:
    """The model that a request names."""
    target = head.split(b" ", 2)[1].decode()
    if in_path := MODEL_IN_PATH.search(target):
        return unquote(in_path[1])
    return str(json.loads(body).get("model", ""))


def encode_answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """An HTTP/1.1 answer of known length."""
    lines = [f"HTTP/1.1 {status} Recorded", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "\r\n"]).encode() + body


async def serve(folder: Path) -> None:
    """Serve on a free port of the loopback until standard input ends."""
    replay = Replay(read_exchanges(folder).exchanges)
    server = await asyncio.start_server(
        replay.serve_connection, "127.0.0.1", 0, limit=HEAD_BYTES_MAX
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@contextmanager
def replaying(folder: Path = FOLDER) -> Iterator[str]:
    """The address of a replay of the folder, for as long as the block runs."""
    command = [sys.executable, "-m", "tests.recordings.replay", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
