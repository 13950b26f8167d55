"""Gemini's models that draw: a conversation of one turn, whose answer has pictures in it.

One call draws one picture, so more are more calls. A size becomes a shape and a class of
resolution. What a mask is, the API has no word for, so an edit with one is refused.

Sources: https://ai.google.dev/gemini-api/docs/image-generation
https://ai.google.dev/api/generate-content#ImageConfig
"""

from typing import Any

import msgspec

from nagara.dialects.exchange import Aim, cannot_be_given, decode_answer
from nagara.dialects.google_gemini.finish import read_finish
from nagara.dialects.google_gemini.usage import UsageWire
from nagara.dialects.google_gemini.wire import BlobWire
from nagara.dialects.images.pictures import DATA_URL, Picture, name_place, refuse_overlays
from nagara.dialects.images.request import Drawn, ImageRequest, is_said
from nagara.dialects.images.sizes import find_shape
from nagara.dialects.images.traits import Form
from nagara.dialects.json_fields import encode_raw
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import FinishReason

KNOWN: frozenset[str] = frozenset({"aspect_ratio", "seed"})
COUNT_MAX = 1
SAID_CHARACTERS_MAX = 500


class _Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    inline_data: BlobWire | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Feedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: str | None = None


class _Answer(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: UsageWire | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    request: ImageRequest,
    count: int,  # noqa: ARG001 - every format's signature; it is one
    aim: Aim,
) -> tuple[bytes, list[str]]:
    """The pictures and then the prompt, as one turn."""
    refuse_overlays(request.mask, request.markup, aim)
    parts: list[dict[str, Any]] = [_encode_picture(x, aim) for x in request.images]
    parts.append({"text": request.prompt})
    image, partly = _configure(request, aim)
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if image:
        config["imageConfig"] = image
    if is_said(request.fields, "seed"):
        config["seed"] = request.fields["seed"]
    asked = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return bytes(encode_raw(asked)), partly


def _configure(request: ImageRequest, aim: Aim) -> tuple[dict[str, Any], list[str]]:
    """`imageConfig`, and `size` where only the shape of it can be had."""
    image: dict[str, Any] = {}
    partly: list[str] = []
    if request.pixels is not None:
        shape = find_shape(*request.pixels)
        if shape is None:
            raise cannot_be_given(aim, f"the shape of {request.size}", "size")
        image["aspectRatio"] = shape.ratio
        if shape.resolution != "1K":
            if aim.form == Form.GOOGLE_1K:
                raise cannot_be_given(aim, f"the resolution of {request.size}", "size")
            image["imageSize"] = shape.resolution
        if shape.is_smaller:
            partly.append("size")
    elif request.size != "auto":
        raise cannot_be_given(aim, f"{request.size!r}", "size")
    if is_said(request.fields, "aspect_ratio"):
        image["aspectRatio"] = request.fields["aspect_ratio"]
    return image, partly


def _encode_picture(picture: Picture, aim: Aim) -> dict[str, Any]:
    if picture.file is not None:
        data = name_place(aim.seed, picture.file)
    elif found := DATA_URL.match(picture.url or ""):
        data = (picture.url or "")[found.end() :]
    else:
        raise cannot_be_given(aim, "an address of the web", "images")
    return {"inlineData": {"mimeType": picture.media_type, "data": data}}


def decode_call(body: bytes, aim: Aim) -> Drawn:
    """The picture, if there is one, or why not."""
    answer = decode_answer(_decoder, body)
    items: list[dict[str, str]] = []
    media_type, said = None, list[str]()
    for candidate in answer.candidates or ():
        for part in (candidate.content.parts if candidate.content else None) or ():
            if part.thought:
                # Drafts that it looks at while it thinks, which are not billed as pictures.
                continue
            if part.inline_data is not None and part.inline_data.data:
                data = part.inline_data.data.replace("-", "+").replace("_", "/")
                items.append({"b64_json": data})
                media_type = part.inline_data.mime_type or media_type
            elif part.text:
                said.append(part.text)
    used = answer.usage_metadata
    return Drawn(
        items,
        None if used is None else used.to_usage(),
        media_type,
        "".join(said)[:SAID_CHARACTERS_MAX],
        None if items else _find_refusal(answer, aim),
    )


def _find_refusal(answer: _Answer, aim: Aim) -> GatewayError | None:
    """The error where nothing was drawn because it may not be."""
    blocked = answer.prompt_feedback.block_reason if answer.prompt_feedback else None
    reasons = [c.finish_reason for c in answer.candidates or () if c.finish_reason]
    refused = [r for r in reasons if read_finish(r, has_calls=False) is FinishReason.CONTENT_FILTER]
    if not blocked and not refused:
        return None
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"{aim.provider} refuses to draw this ({blocked or refused[0]}). Say it otherwise.",
        param="prompt",
        code="content_policy_violation",
    )
