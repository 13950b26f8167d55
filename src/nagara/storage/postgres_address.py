"""Where a PostgreSQL database is: the operator's address, read as libpq reads it.

What the address does not say is taken from libpq's own variables (PGHOST, PGPASSWORD and so on) and
defaults. Names are looked up here and not in libpq, which would hold up the whole process.

Invariant: neither a message nor a representation shows a password.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping

import psycopg
from psycopg import pq

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.driver import StorageError

SCHEMES = ("postgresql://", "postgres://")

Options = Mapping[str, str]
"""libpq's own names for what it wants to know."""


class Address:
    """One database, on one server or on several that stand in for each other."""

    def __init__(self, url: Secret, bounds: PostgresBounds) -> None:
        """Raises `StorageError` for what is no such address."""
        options = _parse(url)
        self._options = Secret(_compose({**_bound(bounds), **options}))
        self._hosts = options.get("host", "").split(",")
        self._ports = options.get("port", "").split(",")
        self._is_resolved = "hostaddr" in options
        self.where = _describe(options)

    async def resolve(self) -> AsyncIterator[Secret]:
        """What to give libpq, for each server and each of its addresses in turn.

        Raises `OSError` for a name that cannot be looked up.
        """
        for at, host in enumerate(self._hosts):
            port = self._ports[at] if len(self._ports) == len(self._hosts) else self._ports[0]
            if self._is_resolved or not host or host.startswith(("/", "@")):
                # A folder of sockets, or an address that was given as one.
                yield self._options if len(self._hosts) == 1 else self._narrow(host, port)
                continue
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            for number in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found):
                yield self._narrow(host, port, hostaddr=number)

    def _narrow(self, host: str, port: str, **more: str) -> Secret:
        # Of an option that is there twice, libpq takes the last.
        chosen = {"host": host, **({"port": port} if port else {}), **more}
        return Secret(f"{self._options.reveal()} {_compose(chosen)}")


def _parse(url: Secret) -> dict[str, str]:
    text = url.reveal()
    try:
        if not text.startswith(SCHEMES):
            raise StorageError("no scheme of PostgreSQL's")
        given = pq.Conninfo.parse(text.encode())
        usual = pq.Conninfo.get_defaults()
    except (psycopg.Error, StorageError):
        # The library's own words would show parts of it, perhaps of the password.
        raise StorageError(
            "the database_url is no address of a PostgreSQL database: it looks like "
            "postgresql://user:password@host:5432/name"
        ) from None
    options = {option.keyword.decode(): (option.val or b"").decode() for option in usual}
    options |= {option.keyword.decode(): option.val.decode() for option in given if option.val}
    return {name: value for name, value in options.items() if value}


def _describe(options: Options) -> str:
    """Which database it is, for people: `"db.example:5432/nagara"`."""
    host = options.get("host") or options.get("hostaddr") or "localhost"
    name = options.get("dbname") or options.get("user", "")
    return f"{host}:{options.get('port', '5432')}/{name}"


def _bound(bounds: PostgresBounds) -> Options:
    """What we want of a connection, where the address does not say otherwise.

    The connection of a server that has vanished without a word is given up by the system.
    """
    return {
        "fallback_application_name": "nagara",
        "client_encoding": "UTF8",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": str(round(bounds.timeout_s * 1000)),
    }


def _compose(options: Options) -> str:
    return " ".join(f"{name}={_quote(value)}" for name, value in options.items())


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
