"""Whole answers of Gemini's to the hub: the one response of a stream that has no more.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from nagara.dialects.codec import Target
from nagara.dialects.google_gemini.answers import AnswerReader, read_answer
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import ChoiceEnded, Event, FinishReason, Response, fold


def decode_response(body: bytes, target: Target) -> Response:
    """A whole answer. Raises `GatewayError` for one that is an error or cannot be read."""
    answer = read_answer(body)
    reader = AnswerReader(target)
    events: list[Event] = reader.take(answer)
    if not answer.candidates and not reader.is_complete:
        if answer.usage_metadata is None:
            raise GatewayError(
                ErrorKind.UPSTREAM_PROTOCOL,
                f"{target.provider} sent an answer without candidates. Send the request again.",
            )
        events.append(ChoiceEnded(finish=FinishReason.OTHER))
    return fold([*events, *reader.finish()])
