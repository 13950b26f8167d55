"""Watching the configuration while the gateway runs: a change is taken whole or not at all.

The file and the credential files are looked at every `config_check_s`; what counts is their
content. A broken edit is said once in the log and leaves the running configuration as it is; it
is tried again until it loads. Settings that only apply at start keep their running value, and the
log names them. This never ends the process and never raises for a configuration.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from nagara.config.load import Config
from nagara.domain.configuration import ConfigError
from nagara.settings import TABLE, Settings

logger = logging.getLogger("nagara.config")

Stamp = tuple[int, int, int] | None
"""Time of change, size and inode of a file; None while it is not there."""


class ConfigWatch:
    """Follows the files of a configuration.

    `load` reads them anew; `apply` puts a new configuration into effect and may still refuse it.
    Both raise `ConfigError` for what cannot be used.
    """

    def __init__(
        self, current: Config, load: Callable[[], Config], apply: Callable[[Config], None]
    ) -> None:
        self.current = current
        self._load = load
        self._apply = apply
        self._problems: tuple[str, ...] = ()
        self._stamps = self._read_stamps()
        self._digest = self._read_digest()

    async def run(self) -> None:
        """Look at the files until cancelled; ends at once if the settings say never."""
        while period_s := self.current.settings.config_check_s:
            await asyncio.sleep(period_s)
            # Reading may take long on a network drive; requests go on meanwhile.
            if config := await asyncio.to_thread(self.read_change):
                self.take(config)

    def read_change(self) -> Config | None:
        """The new configuration, if the files have changed and are in order. Blocks on files."""
        stamps = self._read_stamps()
        if stamps == self._stamps and not self._problems:
            return None
        self._stamps = stamps
        digest = self._read_digest()
        if digest == self._digest and not self._problems:
            return None
        self._digest = digest
        try:
            return self._load()
        except ConfigError as error:
            self._report(error.problems)
            return None

    def take(self, config: Config) -> bool:
        """Put a configuration into effect, except for what only applies at start."""
        config, waiting = keep_fixed(self.current.settings, config)
        try:
            self._apply(config)
        except ConfigError as error:
            self._report(error.problems)
            return False
        self.current, self._problems = config, ()
        # The new configuration may read other credential files than the one before.
        self._stamps, self._digest = self._read_stamps(), self._read_digest()
        logger.info("configuration reloaded")
        for warning in config.warnings:
            logger.warning("configuration: %s", warning)
        if waiting:
            logger.warning("configuration: these apply at the next start: %s", ", ".join(waiting))
        return True

    def _report(self, problems: tuple[str, ...]) -> None:
        if problems != self._problems:
            logger.error(
                "configuration not reloaded, the running one stays: %s", "; ".join(problems)
            )
        self._problems = problems

    def _files(self) -> list[Path]:
        path = self.current.path
        return [*([path] if path else []), *self.current.files]

    def _read_stamps(self) -> tuple[Stamp, ...]:
        return tuple(read_stamp(path) for path in self._files())

    def _read_digest(self) -> bytes:
        digest = hashlib.sha256()
        for path in self._files():
            try:
                content = path.read_bytes()
            except OSError:
                content = b""
            digest.update(b"%d:" % len(content) + content)
        return digest.digest()


def keep_fixed(running: Settings, config: Config) -> tuple[Config, list[str]]:
    """The configuration but for what only applies at start, and the names of what is changed there.

    `running` are the settings that such settings are taken from.
    """
    fixed = {name: getattr(running, name) for name, s in TABLE.items() if not s.row.is_live}
    waiting = [name for name in fixed if getattr(config.settings, name) != fixed[name]]
    settings = msgspec.structs.replace(config.settings, **fixed)
    return msgspec.structs.replace(config, settings=settings), waiting


def read_stamp(path: Path) -> Stamp:
    """What changes about a file when somebody writes or replaces it."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
