"""An independent decoder for the pictures and sounds that come out: `ffprobe` and `ffmpeg`.

None of it is in Nagara's own process: what Pillow or PyAV wrote is read here by other programs,
Debian's. Tests skip, saying so, where they are missing, and TEST_AGENTS_REQUIRED=1 makes that a
failure.
"""

import json
import shutil
import subprocess
from typing import Any, Final

from tests.system.npm_packages import do_without

TIMEOUT_S: Final = 60


class Decoders:
    """The two programs. Both are given a file's bytes; what they find wrong fails the test."""

    def __init__(self, ffprobe: str, ffmpeg: str) -> None:
        self._ffprobe = ffprobe
        self._ffmpeg = ffmpeg

    def describe(self, content: bytes) -> dict[str, Any]:
        """What the file says of itself: `format`, and its `streams`, as `ffprobe` names things."""
        asked = ("-v", "error", "-show_format", "-show_streams", "-of", "json", "-")
        return dict(json.loads(self._run(self._ffprobe, *asked, content=content)))

    def read_size(self, content: bytes) -> tuple[str, int, int]:
        """A picture's codec (`png`, `mjpeg`, `webp`), width and height, once it has decoded."""
        self.decode(content)
        (stream,) = self.describe(content)["streams"]
        return stream["codec_name"], stream["width"], stream["height"]

    def read_pixels(self, content: bytes) -> bytes:
        """The pixels of a picture, three bytes each (RGB), row by row."""
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-frames:v", "1", "-")
        return self._run(self._ffmpeg, "-v", "error", "-i", "-", *raw, content=content)

    def decode(self, content: bytes) -> None:
        """Decode all of the file. An error on the way is a failure, even one to be lived with."""
        strict = ("-v", "error", "-xerror", "-err_detect", "explode")
        self._run(self._ffmpeg, *strict, "-i", "-", "-f", "null", "-", content=content)

    def measure_s(self, content: bytes) -> float:
        """The seconds that a sound plays, by its samples once they are decoded."""
        rate = 8_000
        raw = ("-f", "s16le", "-ac", "1", "-ar", str(rate), "-")
        samples = self._run(self._ffmpeg, "-v", "error", "-i", "-", *raw, content=content)
        return len(samples) / 2 / rate

    def _run(self, *command: str, content: bytes) -> bytes:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert not done.stderr, done.stderr.decode(errors="replace")
        return done.stdout


def find_decoders() -> Decoders:
    """The programs; without them the test is skipped."""
    ffprobe, ffmpeg = shutil.which("ffprobe"), shutil.which("ffmpeg")
    if ffprobe is None or ffmpeg is None:
        do_without("ffprobe and ffmpeg are not installed: Debian has them in the package ffmpeg")
    return Decoders(ffprobe, ffmpeg)
