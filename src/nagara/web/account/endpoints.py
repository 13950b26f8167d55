"""The paths of the account API and what serves them."""

from collections.abc import Sequence

from nagara.web.account.callers import AccountHandler, Door
from nagara.web.account.keys import AccountKeys
from nagara.web.account.reports import Reports

GET = ("GET",)
POST = ("POST",)


class AccountEndpoints:
    """The table of paths, their handlers and methods, behind one door."""

    def __init__(self, door: Door, reports: Reports, keys: AccountKeys) -> None:
        self.door = door
        self.table: Sequence[tuple[str, AccountHandler, Sequence[str]]] = (
            ("/v1/account/balance", reports.get_balance, GET),
            ("/v1/account/activity", reports.get_activity, GET),
            ("/v1/account/usage", reports.list_usage, GET),
            ("/v1/account/transactions", reports.list_transactions, GET),
            ("/v1/account/keys", keys.serve_all, ("GET", "POST")),
            ("/v1/account/keys/{key_id}", keys.serve_one, ("GET", "PATCH", "DELETE")),
            ("/v1/account/keys/{key_id}/rotate", keys.rotate, POST),
        )
