"""The things worth saying. Code reports what happened as one of these values and goes on.

What is done with them (a log line, a metric) is decided by whoever listens. They never hold a key,
a prompt or a credential.
"""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence

import msgspec

from nagara.domain.usage import Meter


class RequestEnded(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request, from its first byte to its last. Filled in as it goes; times in milliseconds.

    `outcome` is `ok`, `error`, or `cut` when the answer failed after its start; `background` says
    that whoever goes on with it will tell its end, and so this is not told. `has_client_left`
    when the client went away before the end. `key` is the key's id and hint. `dropped` names
    parameters and parts that the provider or the caller's dialect had no place for.
    `provider_operation` is what the provider was asked for: another one than `operation` where the
    request was translated. `is_replay` when it was given the answer of an earlier one, and nothing
    was asked or charged for it.
    """

    request_id: str
    method: str
    path: str
    has_client_left: bool = False
    status: int = 0
    outcome: str = "ok"
    error: str | None = None
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    operation: str | None = None
    account: int | None = None
    key: str | None = None
    model: str | None = None
    provider: str | None = None
    deployment: str | None = None
    provider_operation: str | None = None
    attempts: int = 0
    is_streamed: bool = False
    is_replay: bool = False
    usage: Mapping[Meter, int] | None = None
    is_usage_estimated: bool = False
    charge_usd: str | None = None
    dropped: Sequence[str] = ()
    bytes_in: int = 0
    bytes_out: int = 0


class AttemptFailed(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One try at a provider that gave no answer to forward.

    `reason` is the cause as the client library names it: for the operator, never for a caller.
    `level` as in `logging`, from the table of errors. `provider_…` is what it said of itself.
    `absent_operation` was not found there: it is asked in another dialect, and the operator can
    spare it the question by the provider's `operations` in the configuration.
    """

    level: int
    request_id: str
    provider: str
    deployment: str
    error: str
    absent_operation: str | None = None
    status: int | None = None
    reason: str | None = None
    provider_status: int | None = None
    provider_code: str | None = None
    provider_message: str | None = None
    provider_request_id: str | None = None


class StorageFailed(msgspec.Struct, kw_only=True):
    """The store cannot be read. Calls are refused until it can."""

    reason: str


class StorageRecovered(msgspec.Struct, kw_only=True):
    """The store can be read again."""

    after_s: float


class Failure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A mistake of ours, with its traceback: for the log only."""

    request_id: str
    error: str
    traceback: str


def describe_mistake(request_id: str, error: Exception) -> Failure:
    """The observation of an exception that nobody expected: its class and where it came from.

    Its text is left out, which may quote what it choked on: a prompt, say.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    return Failure(request_id=request_id, error=type(error).__name__, traceback=frames)


class Notice(msgspec.Struct, kw_only=True):
    """Something the operator should know, in one sentence; `level` as in `logging`."""

    message: str
    level: int = logging.WARNING


Observation = RequestEnded | AttemptFailed | StorageFailed | StorageRecovered | Failure | Notice
Observe = Callable[[Observation], None]
"""Takes an observation; must not block and must not raise."""
