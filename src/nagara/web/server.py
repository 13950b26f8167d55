"""uvicorn's server with our own protocol, and a clean exit.

uvicorn keeps the sockets, counts the connections and shuts them down; `web.connection` speaks HTTP.
"""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import msgspec
import uvicorn

from nagara.web.bounds import ConnectionLimits
from nagara.web.connection import Application, make_protocol

BACKLOG = 2048


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of each connection, and of the time to stop in."""

    connection: ConnectionLimits
    shutdown_grace_s: float


class Server(uvicorn.Server):
    """uvicorn's server on a socket of ours. It ends with exit code 0 when it is told to stop."""

    def __init__(
        self,
        serve: Application,
        limits: ServerLimits,
        on_started: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            _serve_no_asgi,
            http=make_protocol(limits.connection, serve),
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=max(1, round(limits.shutdown_grace_s)),
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Once requests are taken and signals are heeded, say so."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; unlike uvicorn's own, do not raise them again at the end."""
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops in order; a second SIGINT does not wait any longer."""
        if not self.should_exit:
            self._on_stopping()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves requests running when it was told not to wait for them."""
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()


async def _serve_no_asgi(_scope: object, _receive: object, _send: object) -> None:
    """Stands for the application that uvicorn wants to be given; our protocol has its own."""


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
