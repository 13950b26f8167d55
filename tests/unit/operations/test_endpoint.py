"""No endpoint goes unmetered."""

import msgspec
import pytest

from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS, Endpoint

METERED = ENDPOINTS["/v1/embeddings"]


def test_endpoint_without_a_meter_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="has no meter"):
        msgspec.structs.replace(METERED, meters=frozenset())
    fields = {name: getattr(METERED, name) for name in METERED.__struct_fields__}
    fields.pop("meters")
    with pytest.raises(TypeError, match="meters"):
        Endpoint(**fields)


def test_endpoint_that_is_free_has_none() -> None:
    with pytest.raises(ValueError, match="is free and has a meter"):
        msgspec.structs.replace(METERED, is_free=True)
    free = msgspec.structs.replace(METERED, is_free=True, meters=frozenset())
    assert not free.meters


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_is_metered_or_free(path: str) -> None:
    endpoint = ENDPOINTS[path]
    assert endpoint.is_free or endpoint.meters & {Meter.INPUT, Meter.OUTPUT, Meter.SEARCHES}
