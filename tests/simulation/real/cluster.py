"""The gateway processes: several on one database, each killed now and then and started again.

Each keeps its port, so that clients find it again. On SQLite every gateway has a second process
that writes; that one is killed too, and its gateway has to go on by itself.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from nagara.storage.spool import FOLDER
from tests.postgres import find_port
from tests.simulation.real.plan import MODEL, OUTPUT_TOKENS_MAX, PRICES
from tests.simulation.real.provider import FIRST, SECOND
from tests.system.gateway import GatewayProcess, name_variables

LEASE_S = 4
SETTINGS = {
    "hold_lease_s": LEASE_S,
    "opening_grant_usd": "0",
    "log_format": "json",
    "log_level": "error",
    "shutdown_grace_s": 5,
}
SECRET = "5e" * 32
CONFIG = """
[providers.{first}]
kind = "compatible"
base_url = "{url}/{first}/v1"

[providers.{second}]
kind = "compatible"
base_url = "{url}/{second}/v1"

[models.{model}]
prices = {prices}
output_tokens_max = {output_tokens_max}
deployments = [
    {{ provider = "{first}", model = "theirs", priority = 1 }},
    {{ provider = "{second}", model = "theirs", priority = 2 }},
]
"""


class Door:
    """A gateway as its clients know it: an address that stays, whoever answers there."""

    def __init__(self, port: int, key: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = key


class Cluster:
    """Gateways on one database: `url` of a PostgreSQL, or without one a file that they share."""

    def __init__(self, folder: Path, provider_url: str, count: int, url: str | None) -> None:
        self.doors: list[Door] = []
        self.deaths = 0
        self.output = ""
        """What those that have ended printed."""
        self._url = url
        self._folder = folder
        self._ports = [find_port() for _ in range(count)]
        self._gateways: list[GatewayProcess] = []
        self._config = folder / "nagara.toml"
        self._config.write_text(
            CONFIG.format(
                first=FIRST,
                second=SECOND,
                url=provider_url,
                model=MODEL,
                prices=PRICES,
                output_tokens_max=OUTPUT_TOKENS_MAX,
            )
        )

    @property
    def environment(self) -> dict[str, str]:
        """What the gateways and the command line need to find the database."""
        found = {"NAGARA_SECRET": SECRET, **name_variables(SETTINGS)}
        return found | ({} if self._url is None else {"NAGARA_DATABASE_URL": self._url})

    def folder_of(self, number: int) -> Path:
        """The data folder: of its own, as on another machine, unless the file is shared."""
        return self._folder / ("data" if self._url is None else f"data-{number}")

    def start(self) -> None:
        """Start all; the first makes the account and its key."""
        for number in range(len(self._ports)):
            self._gateways.append(self._make(number).__enter__())
        key = self._gateways[0].key
        self.doors = [Door(port, key) for port in self._ports]

    def _make(self, number: int) -> GatewayProcess:
        arguments = ("--config", str(self._config), "--port", str(self._ports[number]))
        return GatewayProcess(self.folder_of(number), self.environment, *arguments)

    async def kill_one(self, source: random.Random) -> None:
        """Kill a gateway with SIGKILL, and start it again."""
        number = source.randrange(len(self._gateways))
        gateway = self._gateways[number]
        self.deaths += 1
        await asyncio.to_thread(self._replace, gateway)

    def _replace(self, gateway: GatewayProcess) -> None:
        gateway.kill()
        self.output += gateway.output
        gateway.start()

    def find_spools(self) -> Sequence[Path]:
        """The files with charges that no database has yet."""
        return list(self._folder.glob(f"*/{FOLDER}/*"))

    def stop(self) -> Sequence[int]:
        """Ask all to end; their exit codes."""
        codes = [gateway.stop() for gateway in self._gateways]
        self.output += "".join(gateway.output for gateway in self._gateways)
        self._gateways.clear()
        return codes
