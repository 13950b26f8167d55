"""A changed file is taken whole or not at all, while the gateway runs."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from nagara.config.load import Config, load_config
from nagara.config.watch import ConfigWatch
from nagara.domain.configuration import ConfigError

GOOD = "[upstream]\nattempts_max = 5\n"


class Rig:
    """A watch over a real file, and what it applied."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.path.write_text(text)
        self.applied: list[Config] = []
        self.refusal: str | None = None
        self.watch = ConfigWatch(self.load(), self.load, self.apply)

    def load(self) -> Config:
        return load_config(self.path, {})

    def apply(self, config: Config) -> None:
        if self.refusal:
            raise ConfigError([self.refusal])
        self.applied.append(config)

    def check(self) -> bool:
        """Look once; whether a new configuration was taken."""
        config = self.watch.read_change()
        return config is not None and self.watch.take(config)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "nagara.toml", "")


def test_untouched_file_is_not_read_again(rig: Rig) -> None:
    assert not rig.check()
    rig.path.touch()
    assert not rig.check()
    assert not rig.applied


def test_edit_is_applied_once(rig: Rig) -> None:
    rig.path.write_text(GOOD)
    assert rig.check()
    assert not rig.check()
    assert [config.settings.attempts_max for config in rig.applied] == [5]
    assert rig.watch.current.settings.attempts_max == 5


def test_replaced_file_of_the_same_size_and_time_is_noticed(rig: Rig) -> None:
    rig.path.write_text(GOOD)
    rig.check()
    stat = rig.path.stat()
    other = rig.path.with_suffix(".new")
    other.write_text(GOOD.replace("5", "6"))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(rig.path)
    assert rig.check()
    assert rig.watch.current.settings.attempts_max == 6


def test_broken_edit_leaves_what_runs_and_is_said_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.path.write_text("[upstream]\nattempts_max = 0\n")
    assert not rig.check()
    assert not rig.check()
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "the running one stays" in errors[0]
    assert "upstream.attempts_max is 0" in errors[0]
    assert rig.watch.current.settings.attempts_max == 3
    rig.path.write_text(GOOD)
    assert rig.check()


def test_deleted_file_leaves_what_runs(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.path.unlink()
    assert not rig.check()
    rig.path.write_text(GOOD)
    assert rig.check()


def test_what_is_refused_when_applied_leaves_what_runs(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.refusal = "an alias leads nowhere"
    rig.path.write_text(GOOD)
    assert not rig.check()
    assert rig.watch.current.settings.attempts_max == 3
    assert "an alias leads nowhere" in caplog.text
    rig.refusal = None
    assert rig.check()


def test_setting_of_the_start_keeps_its_value_and_is_named(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.path.write_text(GOOD + "[server]\nport = 9999\n")
    assert rig.check()
    assert rig.watch.current.settings.port == 8080
    assert rig.watch.current.settings.attempts_max == 5
    assert "these apply at the next start: port" in caplog.text


def test_changed_credential_file_is_read_again(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first-secret")
    text = f'[providers.openai]\ncredential = "m"\n[credentials.m]\nfile = "{secret}"'
    rig = Rig(tmp_path / "nagara.toml", text)
    secret.write_text("second-secret")
    assert rig.check()
    credential = rig.watch.current.declared.providers["openai"].credential
    assert credential is not None
    assert credential.reveal() == "second-secret"


def test_credential_file_that_comes_late_is_awaited(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    rig.path.write_text(f'[providers.openai]\ncredential = "m"\n[credentials.m]\nfile = "{secret}"')
    assert not rig.check()
    secret.write_text("late-secret")
    assert rig.check()


async def test_run_follows_the_file_until_cancelled(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "nagara.toml", "[config]\nconfig_check_s = 0.001\n")
    done = asyncio.Event()
    rig.apply = lambda config: done.set()  # type: ignore[method-assign]
    watch = ConfigWatch(rig.load(), rig.load, rig.apply)
    task = asyncio.create_task(watch.run())
    rig.path.write_text(GOOD)
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_run_ends_at_once_when_never_to_look(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "nagara.toml", "[config]\nconfig_check_s = 0\n")
    await asyncio.wait_for(rig.watch.run(), 5)
