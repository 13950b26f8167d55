"""What came of attempts: as an observation for the operator, and as one error for the caller.

The caller is told what was tried and what to do; causes, and what a provider says of itself, are
for the log alone.
"""

from collections.abc import Sequence

from nagara.answer_headers import encode_header
from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.observe.observations import AttemptFailed, RequestEnded
from nagara.upstream.attempt import Call
from nagara.upstream.reply import client_left


def describe_failure(
    call: Call, deployment: Deployment, error: GatewayError, absent: Operation | None = None
) -> AttemptFailed:
    """The observation of a failed attempt, with the cause that the caller is not told.

    `absent` is the operation that the deployment turned out to lack, if it was that.
    """
    said = error.provider_said
    # What a provider says of a caller's request may quote it.
    is_callers = error.kind.value.fault is Fault.CLIENT
    return AttemptFailed(
        level=error.kind.value.log_level,
        request_id=call.asking.request_id,
        provider=deployment.name,
        deployment=deployment.model,
        absent_operation=absent,
        error=error.code or error.kind.name.lower(),
        status=error.status,
        reason=type(error.__cause__).__name__ if error.__cause__ is not None else None,
        provider_status=said.status if said else None,
        provider_code=said.code if said else None,
        provider_message=said.message if said and not is_callers else None,
        provider_request_id=said.request_id if said else None,
    )


def sum_up(failed: Sequence[tuple[Deployment, GatewayError]], attempts: int) -> GatewayError:
    """One error for all the attempts: the last one's, which says what was tried."""
    deployment, last = failed[-1]
    tried = ", ".join(
        f"{deployment.name} ({error.code or error.status})" for deployment, error in failed
    )
    is_callers = last.kind.value.fault is Fault.CLIENT
    summed = GatewayError(
        last.kind,
        last.message if is_callers else f"{last.message} Tried: {tried}.",
        param=last.param,
        code=last.code,
        status=last.status,
        retry_after_s=last.retry_after_s,
        headers={
            **last.headers,
            "x-nagara-provider": encode_header(deployment.name).decode(),
            "x-nagara-model": encode_header(deployment.model).decode(),
            "x-nagara-attempts": str(attempts),
        },
    )
    summed.__cause__ = last
    return summed


def interruption(ended: RequestEnded) -> GatewayError:
    """Why the task of a request was cancelled."""
    return client_left() if ended.has_client_left else shutting_down()


def shutting_down() -> GatewayError:
    """The error of requests that come, or still run, when the gateway stops."""
    return GatewayError(
        ErrorKind.SHUTTING_DOWN,
        "The gateway is shutting down. Send the request again; another process will take it.",
        retry_after_s=1,
    )


def internal_error() -> GatewayError:
    """What the caller reads of a mistake of ours; the log has the rest."""
    return GatewayError(
        ErrorKind.INTERNAL,
        "The gateway made a mistake. Its log has the details under this request id.",
    )
