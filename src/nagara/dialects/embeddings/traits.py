"""The wire formats of embeddings, and providers' own ways within OpenAI's: named, and data."""

import enum


class Form(enum.StrEnum):
    """What a provider speaks, where it is not OpenAI's format."""

    COHERE = "embeddings.cohere"
    COHERE_ON_BEDROCK = "embeddings.cohere_on_bedrock"
    GOOGLE = "embeddings.google"
    GOOGLE_ONE = "embeddings.google_one"
    GOOGLE_PREDICT = "embeddings.google_predict"
    NOVA = "embeddings.nova"
    TITAN = "embeddings.titan"
    TITAN_V1 = "embeddings.titan_v1"


class Trait(enum.StrEnum):
    """How a provider of OpenAI's format differs."""

    OUTPUT_DIMENSION = "embeddings.output_dimension"
    """`dimensions` is `output_dimension` there."""

    FLOAT_UNSAID = "embeddings.float_unsaid"
    """It answers floats unless it is told otherwise, and refuses to be told so."""

    TEXT_ONLY = "embeddings.text_only"
    """It takes no token ids."""

    NO_USER = "embeddings.no_user"
    """It has no `user`."""
