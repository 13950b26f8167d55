"""What an account did, as the account API tells it: decimal text for amounts, UTC for times.

`activity` has NagaAI's fields and names, two kinds of them: `total_requests` in sums by day, and
`request_count` in sums by model and by key. What a request cost the operator is never told.
"""

import msgspec

from nagara.domain.money import format_dollars
from nagara.storage.activity import Activity, Grouping, Sums
from nagara.storage.request_pages import RequestRow
from nagara.storage.transfer_pages import TransferRow
from nagara.web.times import format_day, format_time, format_time_ms

TOP_MODELS_MAX = 100


def view_activity(
    activity: Activity, period_days: int, group_by: frozenset[Grouping]
) -> dict[str, object]:
    """`GET /v1/account/activity`; with `groups` if they were asked for."""
    view: dict[str, object] = {
        "period_days": period_days,
        "total_stats": _view_totals(activity.days),
        "daily_stats": [
            {"date": _date(day), "total_requests": day.requests, **_view_sums(day)}
            for day in activity.days
        ],
        "top_models": [
            {"model_name": model.model, "request_count": model.requests, **_view_sums(model)}
            for model in activity.models[:TOP_MODELS_MAX]
        ],
        "api_key_usage": [
            {**_view_named_key(key), "request_count": key.requests, **_view_sums(key)}
            for key in activity.keys
        ],
    }
    if group_by:
        view["groups"] = [_view_group(group, group_by) for group in activity.groups]
    return view


def _view_totals(days: list[Sums]) -> dict[str, object]:
    return {
        "total_requests": sum(day.requests for day in days),
        "total_cost": format_dollars(sum(day.charge_nano for day in days)),
        "total_input_tokens": sum(day.input_tokens for day in days),
        "total_output_tokens": sum(day.output_tokens for day in days),
    }


def _view_sums(sums: Sums) -> dict[str, object]:
    return {
        "total_cost": format_dollars(sums.charge_nano),
        "total_input_tokens": sums.input_tokens,
        "total_output_tokens": sums.output_tokens,
    }


def _view_named_key(sums: Sums) -> dict[str, object]:
    return {"api_key_id": sums.key_id, "api_key_name": sums.key_name or ""}


def _view_group(sums: Sums, group_by: frozenset[Grouping]) -> dict[str, object]:
    """What the group has in common, then its sums."""
    view: dict[str, object] = {}
    if Grouping.DAY in group_by:
        view["date"] = _date(sums)
    if Grouping.MODEL in group_by:
        view["model_name"] = sums.model
    if Grouping.API_KEY in group_by:
        view |= _view_named_key(sums)
    return {**view, "request_count": sums.requests, **_view_sums(sums)}


def _date(sums: Sums) -> str:
    return format_day(sums.day or 0)


def view_request(row: RequestRow) -> dict[str, object]:
    """One entry of `GET /v1/account/usage`."""
    return {
        "id": row.id,
        "request_id": row.request_id,
        "created_at": format_time_ms(row.at_ms),
        "api_key_id": row.key_id,
        "api_key_name": row.key_name or "",
        "operation": row.operation,
        "model": row.model,
        "provider": row.provider,
        "provider_model": row.deployment,
        "status": row.status,
        "outcome": row.outcome,
        "error": row.error,
        "is_streamed": bool(row.is_streamed),
        "is_test": bool(row.is_test),
        "attempts": row.attempts,
        "first_byte_ms": row.first_byte_ms,
        "duration_ms": row.duration_ms,
        "dropped": row.dropped,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "usage": None if row.usage is None else msgspec.Raw(row.usage.encode()),
        "is_usage_estimated": bool(row.is_usage_estimated),
        "cost": format_dollars(row.charge_nano),
        "rate_card": row.rate_card,
    }


def view_transfer(row: TransferRow) -> dict[str, object]:
    """One entry of `GET /v1/account/transactions`."""
    return {
        "id": row.id,
        "created_at": format_time_ms(row.at_ms),
        "type": row.code,
        "amount": format_dollars(row.amount_nano),
        "balance": None if row.balance_nano is None else format_dollars(row.balance_nano),
        # Zero where it was not about a key.
        "api_key_id": row.key_id or None,
        "usage_id": row.request,
        "request_id": row.request_id,
        "expires_at": None if row.expires_at_s is None else format_time(row.expires_at_s),
        "note": row.note,
    }
