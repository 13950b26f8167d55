"""The sandbox as an upstream: plays a script as the answer of an attempt.

The only part of the sandbox that waits. It needs no network, so nothing can be down; what fails,
fails because the request asked for it, with the same error that the network client would raise.
"""

import asyncio

from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Cut, Pause, Script
from nagara.upstream.answer import Headers


class SandboxAnswer:
    """A script being played; the `Answer` of an attempt. One reader at a time."""

    def __init__(self, script: Script) -> None:
        self.status = script.status
        self.headers: Headers = script.headers
        self._steps = list(reversed(script.steps))
        self._aborted = asyncio.Event()

    async def read(self) -> bytes:
        """The next piece of the body, `b""` at the end or after an abort.

        Raises `GatewayError` where the script cuts the connection, and again if asked again.
        """
        while self._steps and not self._aborted.is_set():
            match self._steps[-1]:
                case Pause(seconds):
                    await self._pause(seconds)
                    self._drop()
                case Cut():
                    raise GatewayError(
                        ErrorKind.UPSTREAM_CUT,
                        "The sandbox cut the answer off in the middle, as it was asked to.",
                    )
                case bytes() as piece:
                    self._drop()
                    return piece
        return b""

    def abort(self) -> None:
        """Stop playing, in the middle of a pause too. Harmless when repeated."""
        self._aborted.set()
        self._steps.clear()

    def _drop(self) -> None:
        if self._steps:
            self._steps.pop()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._aborted.wait()
        except TimeoutError:
            return


class Sandbox:
    """The built-in provider. It keeps nothing between requests."""

    async def answer(
        self, operation: Operation, model: str, body: bytes, *, now_s: int, request_id: str
    ) -> SandboxAnswer:
        """Answer in the operation's own dialect; `model` is the name that the answer carries.

        Returns once the head may be seen, so a slow first byte is waited for in here.
        """
        script = write_script(operation, model, body, now_s=now_s, request_id=request_id)
        if script.delay_s:
            await asyncio.sleep(script.delay_s)
        return SandboxAnswer(script)
