"""The wire formats of moderations that are not OpenAI's."""

import enum


class Form(enum.StrEnum):
    """What a provider speaks."""

    MISTRAL = "moderations.mistral"
