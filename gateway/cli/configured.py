"""The configuration that a command is given."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failing import failed
from gateway.config import Config, ConfigError, load

CONFIGURATION_WRONG = 2

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The configuration file (TOML).", show_default=False)]


def configuration(path: Path) -> Config:
    """Read it.

    Raises:
        typer.Exit: it cannot be used; what is wrong with it is on standard error.
    """
    try:
        return load(path)
    except ConfigError as error:
        raise failed(str(error), CONFIGURATION_WRONG) from None
