"""The sandbox as an upstream: plays a script as the answer of an attempt.

The only part of the sandbox that waits. It needs no network, so nothing can be down; what fails,
fails because the request asked for it, with the same error that the network client would raise.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import IO

from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.sandbox.listening import add_heard
from nagara.sandbox.operations import ENDPOINTS, write_script
from nagara.sandbox.request import OpenFile
from nagara.sandbox.script import Cut, Pause, Script
from nagara.upstream.answer import Headers


class SandboxAnswer:
    """A script being played; the `Answer` of an attempt. It has one reader."""

    def __init__(self, script: Script) -> None:
        self.status = script.status
        self.headers: Headers = script.headers
        self.is_drained = False
        self._steps = list(reversed(script.steps))
        self._timer: asyncio.TimerHandle | None = None
        self._on_news: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def take(self) -> bytes | None:
        """The next piece of the body; None in a pause, `b""` at the end or after an abort.

        Raises `GatewayError` where the script cuts the connection, and again if asked again.
        """
        if not self._steps:
            return b""
        match self._steps[-1]:
            case Pause(seconds):
                if self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(seconds, self._end_pause)
                self.is_drained = True
                return None
            case Cut():
                raise GatewayError(
                    ErrorKind.UPSTREAM_CUT,
                    "The sandbox cut the answer off in the middle, as it was asked to.",
                )
            case bytes() as piece:
                self._steps.pop()
                return piece

    def listen(self, on_news: Callable[[], None] | None) -> None:
        """Call `on_news` at the end of each pause, and of the whole."""
        self._on_news = on_news

    async def read(self) -> bytes:
        """What `take` gives, waited for."""
        while (piece := self.take()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return piece

    def abort(self) -> None:
        """Stop playing, in the middle of a pause too. Harmless when repeated."""
        self._steps.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._tell()

    def _end_pause(self) -> None:
        self._steps.pop()
        self._tell()

    def _tell(self) -> None:
        self._timer = None
        self.is_drained = False
        if self._on_news is not None:
            self._on_news()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Sandbox:
    """The built-in provider. It keeps nothing between requests."""

    async def answer(
        self,
        operation: Operation,
        model: str,
        body: bytes,
        *,
        now_s: int,
        request_id: str,
        file: IO[bytes] | None = None,
        open_file: OpenFile | None = None,
    ) -> SandboxAnswer:
        """Answer in the operation's own dialect; `model` is the name that the answer carries.

        `file` is that of a form, whose fields are then the body in JSON, and `open_file` gives
        those of a form that has several, by the places that the body names. Returns once the head
        may be seen, so a slow first byte is waited for in here.
        """
        if file is not None:
            body = await asyncio.to_thread(add_heard, body, file)
        write = partial(
            write_script,
            operation,
            model,
            body,
            now_s=now_s,
            request_id=request_id,
            open_file=open_file,
        )
        script = await asyncio.to_thread(write) if ENDPOINTS[operation].is_slow else write()
        if script.delay_s:
            await asyncio.sleep(script.delay_s)
        return SandboxAnswer(script)
