"""What an audio file is: its packets are read, and the first ones decoded as a proof.

What a file says of its own length is not believed: it may say nothing, and it may lie. Only formats
that hold their own sound are read: a playlist would have FFmpeg open whatever it names, files of
this machine and addresses of its network. Slow, so it belongs in a thread.
"""

from typing import IO, Any, Final

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError

FORMATS: Final = (
    "mp3", "wav", "flac", "ogg", "aac", "mov", "mp4", "m4a", "matroska", "webm", "aiff", "amr",
    "asf", "caf", "w64", "au",
)  # fmt: skip
"""FFmpeg's demuxers."""
OPTIONS: Final = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}


class AudioFacts(msgspec.Struct, frozen=True):
    """What a file turned out to be. `container` is FFmpeg's first name of its format."""

    ms: int
    container: str


def measure(file: IO[bytes]) -> AudioFacts:
    """How long it plays, and what it is. Raises `GatewayError` for what is no audio."""
    av = import_av()
    file.seek(0)
    try:
        with av.open(file, "r", container_options=OPTIONS) as source:
            facts = AudioFacts(_measure(source), source.format.name.partition(",")[0])
    except (av.FFmpegError, ValueError, ArithmeticError) as error:
        raise undecodable() from error
    if not facts.ms:
        raise undecodable()
    return facts


def _measure(source: Any) -> int:
    """Whole milliseconds, up; zero where there is nothing to hear."""
    if not source.streams.audio:
        return 0
    stream, seconds, is_heard = source.streams.audio[0], 0, False
    for packet in source.demux(stream):
        if not is_heard:
            is_heard = any(frame.samples for frame in packet.decode())
        if packet.duration:
            seconds += packet.duration * packet.time_base
    return -int(-seconds * 1000 // 1) if is_heard else 0


def import_av() -> Any:
    """PyAV. Raises `GatewayError` (UNSUPPORTED) where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            "This gateway takes no audio files: the operator has to install its extra 'media' "
            "(pip install 'nagara[media]').",
        ) from error
    return av


def undecodable() -> GatewayError:
    """The error of a file that nobody could transcribe."""
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        "'file' is no audio that can be decoded. Send it as mp3, m4a, wav, flac, ogg or webm, "
        "with its header.",
        param="file",
        code="undecodable_audio",
    )
