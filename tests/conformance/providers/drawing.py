"""What a provider of images answers, by the path and the body that it is asked with.

The picture that it draws has as many bytes after its beginning as pictures were shown to it, so
that an answer tells what arrived.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from email.parser import BytesParser
from typing import Any, Final, Protocol

PNG: Final = b"\x89PNG\r\n\x1a\n"
PROMPT: Final = "A cat"
INPUT_TOKENS: Final = 40
SEEN_TOKENS: Final = 30
DRAWN_TOKENS: Final = 1_120


class Asked(Protocol):
    """A request as it came."""

    @property
    def path(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class Order:
    """What is asked for, in whichever format: read by nothing of the gateway's."""

    def __init__(self, asked: Asked) -> None:
        self.pictures: Sequence[bytes] = ()
        self.is_form = asked.headers.get("content-type", "").startswith("multipart/")
        self.body: dict[str, Any] = {}
        self.count = 1
        if self.is_form:
            self._read_form(asked)
        else:
            self._read_json(json.loads(asked.body))

    def _read_form(self, asked: Asked) -> None:
        head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + asked.body)
        pictures = list[bytes]()
        for part in message.walk():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if not isinstance(content, bytes):
                continue
            if part.get_filename() is None:
                self.body[str(name)] = content.decode()
            else:
                pictures.append(content)
        self.pictures, self.prompt = pictures, self.body["prompt"]

    def _read_json(self, body: dict[str, Any]) -> None:
        self.body = body
        if "contents" in body:
            *shown, said = body["contents"][0]["parts"]
            self.prompt = said["text"]
            self.pictures = [base64.b64decode(part["inlineData"]["data"]) for part in shown]
            return
        self.prompt, self.count = body["prompt"], body.get("n", 1)
        urls = [item["image_url"]["url"] for item in body.get("input_references", ())]
        urls += [item["url"] for item in body.get("images", ()) if "url" in item]
        urls += [body["image"]["url"]] if "image" in body else []
        urls += [body["image_url"]] if "image_url" in body else []
        self.pictures = [base64.b64decode(url.partition(",")[2]) for url in urls]


def draw(asked: Asked) -> Mapping[str, Any] | None:
    """An answer with pictures; None for what asks for none."""
    is_path = asked.path.partition("?")[0].endswith(("/images", "/generations", "/edits"))
    if not is_path and b'"responseModalities"' not in asked.body:
        return None
    order = Order(asked)
    picture = base64.b64encode(PNG + b"x" * len(order.pictures)).decode()
    if "contents" in order.body:
        return {
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"text": "Here:"},
                            {"inlineData": {"mimeType": "image/png", "data": picture}},
                        ]
                    },
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": INPUT_TOKENS,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": INPUT_TOKENS - SEEN_TOKENS},
                    {"modality": "IMAGE", "tokenCount": SEEN_TOKENS},
                ],
                "candidatesTokenCount": DRAWN_TOKENS,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": DRAWN_TOKENS}],
            },
        }
    data = [{"b64_json": picture} for _ in range(order.count)]
    if "/openrouter/" in asked.path:
        usage: dict[str, Any] = {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": DRAWN_TOKENS,
            "completion_tokens_details": {"image_tokens": DRAWN_TOKENS},
        }
    else:
        usage = {
            "input_tokens": INPUT_TOKENS,
            "input_tokens_details": {"image_tokens": SEEN_TOKENS},
            "output_tokens": DRAWN_TOKENS,
        }
    return {"created": 1, "data": data, "usage": usage}
