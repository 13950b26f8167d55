"""Every asynchronous test here runs on both event loops, and gets a pool that it need not close."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from nagara.runtime import Clock, SystemClock
from nagara.upstream.bounds import PoolLimits
from nagara.upstream.pool import Pool
from nagara.upstream.proxy import ProxySettings
from nagara.upstream.tls import TlsSettings
from tests.unit.upstream.certificates import Certificates
from tests.unit.upstream.client import Client, make_limits

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


MakeClient = Callable[..., Client]


@pytest_asyncio.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Makes clients, each with a pool of its own that is closed after the test."""
    pools: list[Pool] = []

    def make(
        tls: TlsSettings = TlsSettings(),  # noqa: B008
        proxies: ProxySettings = ProxySettings(),  # noqa: B008
        clock: Clock = SystemClock(),  # noqa: B008
        **limits: object,
    ) -> Client:
        pool_limits: PoolLimits = make_limits(**limits)
        pools.append(Pool(pool_limits, tls, proxies, clock))
        return Client(pools[-1])

    yield make
    for pool in pools:
        await pool.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """A client with the usual limits."""
    return make_client()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One authority for all tests; making its key takes a moment."""
    return Certificates(tmp_path_factory.mktemp("ca"))
