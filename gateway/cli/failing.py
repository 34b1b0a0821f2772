"""How a command ends that cannot go on."""

import typer
from rich.console import Console
from rich.text import Text


def failed(message: str, code: int = 1) -> typer.Exit:
    """What a command raises to end with this exit code, once its message is on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in message.splitlines():
        console.print(Text.assemble(("error: ", "bold red"), line))
    return typer.Exit(code)
