"""The newest prices, from a server of our own."""

import datetime
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from nagara.catalogue.build import build_catalogue
from nagara.catalogue.facts import read_facts
from nagara.catalogue.sync import PricesUnavailableError, fetch_prices
from nagara.domain.usage import Meter

PRICES = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": "x",
        "models": [{"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": {"input_mtok": 0.0375}}],
    }
]
BODIES = {"/prices": json.dumps(PRICES), "/none": "[]", "/broken": "{"}


class PriceServer(http.server.BaseHTTPRequestHandler):
    """Answers every path with the body of that name."""

    def do_GET(self) -> None:
        body = BODIES.get(self.path, "").encode()
        self.send_response(200 if body else 500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PriceServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


def test_newest_prices_become_a_catalogue(address: str) -> None:
    fetched = fetch_prices(f"{address}/prices")
    day = datetime.date(2026, 11, 23)
    catalogue = build_catalogue(fetched, read_facts(), day=day, source="a test")
    rates = {model.id: model.prices for model in catalogue.models}
    assert rates["gpt-9"][0].rates_pico == {Meter.INPUT: 37_500}


@pytest.mark.parametrize("path", ["none", "broken", "failing"])
def test_prices_that_cannot_be_had_are_told(address: str, path: str) -> None:
    with pytest.raises(PricesUnavailableError, match="price"):
        fetch_prices(f"{address}/{path}")
