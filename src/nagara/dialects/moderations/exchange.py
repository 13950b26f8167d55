"""One request for moderations at one deployment: OpenAI's format passes as it is."""

from collections.abc import Mapping, Sequence

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim, Exchange, find_names_without_place
from nagara.dialects.json_fields import encode_raw, replace_model
from nagara.dialects.moderations import mistral
from nagara.dialects.moderations.request import write_request
from nagara.dialects.moderations.traits import Form
from nagara.dialects.openai_chat import read_usage
from nagara.dialects.translation import Translated


def open_exchange(view: RequestView, aim: Aim) -> Exchange:
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    return MistralExchange(view, aim) if aim.form == Form.MISTRAL else OpenAIExchange(view, aim)


class OpenAIExchange:
    """With a provider that speaks OpenAI's format."""

    is_pass_through = True
    places: Mapping[str, str] = {}
    dropped: Sequence[str] = ()

    def __init__(self, view: RequestView, aim: Aim) -> None:
        self._aim = aim
        self.bodies: Sequence[bytes] = [write_request(view, aim.model)]

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The provider's answer with the caller's name of the model."""
        (body,) = answers
        usage = read_usage(body)
        if self._aim.caller_model != self._aim.model:
            body = replace_model(body, self._aim.caller_model)
        return Translated(body, usage)


class MistralExchange:
    """With Mistral."""

    is_pass_through = False
    places: Mapping[str, str] = {}

    def __init__(self, view: RequestView, aim: Aim) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for images."""
        self._aim = aim
        self.bodies: Sequence[bytes] = [mistral.encode_call(view, aim)]
        self.dropped: Sequence[str] = find_names_without_place(
            view.fields, frozenset({"model", "input"})
        )

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The answer in OpenAI's format."""
        (body,) = answers
        answer = mistral.decode_call(body)
        usage = None if answer.usage is None else answer.usage.to_usage()
        said = {
            "id": f"modr-{self._aim.seed}",
            "model": self._aim.caller_model,
            "results": mistral.write_results(answer),
        }
        return Translated(bytes(encode_raw(said)), usage)
