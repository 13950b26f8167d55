"""Which web pages may call: none but those that the settings allow.

Browsers name the page's origin in a header, and other programs leave it out. A page that this very
gateway served may call it. An allowed origin gets the headers that let its page read the answer.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Sequence

from nagara.upstream.reply import Reply, ResponseHeaders
from nagara.web.request_head import RequestHead

PREFLIGHT_AGE_S = 600


class Origins:
    """The origins that the settings allow; `*` allows all."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def find(self, head: RequestHead) -> str | None:
        """The origin that a request comes from; None when no page sent it."""
        value = head.named.get(b"origin")
        return None if value is None else value.decode("latin-1")

    def allows(self, origin: str, head: RequestHead) -> bool:
        """Whether pages of `origin` may call."""
        if "*" in self._allowed or origin.lower() in self._allowed:
            return True
        host = head.named.get(b"host", b"").decode("latin-1")
        return origin.lower() == f"{head.scheme}://{host.lower()}"

    def answer_preflight(self, head: RequestHead, reply: Reply) -> bool:
        """Answer the question that browsers ask before a call; whether it was one."""
        asked = head.named
        if head.method != "OPTIONS" or b"access-control-request-method" not in asked:
            return False
        headers = [
            (b"access-control-allow-origin", asked[b"origin"]),
            (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
            (b"access-control-allow-headers", asked.get(b"access-control-request-headers", b"*")),
            (b"access-control-max-age", str(PREFLIGHT_AGE_S).encode()),
            (b"vary", b"origin"),
        ]
        reply.start(204, headers)
        reply.end()
        return True

    def mark(self, origin: str) -> ResponseHeaders:
        """The headers that let a page of `origin` read its answer."""
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"origin"),
        ]
