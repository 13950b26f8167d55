"""One request for a transcript at one deployment that has a format of its own.

A caller who wants events gets them of a provider that answers whole too, all at its end.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from nagara.dialects.base import ForwardedStream, RequestView, cut_stream
from nagara.dialects.collected_stream import CollectedStream
from nagara.dialects.exchange import Aim, find_names_without_place, unreadable
from nagara.dialects.openai_error import encode_error
from nagara.dialects.sse import encode_event
from nagara.dialects.transcripts import elevenlabs, google, google_asked, mistral, verbose
from nagara.dialects.transcripts.answer import write_answer, write_delta, write_done
from nagara.dialects.transcripts.request import (
    NAMED,
    TranscriptRequest,
    check_file,
    check_stream,
    choose_media_type,
    decode_request,
    lacks_times,
)
from nagara.dialects.transcripts.traits import Form
from nagara.dialects.transcripts.transcript import Transcript, check_times
from nagara.dialects.transcripts.wire import Listening, Wire
from nagara.dialects.translation import Translated
from nagara.domain.errors import GatewayError

WIRES: Final[Mapping[str, Wire]] = {
    Form.ELEVENLABS: elevenlabs,
    Form.MISTRAL: mistral,
    Form.GOOGLE: google,
    Form.GOOGLE_ASKED: google_asked,
    Form.VERBOSE: verbose,
}


def open_transcript(view: RequestView, aim: Aim) -> "TranscriptExchange":
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    return TranscriptExchange(decode_request(view), aim)


def open_translation(view: RequestView, aim: Aim) -> "TranscriptExchange":
    """The same for a translation into English."""
    return TranscriptExchange(decode_request(view, is_translation=True), aim)


class TranscriptExchange:
    """One request."""

    encoding: str | None = None

    def __init__(self, request: TranscriptRequest, aim: Aim) -> None:
        """Raises `GatewayError` for what the format has no place for and matters."""
        assert aim.form is not None
        self._request, self._aim, self._wire = request, aim, WIRES[aim.form]
        check_stream(request)
        check_file(request, aim)
        if request.needs_times and not self._wire.HAS_TIMES:
            raise lacks_times(request, aim)
        asked = self._wire.encode(request, aim)
        self.body, self.sends_form = asked.body, asked.is_form
        self.places: Mapping[str, str] = asked.places
        self.media_type = choose_media_type(request)
        known = NAMED | self._wire.KNOWN
        self.dropped: Sequence[str] = find_names_without_place(request.fields, known)

    def check_media_type(self, said: bytes, *, is_event_stream: bool) -> None:  # noqa: ARG002 - the exchanges' signature
        """Raise `GatewayError` for events that nobody asked for."""
        if is_event_stream and not self._request.is_streamed:
            raise unreadable("it is a stream")

    def read(self, answer: bytes) -> Translated:
        """The transcript in the caller's format. Raises `GatewayError`."""
        transcript = self._decode(answer)
        return Translated(write_answer(transcript, self._request), transcript.usage)

    def open_stream(
        self,
        event_bytes_max: int,
        response_bytes_max: int,
        *,
        is_event_stream: bool,
    ) -> ForwardedStream | CollectedStream:
        """The transcript in events."""
        if is_event_stream:
            listening = self._wire.listen(self._request, self._aim)
            return TranslatedTranscript(event_bytes_max, listening, self._request)
        return CollectedStream(response_bytes_max, self._tell)

    def _decode(self, body: bytes) -> Transcript:
        transcript = self._wire.decode(body, self._request, self._aim)
        check_times(transcript)
        return transcript

    def _tell(self, body: bytes) -> Translated:
        transcript = self._decode(body)
        delta = write_delta(transcript.text) if transcript.text else b""
        return Translated(delta + write_done(transcript, self._request), transcript.usage)


class TranslatedTranscript(ForwardedStream):
    """A transcript in a provider's events, told in OpenAI's."""

    def __init__(
        self, event_bytes_max: int, listening: Listening, request: TranscriptRequest
    ) -> None:
        super().__init__(event_bytes_max)
        self._listening = listening
        self._request = request
        self._end = b""

    def take_event(self, event: bytes, data: bytes) -> bytes:  # noqa: ARG002 - it is written anew
        """The events for one of the provider's. Raises `GatewayError`."""
        if not data or data == b"[DONE]":
            return b""
        said = self._listening.take(data)
        self.text_bytes += len(said.delta.encode(errors="replace"))
        delta = write_delta(said.delta) if said.delta else b""
        if said.whole is not None:
            self.usage = said.whole.usage or self.usage
            self._end = write_done(said.whole, self._request)
            self.is_ended = self.is_complete = True
        return delta

    def close(self) -> bytes:
        """The last events. Raises `GatewayError` (UPSTREAM_CUT) where the answer is not whole."""
        last = self._take_unfinished()
        whole = self._listening.close()
        if whole is None and not self.is_complete:
            raise cut_stream()
        if whole is not None:
            self.usage = whole.usage or self.usage
            self._end = write_done(whole, self._request)
        last += self._end
        self.output_bytes += len(last)
        return last

    def terminator(self) -> bytes:
        """The event that ends it."""
        return self._end

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error event, which the SDKs raise."""
        return encode_event(encode_error(error, request_id))
