"""A request that continues an earlier response: what is sent, deployment by deployment.

The provider is sent the whole conversation as `input`, and never the id that stood for it: that id
is ours, and one that we do not know could be another account's at the provider. What may be sent
differs with who serves, so it is put together at each attempt.
"""

from collections.abc import Sequence

import msgspec

from nagara.answer_headers import name_dropped
from nagara.dialects import envelope
from nagara.dialects.json_fields import NULL, Fields
from nagara.domain.catalog import Deployment
from nagara.observe.observations import RequestEnded
from nagara.operations.kept_items import (
    Fitted,
    KeptItem,
    Maker,
    decode_kept,
    fit,
    list_input,
    read_input,
    read_output,
    write_input,
)
from nagara.storage.responses import StoredResponse
from nagara.upstream.attempt import Call
from nagara.upstream.reply import ResponseHeaders

_OURS = ("previous_response_id", "background")


class Continuation:
    """One such request. `fit` is asked at each attempt; then `name_dropped` says what was left out.

    With no history it is a request like any other, without the fields that are ours.
    """

    def __init__(self, history: Sequence[KeptItem], fields: Fields) -> None:
        self._history = history
        self._input = list_input(bytes(fields.get("input", NULL)))
        self._dropped: tuple[str, ...] = ()

    def fit(self, call: Call, deployment: Deployment) -> Call:
        """The call as this deployment can take it."""
        asking = call.asking
        fields = {name: raw for name, raw in asking.view.fields.items() if name not in _OURS}
        if self._history:
            fitted = self._fit_history(deployment)
            self._dropped = fitted.dropped
            fields["input"] = write_input([*fitted.items, *self._input])
        is_enveloped = asking.is_enveloped or envelope.is_in(bytes(fields.get("input", NULL)))
        view = msgspec.structs.replace(asking.view, fields=fields)
        asking = msgspec.structs.replace(asking, view=view, is_enveloped=is_enveloped)
        return msgspec.structs.replace(call, asking=asking)

    def name_dropped(self, ended: RequestEnded, headers: ResponseHeaders) -> None:
        """Say in the head of the answer which items the deployment could not be given."""
        if self._dropped:
            ours = [f"input.{kind}" for kind in self._dropped]
            ended.dropped = tuple(dict.fromkeys((*ended.dropped, *ours)))
            headers[:] = [header for header in headers if header[0] != b"x-nagara-dropped"]
            headers += name_dropped(ended.dropped)

    def _fit_history(self, deployment: Deployment) -> Fitted:
        return fit(self._history, maker_of(deployment))


def maker_of(deployment: Deployment) -> Maker:
    """How the items are marked that this deployment makes."""
    return Maker(deployment.name, deployment.provider.name)


def whole_history(stored: StoredResponse) -> list[KeptItem]:
    """Everything said up to and with a response."""
    return [
        *whole_input(stored),
        *read_output(stored.response, stored.id, stored.maker),
    ]


def whole_input(stored: StoredResponse) -> list[KeptItem]:
    """Everything said before a response."""
    return [*decode_kept(stored.history), *read_input(stored.input, stored.id)]


def prefer(candidates: Sequence[Deployment], maker: Maker | None) -> Sequence[Deployment]:
    """The candidates, who made the last turn first among those of its priority.

    It still has its own reasoning, and perhaps the conversation in its cache.
    """
    if maker is None:
        return candidates
    return sorted(candidates, key=lambda d: (d.priority, maker_of(d) != maker))
