"""Which function answers which operation, and the one path from a request to a script.

Pure: the same operation, model, body, time and request id give the same script, whatever the body
holds. Every refusal and every fault comes out as a script too; nothing is raised.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from nagara.domain.catalog import Operation
from nagara.sandbox.chat import answer_chat
from nagara.sandbox.conversation import Ids
from nagara.sandbox.embeddings import answer_embeddings
from nagara.sandbox.faults import Moment, find_fault, split_fault
from nagara.sandbox.image_edits import answer_edits, answer_variations, open_pictures
from nagara.sandbox.images import answer_images
from nagara.sandbox.messages import answer_count, answer_messages
from nagara.sandbox.moderation import answer_moderations
from nagara.sandbox.refusal import Refuse, refuse_anthropic, refuse_openai
from nagara.sandbox.request import BadRequest, Field, OpenFile, read_body
from nagara.sandbox.rerank import answer_rerank
from nagara.sandbox.responses import answer_responses
from nagara.sandbox.script import Answered, Script
from nagara.sandbox.speech import answer_speech
from nagara.sandbox.transcripts import answer_transcription, answer_translation


class Endpoint(msgspec.Struct, frozen=True):
    """How one operation is answered, and how its API says no."""

    answer: Callable[[Field, str, int, Ids], Answered]
    refuse: Refuse
    is_anthropic: bool = False
    open_files: Callable[[Field, OpenFile | None], Field] | None = None
    """Finds the files that the body names."""
    is_slow: bool = False
    """Whether it belongs in a thread."""


ENDPOINTS: Final[Mapping[Operation, Endpoint]] = {
    Operation.CHAT: Endpoint(answer_chat, refuse_openai),
    Operation.RESPONSES: Endpoint(answer_responses, refuse_openai),
    Operation.MESSAGES: Endpoint(answer_messages, refuse_anthropic, is_anthropic=True),
    Operation.COUNT_TOKENS: Endpoint(answer_count, refuse_anthropic, is_anthropic=True),
    Operation.EMBEDDINGS: Endpoint(answer_embeddings, refuse_openai),
    Operation.RERANK: Endpoint(answer_rerank, refuse_openai),
    Operation.MODERATIONS: Endpoint(answer_moderations, refuse_openai),
    Operation.IMAGES: Endpoint(answer_images, refuse_openai, is_slow=True),
    Operation.IMAGE_EDITS: Endpoint(
        answer_edits, refuse_openai, open_files=open_pictures, is_slow=True
    ),
    Operation.IMAGE_VARIATIONS: Endpoint(
        answer_variations, refuse_openai, open_files=open_pictures, is_slow=True
    ),
    Operation.SPEECH: Endpoint(answer_speech, refuse_openai, is_slow=True),
    Operation.TRANSCRIPTIONS: Endpoint(answer_transcription, refuse_openai),
    Operation.TRANSLATIONS: Endpoint(answer_translation, refuse_openai),
}


def write_script(
    operation: Operation,
    model: str,
    body: bytes,
    *,
    now_s: int,
    request_id: str,
    open_file: OpenFile | None = None,
) -> Script:
    """What the sandbox answers to one request. A suffix of a fault on `model` is heeded."""
    endpoint = ENDPOINTS[operation]
    ids = Ids(request_id)
    model, fault = split_fault(model)
    try:
        field = read_body(body)
        if endpoint.open_files is not None:
            field = endpoint.open_files(field, open_file)
        answered = endpoint.answer(field, model, now_s, ids)
    except BadRequest as refusal:
        return endpoint.refuse(refusal, ids.make("req_"))
    fault = fault or find_fault(answered.prompt)
    if fault is None:
        return answered.script
    moment = Moment(endpoint.is_anthropic, ids.make("req_"), now_s)
    return fault.apply(answered.script, moment)
