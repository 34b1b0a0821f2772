"""`gateway`: runs a stack, and looks at its configuration and its journal while it does not run.

Exit codes: 0 a clean stop, 1 a fatal error at run time, 2 the configuration (or the command line) is wrong, 3 the
journal was refused.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import accept, journal, keep, replay
from gateway.cli.configured import CONFIGURATION_WRONG, ConfigFile, configuration
from gateway.cli.failing import failed, run
from gateway.cli.follow import follow
from gateway.cli.layout import output
from gateway.cli.summary import summary
from gateway.cli.update import prepare_update
from gateway.config import Config

app = typer.Typer(
    name="gateway",
    help="A FIX order and execution gateway: every order sent once, every fill counted once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(journal.app, name="journal")
app.command("follow")(follow)
app.command("replay")(replay.replay)
app.command("backup")(keep.backup)
app.command("restore")(keep.restore)
app.command("archive")(keep.archive)
app.command("prepare-update")(prepare_update)
app.command("accept-loss")(accept.accept_loss)


@app.command()
def serve(config: ConfigFile) -> None:
    """Run the gateway until SIGINT or SIGTERM.

    Exit codes: 0 clean stop, 1 fatal error at run time, 2 configuration wrong, 3 journal refused.
    """
    loaded = configuration(config)
    from gateway.app import serve as run_stack  # noqa: PLC0415  # Brings the FIX engine with it, which no other command needs.

    raise typer.Exit(run_stack(loaded, config.absolute()))


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file (TOML).", show_default=False)],
) -> None:
    """Read a configuration as the server would, and say what is in it. Exit code 2 when it cannot be used."""
    loaded = configuration(file)
    _refuse_overlays(loaded, file)
    output().print(summary(loaded, time.time_ns()))


def _refuse_overlays(config: Config, file: Path) -> None:
    """End where a venue's overlay cannot be laid over the standard dictionary: a start would end there."""
    if not any(venue.dialect.dictionary for venue in config.venues):
        return
    from gateway.adapters.quickfix import DictionaryError, check_dictionaries  # noqa: PLC0415  # Only for those who have some.

    with TemporaryDirectory() as folder:
        try:
            check_dictionaries(config, Path(folder))
        except DictionaryError as error:
            lines = [f"{file}: {line}" for line in str(error).splitlines()]
            raise failed("\n".join(lines), CONFIGURATION_WRONG) from None


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """The console script `gateway`."""
    # The log says what goes wrong, a JSON object a line; the notes that gRPC's core writes beside it are none.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    run(app)
