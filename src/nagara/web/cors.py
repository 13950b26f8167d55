"""Which web pages may call: none but those that the settings allow.

Browsers name the page's origin in a header, and other programs leave it out. A page that this very
gateway served may call it. An allowed origin gets the headers that let its page read the answer.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from nagara.upstream.reply import Send

PREFLIGHT_AGE_S = 600


class Origins:
    """The origins that the settings allow; `*` allows all."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def find(self, scope: Mapping[str, Any]) -> str | None:
        """The origin that a request comes from; None when no page sent it."""
        for name, value in scope["headers"]:
            if name == b"origin":
                origin: str = value.decode("latin-1")
                return origin
        return None

    def allows(self, origin: str, scope: Mapping[str, Any]) -> bool:
        """Whether pages of `origin` may call."""
        if "*" in self._allowed or origin.lower() in self._allowed:
            return True
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        return origin.lower() == f"{scope['scheme']}://{host.decode('latin-1').lower()}"

    async def answer_preflight(self, scope: Mapping[str, Any], send: Send) -> bool:
        """Answer the question that browsers ask before a call; whether it was one."""
        asked = dict(scope["headers"])
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in asked:
            return False
        headers = [
            (b"access-control-allow-origin", asked[b"origin"]),
            (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
            (b"access-control-allow-headers", asked.get(b"access-control-request-headers", b"*")),
            (b"access-control-max-age", str(PREFLIGHT_AGE_S).encode()),
            (b"vary", b"origin"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return True

    def mark(self, origin: str, send: Send) -> Send:
        """A `send` that lets the page read the answer."""
        ours = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"origin"),
        ]

        async def send_marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        return send_marked
