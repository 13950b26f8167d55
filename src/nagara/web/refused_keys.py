"""What becomes of a request whose key was refused: tried again, answered 401, or 429 for too many.

A key that was made a moment ago is in the database before it is in the snapshot, so a refusal is
worth one look there; an address that fails too often is not given that look any more, nor is its
body read. Both edges ask here, so that there is one count for all of them.
"""

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits.failed_keys import FailedKeys
from nagara.storage.snapshots import Snapshots
from nagara.web.client_address import TrustedProxies
from nagara.web.request_head import Headers


class RefusedKeys:
    """Judges refusals by the address they were earned from."""

    def __init__(
        self, snapshots: Snapshots, failed_keys: FailedKeys, proxies: TrustedProxies
    ) -> None:
        self._snapshots = snapshots
        self._failed_keys = failed_keys
        self._proxies = proxies

    def check(self, peername: object, headers: Headers) -> None:
        """Before a body is read: raise `GatewayError` (RATE_LIMIT) for one who failed too often.

        Only who has not got a key that is known, and costs nothing while nobody fails.
        """
        if self._failed_keys.buckets and not self._snapshots.knows(headers):
            self._failed_keys.check(self._proxies.find_client(peername, headers))

    async def may_try_again(
        self, refusal: GatewayError, peername: object, headers: Headers
    ) -> bool:
        """Whether a refused request should be looked at once more: its key is there by now.

        Else it was a failure of its address; raises `GatewayError` (RATE_LIMIT) for one too many.
        """
        if refusal.kind is not ErrorKind.AUTHENTICATION:
            return False
        address = self._proxies.find_client(peername, headers)
        # Counted before the database is asked, or a crowd would be asked for all at once.
        self._failed_keys.count(address)
        if self._snapshots.knows(headers) or not await self._snapshots.knows_by_now(headers):
            return False
        self._failed_keys.forgive(address)
        return True
