"""A streamed answer of bare samples on its way into a format that the caller asked for."""

from collections.abc import Sequence

from nagara.dialects.answer_stream import AnswerStream
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage
from nagara.media.sound_encoder import SoundEncoder


class EncodedStream:
    """Another stream, encoded. It can only break off, as that one."""

    turn: None = None
    breaks_off = True

    def __init__(self, samples: AnswerStream, audio_format: str) -> None:
        """Raises `GatewayError` (UNSUPPORTED) without PyAV."""
        self._samples = samples
        self._encoder = SoundEncoder(audio_format)
        self.usage: Usage | None = None
        self.is_ended = self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0

    @property
    def dropped(self) -> Sequence[str]:
        """What the samples' own stream dropped."""
        return self._samples.dropped

    def feed(self, data: bytes) -> bytes:
        """The encoded bytes that there are for these of the upstream."""
        return self._take(self._encoder.feed(self._samples.feed(data)))

    def close(self) -> bytes:
        """The rest of the file; raises if the answer was cut."""
        last = self._encoder.feed(self._samples.close())
        return self._take(last + self._encoder.finish())

    def terminator(self) -> bytes:
        """The rest of the file, where the answer said itself that it is at its end."""
        last = self._encoder.feed(self._samples.terminator())
        return self._take(last + self._encoder.finish())

    def fail(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - see `breaks_off`
        """Nothing: nobody could tell an error from audio."""
        return b""

    def _take(self, encoded: bytes) -> bytes:
        samples = self._samples
        self.usage, self.failure = samples.usage, samples.failure
        self.is_ended, self.has_failed = samples.is_ended, samples.has_failed
        self.text_bytes = samples.text_bytes
        self.output_bytes += len(encoded)
        return encoded
