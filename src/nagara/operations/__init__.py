"""What each endpoint means apart from its transport. Sans-IO.

`ENDPOINTS` is the one table of inference endpoints, by path.
"""

from collections.abc import Mapping

from nagara.operations.conversation import CONVERSATION_ENDPOINTS
from nagara.operations.endpoint import Endpoint
from nagara.operations.text import TEXT_ENDPOINTS

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.path: endpoint for endpoint in (*CONVERSATION_ENDPOINTS, *TEXT_ENDPOINTS)
}

__all__ = ["ENDPOINTS", "Endpoint"]
