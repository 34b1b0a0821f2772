"""What every command of `gatewayctl` has in common: the options of the connection, --json, and failures told well."""

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Annotated, Any, NoReturn

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import RenderableType
from rich.text import Text

from gateway.cli.ctl_api import Api, explain, may_be_done
from gateway.cli.failing import failed
from gateway.cli.layout import output
from gateway.pb.v1 import gateway_pb2 as pb

USAGE = 2
_UNSURE = "; whether it did what you asked for is not known: look before you ask for it again"

Document = Message | dict[str, Any]
"""What is printed for programs: one message of the API, or several by name (also lists of them, and texts)."""

Address = Annotated[
    str, typer.Option(envvar="GATEWAY_ADDRESS", help="Where the gateway's API listens: HOST:PORT or unix:/PATH.")
]
ClientId = Annotated[str, typer.Option(envvar="GATEWAY_CLIENT_ID", help="Who you are; most commands need an operator.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document, or one line an event.")]

_COMMON = (
    Parameter("address", Parameter.KEYWORD_ONLY, default="127.0.0.1:7001", annotation=Address),
    Parameter("client_id", Parameter.KEYWORD_ONLY, default="ops", annotation=ClientId),
    Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Json),
)


class Ctl:
    """One run of a command: the connection, and where to print."""

    def __init__(self, api: Api, *, as_json: bool) -> None:
        self.api = api
        self.as_json = as_json
        self.console = output()
        self.now_ns = time.time_ns()

    def show(self, document: Document, *tables: RenderableType) -> None:
        """The document for programs, or its tables for people."""
        if self.as_json:
            print(to_json(document, indent=2))
        else:
            for table in tables:
                self.console.print(table, markup=False)

    def act(self, request: Message, done: str) -> None:
        """Carry out an administrative request and say so."""
        reply = self.api.administer(request)
        self.show(reply, f"{done} (event {reply.seq})")

    def show_events(self, events: Iterable[pb.Event], line: Callable[[pb.Event, int], Text]) -> None:
        """Events one by one, as they come."""
        for event in events:
            if self.as_json:
                print(to_json(event), flush=True)
            else:
                self.console.print(line(event, time.time_ns()), soft_wrap=True)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function whose first argument is a `Ctl` into a command that also has the common options."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(run).parameters.values())[1:]

        def wrapper(*, address: str, client_id: str, as_json: bool, **given: Any) -> None:
            refuse_no_text({"address": address, "client_id": client_id, **given})
            if not (client_id.isascii() and client_id.isprintable()):
                fail(f"{client_id!r} is no client id: it has printable ASCII characters only", USAGE)
            with Api(address, client_id) as api:
                try:
                    run(Ctl(api, as_json=as_json), **given)
                except grpc.RpcError as error:
                    text, code = explain(error, address, client_id)
                    fail(f"{text}{_UNSURE if api.unanswered and may_be_done(error) else ''}", code)

        keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own]
        wrapper.__signature__ = inspect.Signature([*keywords, *_COMMON])  # type: ignore[attr-defined]
        wrapper.__doc__ = run.__doc__
        app.command(name)(wrapper)
        return run

    return register


def refuse_no_text(given: Mapping[str, object]) -> None:
    """End where an argument has bytes that are no UTF-8, as a terminal sends them that speaks Latin-1: neither the API
    nor a database takes them. The message names it and does not show it: a database's URL may have a password.
    """
    for name, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not _is_utf8(text):
                words = "has bytes that are no UTF-8: write it in ASCII, or let the terminal send UTF-8"
                fail(f"{name.replace('_', '-')} {words}", USAGE)


def _is_utf8(text: str) -> bool:
    """What cannot be decoded comes as surrogates in an argument, and only so."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def fail(text: str, code: int) -> NoReturn:
    """End with a message on standard error."""
    raise failed(text, code)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before acting, unless `yes`; without a terminal to ask on, `--yes` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail("this asks before it acts, and there is no terminal to ask on: add --yes", USAGE)
    try:
        confirmed = typer.confirm(question)
    except typer.Abort:  # Ctrl-C or Ctrl-D, which leave the line as it is.
        confirmed = False
        print(file=sys.stderr)
    if not confirmed:
        fail("nothing was done", USAGE)


def to_json(document: Document, indent: int | None = None) -> str:
    """The API's own JSON: FIX's field names, decimals and 64-bit numbers as text, enums by name."""
    return json.dumps(_plain(document), indent=indent, ensure_ascii=False)


def _plain(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _plain(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_plain(value) for value in part]
    if isinstance(part, str):
        return part
    return MessageToDict(part, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
