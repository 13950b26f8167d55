"""Servers of the operator's own, and the addresses that they must not be given.

Such a server stands in the operator's network, and would fetch there whatever a caller names. So an
address is not forwarded to it, in whatever form it comes: it is fetched here, or refused. Pure.
"""

from typing import Final

from nagara.dialects.addresses import find_address, refuse_address
from nagara.dialects.codec import Target
from nagara.dialects.json_fields import Fields
from nagara.domain.abilities import Ability
from nagara.domain.catalog import Deployment, Operation

READING: Final = frozenset(
    {Operation.COUNT_TOKENS, Operation.EMBEDDINGS, Operation.RERANK, Operation.MODERATIONS}
)
"""What reads, and answers with numbers. Servers read pictures there too, by their addresses."""


def is_guarded(deployment: Deployment, target: Target) -> bool:
    """Whether a server must not find an address in what it is sent."""
    return deployment.is_self_hosted and not target.can(Ability.IMAGE_URLS)


def check_addresses(fields: Fields, deployment: Deployment, target: Target) -> None:
    """Refuse an address in what such a server is to count, embed or rank.

    Nothing is fetched for that, and the server would: raises `GatewayError`.
    """
    if not is_guarded(deployment, target):
        return
    for name, raw in fields.items():
        address = find_address(bytes(raw), name)
        if address is not None:
            raise refuse_address(fields, address, name)
