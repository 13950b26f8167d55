"""A cycle as ASGI's scope, receive and send: for all that is not inference.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nagara.domain.errors import GatewayError
from nagara.upstream.reply import wait_for_room
from nagara.web.cycle import Cycle

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


async def serve_asgi(app: AsgiApp, cycle: Cycle) -> None:
    """Let an ASGI application serve a request."""
    channel = _Channel(cycle)
    await app(_make_scope(cycle), channel.receive, channel.send)


def _make_scope(cycle: Cycle) -> Message:
    head = cycle.head
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "server": None,
        "client": cycle.connection.peername or None,
        "scheme": head.scheme,
        "method": head.method,
        "root_path": "",
        "path": head.path,
        "raw_path": head.raw_path,
        "query_string": head.query,
        "headers": head.headers,
        "state": {},
    }


class _Channel:
    """The two functions of one request."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._is_body_read = False

    async def receive(self) -> Message:
        """The body in pieces, then the end of the request."""
        if self._is_body_read:
            await self._cycle.wait_until_over()
            return {"type": "http.disconnect"}
        try:
            body = await self._cycle.read()
        except GatewayError:
            return {"type": "http.disconnect"}
        self._is_body_read = not body or self._cycle.is_body_whole
        return {"type": "http.request", "body": body, "more_body": not self._is_body_read}

    async def send(self, message: Message) -> None:
        """Take a message; returns when another can be taken."""
        cycle = self._cycle
        if message["type"] == "http.response.start":
            cycle.start(message["status"], message["headers"])
        elif not message.get("more_body", False):
            cycle.end(message.get("body", b""))
        elif body := message.get("body"):
            cycle.write(body)
            await wait_for_room(cycle)
