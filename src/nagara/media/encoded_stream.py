"""A streamed answer of bare samples on its way into a format that the caller asked for.

A minute of sound takes half a second to encode, and some voices give minutes at once. So it is done
in steps, of which each call makes one: see `Worker` in `nagara.upstream.relay`.
"""

from collections.abc import Sequence
from typing import Final

from nagara.dialects.answer_stream import AnswerStream
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage
from nagara.media.sound_encoder import BYTES_PER_SAMPLE, RATE, SoundEncoder

STEP_BYTES: Final = 2 * RATE * BYTES_PER_SAMPLE
"""Two seconds of sound, which take some 20 ms."""


class EncodedStream:
    """Another stream, encoded. It can only break off, as that one."""

    turn: None = None
    breaks_off = True

    def __init__(self, samples: AnswerStream, audio_format: str) -> None:
        """Raises `GatewayError` (UNSUPPORTED) without PyAV."""
        self._samples = samples
        self._encoder = SoundEncoder(audio_format)
        self._waiting = memoryview(b"")
        self._is_at_end = False
        self.usage: Usage | None = None
        self.is_ended = self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0

    @property
    def dropped(self) -> Sequence[str]:
        """What the samples' own stream dropped."""
        return self._samples.dropped

    @property
    def is_busy(self) -> bool:
        """Whether there are samples that are not encoded yet."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> bytes:
        """The first of the encoded bytes that there are for these of the upstream."""
        self._wait(self._samples.feed(data))
        return self.work()

    def close(self) -> bytes:
        """The same at the orderly end; raises if the answer was cut."""
        return self._end(self._samples.close())

    def terminator(self) -> bytes:
        """The same where the answer said itself that it is at its end."""
        return self._end(self._samples.terminator())

    def work(self) -> bytes:
        """The next of the file, and at its end the rest."""
        step, self._waiting = self._waiting[:STEP_BYTES], self._waiting[STEP_BYTES:]
        encoded = self._encoder.feed(bytes(step)) if step else b""
        if self._is_at_end and not self._waiting:
            encoded += self._encoder.finish()
        return self._take(encoded)

    def _end(self, samples: bytes) -> bytes:
        self._wait(samples)
        self._is_at_end = True
        return self.work()

    def _wait(self, samples: bytes) -> None:
        self._waiting = memoryview(bytes(self._waiting) + samples)

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
