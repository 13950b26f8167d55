"""Observations as log lines on standard error: for people on a terminal, JSON otherwise.

A line is made where it is said, and written by a thread of its own, many at once: so a slow
terminal or a full pipe never holds up a request, and the thread hardly ever competes with the loop.
When more lines wait than `LINES_WAITING_MAX`, new ones are dropped and counted: a lost log line
never fails a request.
"""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import IO

import msgspec

from nagara.domain.text import escape_unprintable
from nagara.observe.observations import (
    AttemptFailed,
    Failure,
    Notice,
    Observation,
    RequestEnded,
    StorageFailed,
    StorageRecovered,
)

LINES_WAITING_MAX = 10_000
GATHER_S = 0.05

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"

_MILLISECONDS = [b"%03d" % number for number in range(1000)]

_encoder = msgspec.json.Encoder()

_LEVELS: dict[type, int] = {
    StorageFailed: logging.ERROR,
    StorageRecovered: logging.WARNING,
    Failure: logging.ERROR,
}


class Log:
    """Writes each observation of at least `level` to `stream`. Call it; close it at the end."""

    def __init__(
        self,
        stream: IO[bytes],
        *,
        is_json: bool,
        level: int,
        is_coloured: bool = False,
        encoding: str = "utf-8",
    ) -> None:
        """`is_coloured` sets warnings and errors off from the rest; JSON never is.

        `encoding` is that of lines for people; JSON is UTF-8 (RFC 8259, section 8.1).
        """
        self._stream = stream
        people = _format_coloured if is_coloured else _format_human
        self._format = _format_json if is_json else partial(_encode_line, people, encoding)
        self._level = level
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._has_work = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="nagara-log", daemon=True)
        self._thread.start()

    def __call__(self, observation: Observation) -> None:
        """Take one observation; it is written a moment later."""
        level = level_of(observation)
        if level < self._level:
            return
        if len(self._waiting) >= LINES_WAITING_MAX:
            self._dropped += 1
            return
        self._waiting.append(self._format(time.time(), level, observation))
        if not self._has_work.is_set():
            self._has_work.set()

    def close(self) -> None:
        """Write what waits and stop."""
        self._is_closing = True
        self._has_work.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._is_closing:
            self._has_work.wait()
            if not self._is_closing:
                time.sleep(GATHER_S)
            self._has_work.clear()
            self._write()

    def _write(self) -> None:
        lines = []
        while self._waiting:
            lines.append(self._waiting.popleft())
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            notice = Notice(message=f"{dropped} log lines were dropped: the log is too slow.")
            lines.append(self._format(time.time(), logging.WARNING, notice))
        try:
            self._stream.write(b"".join(lines))
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads the log any more. That is no reason to stop serving.
            self._dropped += len(lines)


class LogHandler(logging.Handler):
    """Leads the standard library's loggers, ours and our libraries', into the one log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a notice, with its traceback if it has one."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[2] is not None:
            # The exception's own text may quote what it choked on: a prompt, say. Left out.
            kind = record.exc_info[0].__name__ if record.exc_info[0] else "error"
            frames = "".join(traceback.format_tb(record.exc_info[2]))
            message = f"{message}: {kind}\n{frames}"
        self._log(Notice(message=message, level=record.levelno))


def level_of(observation: Observation) -> int:
    """How loud an observation is: a request's by its status, the others by their kind."""
    if isinstance(observation, RequestEnded):
        if observation.status < 500:
            return logging.INFO
        return logging.ERROR if observation.status == 500 else logging.WARNING
    if isinstance(observation, Notice | AttemptFailed):
        return observation.level
    return _LEVELS[type(observation)]


def _format_json(at_s: float, level: int, observation: Observation) -> bytes:
    second = int(at_s)
    before, after = _frame(second, level, type(observation))
    if isinstance(observation, RequestEnded):
        # One for every request: written as it is.
        fields = _encoder.encode(observation)
    else:
        parts = msgspec.to_builtins(observation)
        parts.pop("level", None)
        fields = _encoder.encode(parts)
    return b"".join((before, _MILLISECONDS[int((at_s - second) * 1000)], after, fields[1:], b"\n"))


@lru_cache(maxsize=64)
def _frame(second: int, level: int, observation: type) -> tuple[bytes, bytes]:
    """What stands before and after the milliseconds: the same for all lines of a second."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in observation.__name__)
    severity = logging.getLevelName(level).lower()
    after = f'Z","level":"{severity}","event":"{name.lstrip("_")}",'
    return f'{{"time":"{moment}.'.encode(), after.encode()


def _encode_line(
    people: Callable[[float, int, Observation], str],
    encoding: str,
    at_s: float,
    level: int,
    observation: Observation,
) -> bytes:
    return people(at_s, level, observation).encode(encoding, "backslashreplace")


def _format_human(at_s: float, level: int, observation: Observation) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(at_s))
    if isinstance(observation, RequestEnded):
        return f"{clock}  {escape_unprintable(_describe_request(observation))}\n"
    mark = "" if level < logging.WARNING else f"{logging.getLevelName(level).lower()}: "
    return f"{clock}  {mark}{_describe(observation)}\n"


def _format_coloured(at_s: float, level: int, observation: Observation) -> str:
    line = _format_human(at_s, level, observation)
    if level < logging.WARNING:
        return line
    return f"{_RED if level >= logging.ERROR else _YELLOW}{line[:-1]}{_PLAIN}\n"


def _describe_request(ended: RequestEnded) -> str:
    parts = [f"{ended.status or '---'} {ended.method} {ended.path}"]
    if ended.model:
        where = f" → {ended.provider}/{ended.deployment}" if ended.provider else ""
        asked = (ended.operation or "").removesuffix(".background")
        is_translated = ended.provider_operation not in (None, asked)
        spoken = f" as {ended.provider_operation}" if is_translated else ""
        parts.append(f"{ended.model}{where}{spoken}")
    if ended.usage:
        counts = " ".join(f"{name} {count}" for name, count in ended.usage.items())
        parts.append(counts + (" (estimated)" if ended.is_usage_estimated else ""))
    if ended.is_replay:
        parts.append("answered before")
    if ended.charge_usd:
        parts.append(f"${ended.charge_usd}")
    if ended.dropped:
        parts.append(f"dropped {', '.join(ended.dropped)}")
    if ended.attempts > 1:
        parts.append(f"{ended.attempts} attempts")
    parts.append(f"{ended.duration_ms:.0f} ms")
    if ended.error or ended.outcome != "ok":
        parts.append(f"{ended.outcome}: {ended.error}" if ended.error else ended.outcome)
        # What the caller was told too: the two can be put together.
        parts.append(ended.request_id)
    return "  ".join(parts)


def _describe(observation: Observation) -> str:
    match observation:
        case AttemptFailed():
            reason = f" ({observation.reason})" if observation.reason else ""
            if observation.absent_operation:
                reason += (
                    f" at {observation.absent_operation}, asked in another dialect instead; "
                    f"leave it out of 'operations' in [providers.{observation.provider}]"
                )
            return (
                f"{observation.provider}/{observation.deployment} failed: "
                f"{observation.error}{reason}  {observation.request_id}"
            )
        case StorageFailed():
            return f"the database cannot be read, calls are refused: {observation.reason}"
        case StorageRecovered():
            return f"the database can be read again, after {observation.after_s:.1f} s"
        case Failure():
            return f"{observation.error}  {observation.request_id}\n{observation.traceback}"
        case Notice():
            return observation.message
        case _:
            return type(observation).__name__
