"""What an answer is made of, and how its pictures are drawn, in Gemini's words, both ways.

Only what asks for pictures is the hub's: text alone is what every model does anyway, and sound is
kept as it came. `imageConfig` with more in it than other dialects have a word for is kept too.

https://ai.google.dev/api/generate-content#generationconfig
"""

from typing import Any

import msgspec

from nagara.dialects.google_gemini.wire import read
from nagara.dialects.json_fields import Fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.messages import ImageOptions, Request

_texts_decoder = msgspec.json.Decoder(list[str] | None)


class _ImageConfig(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    aspect_ratio: str | None = None
    image_size: str | None = None


_config_decoder = msgspec.json.Decoder(_ImageConfig)


def take_modalities(config: Fields) -> tuple[str, ...]:
    """The modalities if pictures are among them, taken out of `generationConfig`."""
    raw = config.get("responseModalities")
    if raw is None:
        return ()
    try:
        said = [name.lower() for name in read(raw, _texts_decoder) or ()]
    except (msgspec.DecodeError, RecursionError) as error:
        raise wrong_field(
            "generationConfig.responseModalities", "must be a list of strings."
        ) from error
    if said == ["text"] or "image" in said:
        del config["responseModalities"]
    return tuple(said) if "image" in said else ()


def take_image_options(config: Fields) -> ImageOptions | None:
    """The options that the hub has, taken out of `generationConfig` if there are no others."""
    raw = config.get("imageConfig")
    if raw is None:
        return None
    try:
        said = read(raw, _config_decoder)
    except (msgspec.DecodeError, RecursionError):
        return None
    del config["imageConfig"]
    return ImageOptions(aspect_ratio=said.aspect_ratio, size=said.image_size)


def write_images(request: Request) -> dict[str, Any]:
    """The same for a provider."""
    said: dict[str, Any] = {}
    if request.modalities:
        said["responseModalities"] = [name.upper() for name in request.modalities]
    if (options := request.image_options) is not None:
        named = {"aspectRatio": options.aspect_ratio, "imageSize": options.size}
        said["imageConfig"] = {name: value for name, value in named.items() if value is not None}
    return said
