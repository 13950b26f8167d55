"""`/v1/account/balance`, `/activity`, `/usage` and `/transactions`: what an account has and did.

All are read from the ledger, the journal and its roll-ups at the time of the call: nothing is kept
here that could disagree with them.
"""

from starlette.requests import Request
from starlette.responses import Response

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import format_dollars
from nagara.runtime import Clock
from nagara.storage.activity import GROUPS_MAX, load_activity
from nagara.storage.driver import Driver
from nagara.storage.ledger import find_balance
from nagara.storage.limit_periods import DAY_S
from nagara.storage.request_pages import DAY_MS, Position, RequestFilter, load_requests
from nagara.storage.transfer_pages import START, Place, load_transfers
from nagara.web.account.callers import answer
from nagara.web.account.queries import (
    encode_cursor,
    read_cursor,
    read_grouping,
    read_key_id,
    read_limit,
    read_model,
    read_range,
    read_selection,
    read_types,
)
from nagara.web.account.report_views import view_activity, view_request, view_transfer


class Reports:
    """The handlers. They raise `GatewayError`, and `StorageError` when the store cannot be read."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    async def get_balance(self, request: Request, account_id: int) -> Response:
        """`GET /v1/account/balance`: what came less what went; what is held is still in it."""
        balance = await find_balance(self._driver, account_id)
        return answer(request, {"balance": format_dollars(balance.balance_nano)})

    async def get_activity(self, request: Request, account_id: int) -> Response:
        """`GET /v1/account/activity`: sums by day, model and key, and by what else was asked."""
        query = request.query_params
        selection = read_selection(query, account_id, self._today())
        group_by = read_grouping(query)
        activity = await load_activity(self._driver, selection, group_by)
        if len(activity.groups) > GROUPS_MAX:
            raise _too_many_groups()
        period_days = selection.last_day - selection.first_day + 1
        return answer(request, view_activity(activity, period_days, group_by))

    async def list_usage(self, request: Request, account_id: int) -> Response:
        """`GET /v1/account/usage`: one entry a request, newest first."""
        query = request.query_params
        first_day, last_day = read_range(query, self._today())
        wanted = RequestFilter(
            account_id=account_id,
            from_ms=first_day * DAY_MS,
            key_id=read_key_id(query),
            model=read_model(query),
        )
        before = read_cursor(query, Position) or Position((last_day + 1) * DAY_MS, 0)
        page = await load_requests(self._driver, wanted, before, read_limit(query))
        return _answer_page(request, [view_request(row) for row in page.rows], page.next)

    async def list_transactions(self, request: Request, account_id: int) -> Response:
        """`GET /v1/account/transactions`: one entry a movement of the balance, newest first."""
        query = request.query_params
        types = read_types(query)
        place = read_cursor(query, Place) or START
        page = await load_transfers(self._driver, account_id, place, read_limit(query), types)
        return _answer_page(request, [view_transfer(row) for row in page.rows], page.next)

    def _today(self) -> int:
        return int(self._clock.now_s()) // DAY_S


def _answer_page(
    request: Request, data: list[dict[str, object]], following: Position | Place | None
) -> Response:
    cursor = None if following is None else encode_cursor(following)
    return answer(request, {"data": data, "has_more": cursor is not None, "next_cursor": cursor})


def _too_many_groups() -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"There are more than {GROUPS_MAX} groups: ask about fewer days, one model or one key.",
        param="group_by",
    )
