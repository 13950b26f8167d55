"""Waiting for a socket of libpq's, which does its own reading and writing."""

import asyncio


async def wait_for_socket(socket: int, *, can_read: bool = True, can_write: bool = False) -> None:
    """Wait until the socket can be read, or written, as asked. One waiter a socket."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    if can_read:
        loop.add_reader(socket, _settle, ready)
    if can_write:
        loop.add_writer(socket, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        loop.remove_writer(socket)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
