"""Operations that deployments turn out to lack, although their provider's file gives them.

Many servers that are like another have only its Chat Completions, and answer 404 at the rest. Such
a server is asked in its next dialect, and this remembers which one it answered in, so that the
next request goes straight there. A 404 may be about something else too: so it is believed only
once the same deployment has answered otherwise, and for `BELIEVED_S` at most.
"""

import msgspec

from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import GatewayError

BELIEVED_S = 600
DEPLOYMENTS_MAX = 4096


class _Lacking(msgspec.Struct, frozen=True):
    operations: tuple[Operation, ...]
    until_s: int


class Absences:
    """What was found out about deployments, by what they are and where."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None, str], _Lacking] = {}

    def narrow(self, deployment: Deployment, now_s: int) -> Deployment:
        """The deployment without the operations that it is known to lack."""
        if not self._known:
            return deployment
        known = self._known.get(_key_of(deployment))
        if known is None or now_s >= known.until_s:
            return deployment
        for operation in known.operations:
            deployment = deployment.without(operation)
        return deployment

    def learn(self, deployment: Deployment, narrowed: Deployment, now_s: int) -> None:
        """Note that it answered as `narrowed`."""
        if len(self._known) >= DEPLOYMENTS_MAX:
            self._known.clear()
        has = narrowed.provider.paths
        lacking = tuple(
            operation for operation in deployment.provider.paths if operation not in has
        )
        self._known[_key_of(deployment)] = _Lacking(lacking, now_s + BELIEVED_S)


def _key_of(deployment: Deployment) -> tuple[str, str | None, str]:
    return deployment.name, deployment.base_url, deployment.model


def is_absence(error: GatewayError, deployment: Deployment) -> bool:
    """Whether a refusal can mean that nothing is served at that path, and not that its model lacks.

    Servers say that a model is missing by a code, or by its name in the message.
    """
    said = error.provider_said
    if said is None or said.status not in (404, 405):
        return False
    return said.code != "model_not_found" and deployment.model not in (said.message or "")
