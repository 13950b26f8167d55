"""What an answer is made of, and how its pictures are drawn, in OpenRouter's words, both ways.

OpenAI's own `modalities` are text and sound, and stay as they came; so does an `image_config` with
more in it than other dialects have a word for.

Source: https://openrouter.ai/docs/guides/overview/multimodal/image-generation
"""

import msgspec

from nagara.dialects.json_fields import NULL, Fields
from nagara.domain.messages import ImageOptions, Request

MODALITIES, CONFIG = "modalities", "image_config"


class _ImageConfig(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    aspect_ratio: str | None = None
    image_size: str | None = None


_texts_decoder = msgspec.json.Decoder(list[str])
_config_decoder = msgspec.json.Decoder(_ImageConfig)


def take_modalities(extras: Fields) -> tuple[str, ...]:
    """The modalities if pictures are among them, taken out of the request's other fields."""
    try:
        said = tuple(_texts_decoder.decode(extras.get(MODALITIES, NULL)))
    except msgspec.DecodeError:
        return ()
    if "image" not in said:
        return ()
    del extras[MODALITIES]
    return said


def take_image_options(extras: Fields) -> ImageOptions | None:
    """The options that the hub has, taken out likewise if there are no others."""
    try:
        said = _config_decoder.decode(extras.get(CONFIG, NULL))
    except msgspec.DecodeError:
        return None
    del extras[CONFIG]
    return ImageOptions(aspect_ratio=said.aspect_ratio, size=said.image_size)


def encode_images(request: Request) -> dict[str, object]:
    """The same for a provider."""
    fields: dict[str, object] = {}
    if request.modalities:
        fields[MODALITIES] = request.modalities
    if (options := request.image_options) is not None:
        fields[CONFIG] = _ImageConfig(options.aspect_ratio, options.size)
    return fields
