"""What a refusal says of a deployment, and how long that is believed."""

import pytest

from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import ErrorKind, GatewayError, ProviderSaid
from nagara.providers import PROVIDERS
from nagara.upstream.absences import BELIEVED_S, Absences, is_absence

SERVER = Deployment(
    name="mine", provider=PROVIDERS["compatible"], model="llama3", base_url="http://127.0.0.1:1/v1"
)


def refusal(status: int, message: str | None = None, code: str | None = None) -> GatewayError:
    said = ProviderSaid(status=status, message=message, code=code)
    return GatewayError(ErrorKind.NOT_FOUND, "no", provider_said=said)


@pytest.mark.parametrize(
    "error",
    [
        refusal(404, "Not Found"),
        refusal(404),
        refusal(404, "Invalid URL (POST /v1/responses)"),
        refusal(404, "Unknown request URL: POST /v1/responses.", "unknown_url"),
        refusal(405, "Method Not Allowed"),
    ],
)
def test_404_of_a_path_is_an_absence(error: GatewayError) -> None:
    assert is_absence(error, SERVER)


@pytest.mark.parametrize(
    "error",
    [
        refusal(404, "No such model", "model_not_found"),
        refusal(404, "The model `llama3` does not exist."),
        refusal(400, "Not Found"),
        refusal(500),
        GatewayError(ErrorKind.NOT_FOUND, "our own"),
    ],
)
def test_404_of_a_model_and_what_is_no_404_is_none(error: GatewayError) -> None:
    assert not is_absence(error, SERVER)


def test_what_was_learned_is_believed_for_a_while_and_by_that_deployment_alone() -> None:
    absences = Absences()
    absences.learn(SERVER, SERVER.without(Operation.RESPONSES), now_s=100)
    # An open model's deployment is made anew for each request.
    again = SERVER.without(Operation.EMBEDDINGS)
    assert not absences.narrow(again, 100 + BELIEVED_S - 1).has(Operation.RESPONSES)
    assert absences.narrow(SERVER, 101).has(Operation.CHAT)
    assert absences.narrow(SERVER, 100 + BELIEVED_S) is SERVER
    other = Deployment(name="mine", provider=SERVER.provider, model="other")
    assert absences.narrow(other, 101) is other
