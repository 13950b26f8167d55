"""What each endpoint means apart from its transport. Sans-IO.

`ENDPOINTS` is the one table of inference endpoints, by path; `{model}` in one stands for any.
"""

from collections.abc import Mapping

from nagara.operations.audio import AUDIO_ENDPOINTS
from nagara.operations.conversation import CONVERSATION_ENDPOINTS
from nagara.operations.endpoint import Endpoint
from nagara.operations.google import GOOGLE_ENDPOINTS, PREFIX, find_google_endpoint
from nagara.operations.image_edits import EDIT_ENDPOINTS
from nagara.operations.images import IMAGE_ENDPOINTS
from nagara.operations.text import TEXT_ENDPOINTS
from nagara.operations.transcripts import TRANSCRIPT_ENDPOINTS

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.path: endpoint
    for endpoint in (
        *CONVERSATION_ENDPOINTS,
        *GOOGLE_ENDPOINTS,
        *TEXT_ENDPOINTS,
        *IMAGE_ENDPOINTS,
        *EDIT_ENDPOINTS,
        *AUDIO_ENDPOINTS,
        *TRANSCRIPT_ENDPOINTS,
    )
}


def find_endpoint(path: str, query: bytes) -> Endpoint | None:
    """The endpoint that serves this path; None if it is no inference."""
    found = ENDPOINTS.get(path)
    if found is None and path.startswith((PREFIX, "/v1/models/")):
        return find_google_endpoint(path, b"alt=sse" not in query)
    return found


__all__ = ["ENDPOINTS", "Endpoint", "find_endpoint"]
