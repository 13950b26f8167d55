"""The wire formats of images, where a provider does not speak OpenAI's: named, and data."""

import enum
from collections.abc import Mapping


class Form(enum.StrEnum):
    """What a provider speaks."""

    GOOGLE = "images.google"
    """Gemini's models, which draw in a conversation."""

    GOOGLE_1K = "images.google_1k"
    """The first of them, which draws in one resolution."""

    OPENROUTER = "images.openrouter"
    """JSON like OpenAI's for generations, with the pictures of an edit in it as references."""

    TOGETHER = "images.together"
    """JSON like OpenAI's, with a width and a height in place of a size."""

    XAI = "images.xai"
    """JSON like OpenAI's, with shapes in place of sizes."""


GEMINI_FORMS: Mapping[str, str] = {r"gemini-2": Form.GOOGLE_1K, "": Form.GOOGLE}
"""What Gemini's models speak, wherever they are served."""

DRAWS_NOT = r"^(?!.*(-image|nano-banana))"
"""Names of Gemini's models that draw nothing."""
