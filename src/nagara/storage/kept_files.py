"""Files that the gateway keeps for a while and gives to whoever knows their name.

They lie in a folder of the data folder, each under a name that nobody can guess, and their time of
modification is when they expire. So any process that shares the folder finds and sweeps them, and
nothing is lost or left over when one dies. When the disk fails or is full nothing is kept, and the
answer holds the content itself instead.
"""

import asyncio
import contextlib
import os
import re
import secrets
from pathlib import Path

import msgspec

from nagara.runtime import Clock
from nagara.storage.data_folder import make_private_file

FOLDER = "files"
SWEEP_S = 60.0
NAME_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9_-]{43}\.[a-z]{3,4}")


class KeptFile(msgspec.Struct, frozen=True):
    """A file, and for how many seconds more it is kept; `content` of None: not any more."""

    content: bytes | None
    ending: str
    left_s: int


class KeptFiles:
    """The folder. At most `bytes_max` lie in it, as far as this process knows."""

    def __init__(self, folder: Path, keep_s: int, bytes_max: int, clock: Clock) -> None:
        self._folder = folder / FOLDER
        self._keep_s = keep_s
        self._bytes_max = bytes_max
        self._clock = clock
        self._bytes = 0

    async def keep(self, content: bytes, ending: str) -> str | None:
        """Keep a file; its name, or None where there is no room."""
        if self._keep_s == 0 or self._bytes + len(content) > self._bytes_max:
            return None
        self._bytes += len(content)
        try:
            return await asyncio.to_thread(self._write, content, ending)
        except OSError:
            self._bytes -= len(content)
            return None

    async def find(self, name: str) -> KeptFile | None:
        """The file of that name; None where there never was one, or it was swept away."""
        if _NAME.fullmatch(name) is None:
            return None
        try:
            return await asyncio.to_thread(self._read, name)
        except OSError:
            return None

    async def sweep_forever(self) -> None:
        """Remove what has expired, now and then."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_S)

    def sweep(self) -> None:
        """Remove what has expired, and count what is left."""
        now_s, left = self._clock.now_s(), 0
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._folder)):
                # Another process may have been quicker.
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    # What is just being written has no expiry yet.
                    if status.st_mtime + SWEEP_S < now_s:
                        os.unlink(entry.path)
                    else:
                        left += status.st_size
        self._bytes = left

    def _write(self, content: bytes, ending: str) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{secrets.token_urlsafe(NAME_BYTES)}.{ending}"
        path = self._folder / name
        make_private_file(path, content)
        expires_s = self._clock.now_s() + self._keep_s
        os.utime(path, (expires_s, expires_s))
        return name

    def _read(self, name: str) -> KeptFile:
        path = self._folder / name
        left_s = int(path.stat().st_mtime - self._clock.now_s())
        content = path.read_bytes() if left_s > 0 else None
        return KeptFile(content, name.rpartition(".")[2], max(0, left_s))
