"""The nagara command: one table of subcommands, each imported only when it is run.

Invariant: bad input ends with one line on stderr (several for a configuration with as many
mistakes) and no traceback: exit code 2 for wrong usage, 1 when the command could not do its work.
`--help` reads the table alone and imports no command.
"""

import difflib
import importlib
import importlib.util
import os
import sys

import click

import nagara
from nagara.storage.driver import StorageError

COMMANDS = {
    "serve": ("nagara.cli.serve:serve", "Start the gateway; the first start prints two keys."),
    "keys": ("nagara.cli.keys:keys", "Make, list, switch off and delete keys."),
    "accounts": ("nagara.cli.accounts:accounts", "Make, list and change accounts."),
    "credits": ("nagara.cli.credits:credit", "Add, give, refund and list credit."),
    "ledger": ("nagara.cli.ledger:ledger", "Check that the ledger agrees with itself."),
    "models": ("nagara.cli.models:models", "List, show and update the catalogue of models."),
    "config": ("nagara.cli.config:config", "Check the settings and say where each comes from."),
    "doctor": ("nagara.cli.doctor:doctor", "Look whether a gateway can start and work here."),
}


class LazyGroup(click.Group):
    """A group whose commands are named in `COMMANDS` and imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the table whose module is there, in the table's order."""
        return [name for name, (target, _) in COMMANDS.items() if _is_there(target)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest name for a mistyped one, which click seeks elsewhere."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            raise click.UsageError(
                f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _is_there(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(nagara.__version__, prog_name="nagara")
def cli() -> None:
    """Nagara, a self-hosted AI gateway: one address and one key for every model.

    Begin with 'nagara serve'. Every command takes --data DIR (or NAGARA_DATA), the folder of the
    database, and --config FILE (or NAGARA_CONFIG); those that answer with data take --json.
    'nagara COMMAND --help' explains each.
    """


def main() -> None:
    """Entry point: run the command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not end a command half-way.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = cli.main(prog_name="nagara", standalone_mode=False)
    except click.UsageError as error:
        code = _tell_usage(error)
    except click.ClickException as error:
        code = _tell(error.format_message(), error.exit_code)
    except StorageError as error:
        code = _tell(str(error), 1)
    except click.Abort:
        code = _tell("stopped", 130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _tell_usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    where = f" (see '{error.ctx.command_path} --help')" if error.ctx else ""
    return _tell(error.format_message().rstrip(".") + where, error.exit_code)


def _tell(message: str, code: int) -> int:
    click.echo(f"nagara: {' '.join(message.split())}", err=True)
    return code
