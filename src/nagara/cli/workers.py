"""Several processes that serve on one address, and the one that looks after them.

How it works. The supervisor opens the address and forks; every worker accepts from the same socket,
so whoever is idle takes the next connection, and one that dies takes no waiting connection with it.
The first worker starts alone: it makes what a first start makes, says so, and a mistake of the
operator's ends everything at once. Later a worker that dies is replaced; one that keeps dying young
is given more and more time before the next.

Signals go to the supervisor, which passes them on. Workers are process groups of their own, because
a terminal would otherwise send Ctrl-C to everyone a second time, and the second one does not wait.
Should the supervisor be killed, the workers notice by a pipe that only it holds open, and stop.

Invariant: the supervisor runs no event loop and no thread, so that a fork at any time is safe.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import msgspec

YOUNG_S = 10.0
"""A worker that dies before it is as old as this is replaced with a delay."""
DELAY_FIRST_S = 0.5
DELAY_MAX_S = 30.0
LAST_WAIT_S = 10.0
"""How much longer than they should take workers may take to stop."""

_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
_HEEDED = (*_PASSED_ON, signal.SIGCHLD)


class Part(msgspec.Struct, frozen=True):
    """What a worker is given. `is_first`: it speaks for all, and calls `ready` once it serves.

    `supervisor_fd` can be read, and is at its end, when the supervisor has gone.
    """

    is_first: bool
    is_replacement: bool
    supervisor_fd: int
    ready: Callable[[], None]


Work = Callable[[Part], int]
"""What a worker does in its process, to the exit code; it raises nothing."""


class Place(msgspec.Struct):
    """One of the workers that there should be, and what became of the last one in it."""

    index: int
    pid: int | None = None
    born_s: float = 0.0
    due_s: float = 0.0
    delay_s: float = 0.0


class Supervisor:
    """Runs `count` workers until it is told to stop."""

    def __init__(
        self, count: int, work: Work, tell: Callable[[str], None], stop_within_s: float
    ) -> None:
        """`tell` writes a line to the log, and leaves no thread behind."""
        self._places = [Place(index) for index in range(count)]
        self._work = work
        self._tell = tell
        self._stop_within_s = stop_within_s + LAST_WAIT_S
        self._wake_read, self._wake_write = os.pipe()
        self._life_read, self._life_write = os.pipe()
        self._ready_read, self._ready_write = os.pipe()
        self._is_stopping = False
        self._is_ready = False
        self._deadline_s = float("inf")
        self._exit_code = 0

    def run(self, on_stopping: Callable[[], None]) -> int:
        """Start, look after and stop the workers; the exit code of all of it.

        `on_stopping` is called before the first signal is passed on.
        """
        self._on_stopping = on_stopping
        with self._heeding_signals():
            self._start(self._places[0])
            while any(place.pid is not None for place in self._places) or not self._is_stopping:
                self._wait()
                self._bury_the_dead()
                self._replace()
        return self._exit_code

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # What counts is the number that comes through the pipe; a handler there has to be.
        before = {number: signal.signal(number, lambda *_: None) for number in _HEEDED}
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _wait(self) -> None:
        """Wait for a signal, for the first worker to be ready, or for something to be due."""
        due_s = min((p.due_s for p in self._places if p.pid is None), default=float("inf"))
        next_s = self._deadline_s if self._is_stopping or not self._is_ready else due_s
        timeout_s = None if next_s == float("inf") else max(0.0, next_s - time.monotonic())
        found, _, _ = select.select([self._wake_read, self._ready_read], [], [], timeout_s)
        if self._ready_read in found:
            os.read(self._ready_read, 1)
            self._is_ready = True
        if self._wake_read in found:
            for number in os.read(self._wake_read, 1024):
                if number in _PASSED_ON:
                    self._stop(signal.Signals(number))
        if self._is_stopping and time.monotonic() > self._deadline_s:
            self._signal_all(signal.SIGKILL)

    def _stop(self, number: signal.Signals) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._deadline_s = time.monotonic() + self._stop_within_s
            self._on_stopping()
        self._signal_all(number)

    def _signal_all(self, number: signal.Signals) -> None:
        for place in self._places:
            # Only a child that was not waited for yet: its number cannot be anyone else's.
            if place.pid is not None:
                os.kill(place.pid, number)

    def _bury_the_dead(self) -> None:
        for place in self._places:
            if place.pid is None:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                place.pid = None
                self._take_leave(place, pid, os.waitstatus_to_exitcode(status))

    def _take_leave(self, place: Place, pid: int, code: int) -> None:
        """Decide what the end of a worker means."""
        if self._is_stopping:
            # One that had not begun to listen to signals is ended by ours.
            self._exit_code = self._exit_code or (max(0, code))
            return
        if not self._is_ready:
            self._is_stopping = True
            self._exit_code = code if code > 0 else 1
            return
        now_s = time.monotonic()
        is_young = now_s - place.born_s < YOUNG_S
        delay_s = min(max(place.delay_s * 2, DELAY_FIRST_S), DELAY_MAX_S)
        place.delay_s = delay_s if is_young else 0.0
        place.due_s = now_s + place.delay_s
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        again = f"in {place.delay_s:g} s" if place.delay_s else "now"
        self._tell(f"worker {place.index} (process {pid}) {how}; another is started {again}")

    def _replace(self) -> None:
        if self._is_stopping or not self._is_ready:
            return
        now_s = time.monotonic()
        for place in self._places:
            if place.pid is None and place.due_s <= now_s:
                self._start(place)

    def _start(self, place: Place) -> None:
        is_replacement = place.born_s > 0
        place.born_s = time.monotonic()
        # A signal between the fork and the worker's own handlers has to wait for those.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become_worker(place.index == 0 and not is_replacement, is_replacement)
        place.pid = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)

    def _become_worker(self, is_first: bool, is_replacement: bool) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            for fd in (self._wake_read, self._wake_write, self._life_write, self._ready_read):
                os.close(fd)
            code = self._work(Part(is_first, is_replacement, self._life_read, self._say_ready))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Nothing of the supervisor's may run here: not its cleaning up, not its exit handlers.
            os._exit(code)

    def _say_ready(self) -> None:
        os.write(self._ready_write, b"r")
