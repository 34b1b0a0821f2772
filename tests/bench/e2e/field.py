"""The contestants by their names, started together and stopped whatever happens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.e2e.configurations import Gateway
from tests.bench.e2e.contestants import Bridge, Contestant, Echo, Floor, GatewayServer
from tests.postgres import PostgresServer

ECHO, FIX, BRIDGE, PROCESS, POWER = "echo", "fix", "bridge", "process", "power"
PROCESS_LANE, POWER_LANE = "process, lane", "power, lane"
PROCESS_UNIX, POWER_UNIX = "process, unix", "power, unix"
PROCESS_POSTGRES, POWER_POSTGRES = "process, postgres", "power, postgres"
FLOORS = (ECHO, FIX)
_AT_ONCE = 3
_SETTINGS = {"shared_buffers": "'128MB'"}

Make = Callable[[Path], Contestant]


def gateway(name: str, kind: Gateway, *, clients: str = "tcp") -> Make:
    """How this gateway is made in a folder."""
    return lambda folder: GatewayServer(name, folder, kind, clients=clients)


def _on_postgres(name: str, durability: str, server: PostgresServer) -> Make:
    kind = Gateway(durability, server.url(server.new_database()))
    return lambda folder: GatewayServer(name, folder, kind, others={"database": server.pid})


_MAKES: dict[str, Make] = {
    ECHO: lambda folder: Echo(ECHO, folder),
    FIX: lambda folder: Floor(FIX, folder),
    BRIDGE: lambda folder: Bridge(BRIDGE, folder),
    PROCESS: gateway(PROCESS, Gateway("process")),
    POWER: gateway(POWER, Gateway("power")),
    PROCESS_LANE: gateway(PROCESS_LANE, Gateway("process"), clients="lane"),
    POWER_LANE: gateway(POWER_LANE, Gateway("power"), clients="lane"),
    PROCESS_UNIX: gateway(PROCESS_UNIX, Gateway("process"), clients="unix"),
    POWER_UNIX: gateway(POWER_UNIX, Gateway("power"), clients="unix"),
}
_DURABILITIES = {PROCESS_POSTGRES: "process", POWER_POSTGRES: "power"}


@contextmanager
def taking_part(names: Sequence[str], folder: Path) -> Iterator[dict[str, Contestant]]:
    """The contestants of these names, ready; with a database server when one of them needs it."""
    with ExitStack() as stack:
        makes = {name: _MAKES[name] for name in names if name in _MAKES}
        if wanted := [name for name in names if name in _DURABILITIES]:
            server = stack.enter_context(PostgresServer(_SETTINGS))
            makes |= {name: _on_postgres(name, _DURABILITIES[name], server) for name in wanted}
        yield stack.enter_context(started({name: makes[name] for name in names}, folder))


@contextmanager
def started(makes: Mapping[str, Make], folder: Path) -> Iterator[dict[str, Contestant]]:
    """Contestants of one's own making, ready."""
    made = {name: make(folder / str(number)) for number, (name, make) in enumerate(makes.items())}
    with ThreadPoolExecutor(_AT_ONCE) as pool, ExitStack() as stack:
        stack.callback(lambda: list(pool.map(Contestant.stop, made.values())))
        list(pool.map(Contestant.start, made.values()))
        yield made
