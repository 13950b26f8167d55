"""Images without a model: pictures that show the prompt, of the size and in the format asked for.

They come as base64, or, where a `url` is asked for, in an address that holds the picture itself
(`data:image/png;base64,…`). The API is https://platform.openai.com/docs/api-reference/images.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nagara.sandbox.conversation import Ids
from nagara.sandbox.drawing import (
    FORMATS,
    CannotDraw,
    Picture,
    Sources,
    check_pillow,
    draw,
    edit,
    encode,
)
from nagara.sandbox.request import BadRequest, Field, Problem
from nagara.sandbox.script import Answered, encode_event, make_json_script, make_stream_script
from nagara.sandbox.text import count_tokens

PROMPT_CHARACTERS_MAX: Final = 32_000
COUNT_MAX: Final = 10
DRAFTS_MAX: Final = 3
SIDE_MIN: Final = 16
SIDE_MAX: Final = 3_840
PIXELS_MAX: Final = 16_777_216
"""Of all pictures of one answer together."""
SQUARE: Final = 1_048_576
SQUARE_SIZE: Final = (1_024, 1_024)
IMAGE_TOKENS: Final = 85
TOKENS: Final = {"low": 272, "medium": 1_056, "high": 4_160}
"""What a picture of 1024x1024 counts, by quality; others in proportion."""
QUALITIES: Final = ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")
SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    prompt: str
    count: int
    width: int
    height: int
    quality: str
    form: str
    compression: int | None
    is_transparent: bool
    wants_url: bool
    is_streamed: bool
    drafts: int
    sources: Sources | None = None

    @property
    def size(self) -> str:
        """As the API writes it."""
        return f"{self.width}x{self.height}"

    @property
    def tokens(self) -> int:
        """What one picture counts."""
        square = TOKENS.get(self.quality, TOKENS["medium"])
        return max(1, square * self.width * self.height // SQUARE)


def answer_images(body: Field, model: str, now_s: int, ids: Ids) -> Answered:
    """The script for images. Raises `BadRequest`."""
    require_pillow()
    return write_script(read_order(body, model, read_prompt(body["prompt"])), now_s, ids)


def write_script(order: Order, now_s: int, ids: Ids) -> Answered:
    """The script for an order."""
    headers = [("x-request-id", ids.make("req_"))]
    if order.is_streamed:
        script = make_stream_script(write_events(order, now_s), headers)
    else:
        script = make_json_script(write_answer(order, now_s), headers=headers)
    return Answered(script, order.prompt)


def require_pillow() -> None:
    """Raise `BadRequest` where nothing can be drawn."""
    try:
        check_pillow()
    except CannotDraw:
        raise BadRequest(
            (), Problem.OTHER, "the sandbox draws with Pillow: install nagara[media]"
        ) from None


def read_prompt(field: Field) -> str:
    """What is to be drawn. Raises `BadRequest`."""
    prompt = field.read_text()
    if not prompt:
        raise field.refuse("prompt cannot be empty")
    if len(prompt) > PROMPT_CHARACTERS_MAX:
        raise field.refuse(f"prompt has more than {PROMPT_CHARACTERS_MAX} characters")
    return prompt


def read_order(body: Field, model: str, prompt: str, sources: Sources | None = None) -> Order:
    """The request. Raises `BadRequest`."""
    count = body["n"].find_integer(1, COUNT_MAX) or 1
    width, height = read_size(body["size"], count, sources.size if sources else SQUARE_SIZE)
    form = find_choice(body["output_format"], FORMATS, "png")
    is_transparent = find_choice(
        body["background"], ("auto", "transparent", "opaque"), "auto"
    ) == "transparent"  # fmt: skip
    if is_transparent and form == "jpeg":
        raise body["background"].refuse("a JPEG has no transparent background")
    default = "b64_json" if "gpt-image" in model else "url"
    wanted = find_choice(body["response_format"], ("url", "b64_json"), default)
    is_streamed = body["stream"].read_flag()
    return Order(
        prompt=prompt,
        count=count,
        width=width,
        height=height,
        quality=find_choice(body["quality"], QUALITIES, "auto"),
        form=form,
        compression=body["output_compression"].find_integer(0, 100),
        is_transparent=is_transparent,
        # Streams always carry base64.
        wants_url=wanted == "url" and not is_streamed,
        is_streamed=is_streamed,
        drafts=body["partial_images"].find_integer(0, DRAFTS_MAX) or 0,
        sources=sources,
    )


def find_choice(field: Field, names: tuple[str, ...], default: str) -> str:
    """One of some strings, or the default where there is none."""
    return default if field.is_absent else field.read_choice(names)


def read_size(field: Field, count: int, default: tuple[int, int]) -> tuple[int, int]:
    """Width and height. Raises `BadRequest` for what is too large, or no size."""
    text = "auto" if field.is_absent else field.read_text()
    found = SIZE.fullmatch(text)
    if found is None and text != "auto":
        raise field.refuse("size must be 'auto' or WIDTHxHEIGHT, such as '1024x1024'")
    width, height = default if found is None else (int(found[1]), int(found[2]))
    if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
        raise field.refuse(f"each side of an image has {SIDE_MIN} to {SIDE_MAX} pixels")
    if width * height * count > PIXELS_MAX:
        raise field.refuse(f"all images together may have {PIXELS_MAX} pixels")
    return width, height


def write_answer(order: Order, now_s: int) -> dict[str, Any]:
    """The whole answer."""
    key = "url" if order.wants_url else "b64_json"
    before = f"data:image/{order.form};base64," if order.wants_url else ""
    return {
        "created": now_s,
        "data": [{key: before + render(order, number)} for number in range(order.count)],
        **describe(order),
        "usage": count_usage(order, order.count),
    }


def write_events(order: Order, now_s: int) -> Iterator[bytes]:
    """The events: drafts of each picture, then that picture."""
    family = "image_generation" if order.sources is None else "image_edit"
    said = {"created_at": now_s, **describe(order)}
    for number in range(order.count):
        for index in range(order.drafts):
            kind = f"{family}.partial_image"
            draft = render(order, number, order.drafts - index)
            yield encode_event(
                {"type": kind, "b64_json": draft, "partial_image_index": index, **said}, kind
            )
        kind, usage = f"{family}.completed", count_usage(order, 1)
        yield encode_event(
            {"type": kind, "b64_json": render(order, number), "usage": usage, **said}, kind
        )


def describe(order: Order) -> dict[str, str]:
    """What every answer and every event says of the pictures."""
    return {
        "background": "transparent" if order.is_transparent else "opaque",
        "output_format": order.form,
        "quality": order.quality,
        "size": order.size,
    }


def render(order: Order, number: int, draft: int = 0) -> str:
    """One picture as base64."""
    picture = Picture(
        prompt=order.prompt,
        width=order.width,
        height=order.height,
        number=number,
        draft=draft,
        is_transparent=order.is_transparent,
    )
    image = draw(picture)
    if order.sources is not None:
        image = edit(order.sources, image)
    return base64.b64encode(encode(image, order.form, order.compression)).decode("ascii")


def count_usage(order: Order, pictures: int) -> dict[str, Any]:
    """Tokens as OpenAI reports them: those of the prompt, and those of the pictures."""
    words, drawn = count_tokens(order.prompt), pictures * order.tokens
    seen = 0 if order.sources is None else IMAGE_TOKENS * order.sources.count
    if order.is_streamed:
        drawn += 100 * order.drafts
    return {
        "input_tokens": words + seen,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": drawn,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
        "total_tokens": words + seen + drawn,
    }
