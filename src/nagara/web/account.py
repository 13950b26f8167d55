"""The account API: for provisioning keys, about their own account."""

from collections.abc import Sequence

from nagara.access import require_provisioning
from nagara.domain.money import format_dollars
from nagara.storage.snapshots import Snapshots


def read_balance(snapshots: Snapshots, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """`GET /v1/account/balance`: decimal text, US dollars.

    Until there is a ledger this is the opening grant, which nothing is taken from.
    """
    snapshot, key = snapshots.authenticate(headers)
    require_provisioning(key)
    return {"balance": format_dollars(snapshot.accounts[key.account_id].balance_nano)}
