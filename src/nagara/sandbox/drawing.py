"""Pictures for the sandbox: the words of a prompt on colours that follow from it.

The same prompt, size and number give the same bytes, with one version of Pillow. Pillow is imported
with the first picture; `CannotDraw` says how to install it where it is missing.
"""

import hashlib
import io
import struct
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS: Final = ("png", "jpeg", "webp")
LINES_MAX: Final = 12
CHARACTERS_MAX: Final = 600
MARGIN: Final = 0.06
GLYPH: Final = 0.5
"""How wide a letter is to its height, about."""


class CannotDraw(Exception):  # noqa: N818  (what the sandbox says)
    """Pillow is not installed."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be drawn. `draft` is how unfinished it is: 0 for a finished one."""

    prompt: str
    width: int
    height: int
    number: int = 0
    draft: int = 0
    is_transparent: bool = False


def check_pillow() -> None:
    """Raise `CannotDraw` where there is no Pillow."""
    try:
        import PIL.Image  # noqa: F401 - with the first picture
    except ImportError:
        raise CannotDraw from None


def draw(picture: Picture) -> "Image":
    """The picture, RGB, or RGBA where it is transparent."""
    from PIL import Image, ImageFilter

    first, second = pick_colours(picture)
    size = (picture.width, picture.height)
    if picture.is_transparent:
        image = Image.new("RGBA", size, (0, 0, 0, 0))
    else:
        # Two rows of one pixel, stretched: a gradient without a loop over pixels.
        image = Image.new("RGB", (1, 2))
        image.putpixel((0, 0), first)
        image.putpixel((0, 1), second)
        image = image.resize(size, Image.Resampling.BILINEAR)
    write_text(image, picture.prompt, "white" if not picture.is_transparent else "black")
    if picture.draft:
        radius = picture.draft * max(2, min(size) // 64)
        image = image.filter(ImageFilter.BoxBlur(radius))
    return image


def pick_colours(picture: Picture) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Two dark colours that the prompt and the number choose."""
    seed = f"{picture.number}:{picture.prompt}".encode(errors="replace")
    digest = hashlib.blake2b(seed, digest_size=6).digest()
    red, green, blue, *others = (byte // 2 for byte in digest)
    return (red, green, blue), (others[0], others[1], others[2])


def write_text(image: "Image", text: str, colour: str) -> None:
    """The words in the middle, as large as they fit."""
    from PIL import ImageDraw, ImageFont

    width, height = image.size
    room = width * (1 - 2 * MARGIN), height * (1 - 2 * MARGIN)
    text = fold_accents(" ".join(text[:CHARACTERS_MAX].split()))
    size, lines = fit_text(text, *room)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).multiline_text(
        (width / 2, height / 2), "\n".join(lines), fill=colour, font=font, anchor="mm",
        align="center",
    )  # fmt: skip


def fold_accents(text: str) -> str:
    """The letters without their accents: Pillow's own font has those of English alone."""
    return "".join(map(_fold, text))


def _fold(letter: str) -> str:
    base = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    return base if base.isascii() else letter


def fit_text(text: str, width: float, height: float) -> tuple[float, list[str]]:
    """The largest size at which the words fit into that room, and their lines."""
    for count in range(1, LINES_MAX + 1):
        size = height / count / 1.5
        lines = wrap(text, max(1, int(width / (size * GLYPH))))
        if len(lines) <= count:
            return max(4.0, min(size, height / 6)), lines
    size = height / LINES_MAX / 1.5
    return max(4.0, size), wrap(text, max(1, int(width / (size * GLYPH))))[:LINES_MAX]


def wrap(text: str, letters: int) -> list[str]:
    """Lines of at most so many letters, broken at spaces where there are some."""
    lines, line = [], ""
    for word in text.split(" "):
        rest = word
        while len(rest) > letters:
            if line:
                lines.append(line)
                line = ""
            lines.append(rest[:letters])
            rest = rest[letters:]
        joined = f"{line} {rest}".strip()
        if len(joined) <= letters:
            line = joined
        else:
            lines.append(line)
            line = rest
    return [*lines, line] if line else lines


class NotReadable(Exception):  # noqa: N818  (what the sandbox says)
    """A file is no picture that is drawn on, or too large a one."""


class Sources:
    """The pictures that another is made of, and where it may change them: all over, or a mask."""

    def __init__(self, images: "list[Image]", mask: "Image | None") -> None:
        self.images = images
        self.mask = mask
        self.count = len(images) + (mask is not None)
        self.size: tuple[int, int] = images[0].size


def measure_picture(file: IO[bytes], pixels_max: int) -> int:
    """How many pixels a picture says it has. Raises `NotReadable`; nothing of it is decoded."""
    image = _open(file, pixels_max)
    return image.width * image.height


def open_picture(file: IO[bytes], pixels_max: int) -> "Image":
    """A picture as RGBA. Raises `NotReadable`, for too large a one before anything is decoded."""
    image = _open(file, pixels_max)
    with _reading(pixels_max):
        return image.convert("RGBA")


def _open(file: IO[bytes], pixels_max: int) -> "Image":
    from PIL import Image

    # What unpacks to far more than it is, is an error and nothing to warn of.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    with _reading(pixels_max):
        file.seek(0)
        image = Image.open(file, formats=["PNG", "JPEG", "WEBP", "GIF"])
        if image.width * image.height > pixels_max:
            raise NotReadable(f"has {image.width}x{image.height} pixels, more than {pixels_max}")
        return image


@contextmanager
def _reading(pixels_max: int) -> Iterator[None]:
    """What Pillow raises for files that it cannot read, as `NotReadable`."""
    from PIL import Image

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotReadable(f"has more than {pixels_max} pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error):
        raise NotReadable("cannot be decoded: it is cut off or broken") from None


def edit(sources: Sources, drawn: "Image") -> "Image":
    """What was drawn, put over the pictures where they may change; else half of both.

    May change what is transparent in the mask, or, without one, in the first picture.
    """
    from PIL import Image, ImageChops

    size = drawn.size
    base = sources.images[0].resize(size) if sources.images[0].size != size else sources.images[0]
    for number, other in enumerate(sources.images[1:], 2):
        drawn = Image.blend(drawn.convert("RGBA"), other.resize(size), 1 / number)
    holes = (sources.mask or sources.images[0]).getchannel("A")
    if holes.size != size:
        holes = holes.resize(size, Image.Resampling.NEAREST)
    drawn = drawn.convert("RGBA")
    if holes.getextrema() == (255, 255) and sources.mask is None:
        return Image.blend(base, drawn, 0.5).convert("RGB")
    editable = ImageChops.invert(holes).point(lambda alpha: 255 if alpha else 0)
    return Image.composite(drawn, base, editable)


def encode(image: "Image", form: str, compression: int | None) -> bytes:
    """The file: PNG, JPEG or WebP. `compression` of 0 to 100 is what OpenAI means by it."""
    out = io.BytesIO()
    quality = 90 if compression is None else max(1, compression)
    if form == "png":
        image.save(out, "PNG", compress_level=1)
    elif form == "webp":
        image.save(out, "WEBP", quality=quality, method=0)
    else:
        image.convert("RGB").save(out, "JPEG", quality=min(quality, 95))
    return out.getvalue()
