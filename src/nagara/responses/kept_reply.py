"""An answer on its way out whose last word is also handed to the keeper.

It passes everything on as it is. Of a stream it looks only into the pieces that carry a response
object (three or four events of a stream), of a whole answer at nothing: its body is the object.
Where the answer must say something else than the provider's (`previous_response_id`), `edits` are
put into every response object; only then is anything rebuilt.
"""

from collections.abc import Callable, Sequence

import msgspec

from nagara.dialects.json_fields import Fields, read_fields, write_fields
from nagara.dialects.sse import SseSplitter, read_data, replace_data
from nagara.operations.response_state import TERMINAL_EVENTS, edit_response, read_event
from nagara.storage.driver import Statement
from nagara.upstream.forwarded_reply import ForwardedReply
from nagara.upstream.reply import Reply, ResponseHeaders

_RESPONSE_FIELD = b'"response"'
_JSON = (b"content-type", b"application/json")

Keep = Callable[[bytes], None]
"""Takes the response object that an answer ended with; must not block and must not raise."""


class KeptReply(ForwardedReply):
    """Another `Reply` that is listened to. `keep` and `edits` are set before its start.

    `name_dropped` may add to the headers of a good answer.
    """

    __slots__ = ("_held_head", "_is_whole", "_last", "edits", "keep", "name_dropped")

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.keep: Keep | None = None
        self.edits: Fields = {}
        self.name_dropped: Callable[[ResponseHeaders], None] | None = None
        self._is_whole = False
        self._last: tuple[bytes, bytes] | None = None
        self._held_head: ResponseHeaders | None = None

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """As `Reply.start`; the head of a body that is edited waits for it, to say its length."""
        if status == 200:
            if self.name_dropped is not None:
                self.name_dropped(headers)
            self._is_whole = _JSON in headers
            if self._is_whole and self.edits:
                self._held_head = headers
                return
        self._reply.start(status, headers)

    def write(self, body: bytes) -> None:
        """As `Reply.write`, for whole events."""
        if _RESPONSE_FIELD in body and (self.edits or self.keep):
            body = self._take_events(body)
        self._reply.write(body)

    def end(self, body: bytes = b"") -> None:
        """As `Reply.end`."""
        self._reply.end(self._finish(body))

    def statements_for(self, last: bytes) -> Sequence[Statement]:
        """As `Reply.statements_for`: the next is asked about what it will be given."""
        return self._reply.statements_for(self._finish(last))

    def _finish(self, last: bytes) -> bytes:
        """What the last piece becomes. It is kept, and its head goes out, the first time alone."""
        if self._last is None or self._last[0] != last:
            self._last = (last, self._make_last(last))
        return self._last[1]

    def _make_last(self, body: bytes) -> bytes:
        if not self._is_whole:
            return self._take_events(body) if _RESPONSE_FIELD in body else body
        if self.edits:
            body = edit_response(body, self.edits)
        # Kept before it is sent: who has the answer may ask for it at once.
        self._keep_once(body)
        if self._held_head is not None:
            head = [header for header in self._held_head if header[0] != b"content-length"]
            self._reply.start(200, [*head, (b"content-length", str(len(body)).encode())])
            self._held_head = None
        return body

    def _take_events(self, body: bytes) -> bytes:
        splitter = SseSplitter(len(body))
        events = [self._take_event(event) for event in splitter.feed(body)]
        return b"".join(events) + splitter.take_rest()

    def _take_event(self, event: bytes) -> bytes:
        if _RESPONSE_FIELD not in event:
            return event
        data = read_data(event)
        view = read_event(data)
        response = bytes(view.response)
        if not response:
            return event
        if self.edits:
            response = edit_response(response, self.edits)
            event = replace_data(event, _with_response(data, response))
        if view.type in TERMINAL_EVENTS:
            self._keep_once(response)
        return event

    def _keep_once(self, response: bytes) -> None:
        keep, self.keep = self.keep, None
        if keep is not None:
            keep(response)


def _with_response(data: bytes, response: bytes) -> bytes:
    return write_fields(read_fields(data) | {"response": msgspec.Raw(response)})
