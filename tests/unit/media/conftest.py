"""Every asynchronous test here runs on both event loops, as those of the upstream client do."""

from tests.unit.upstream.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
