"""What becomes of every path of every scenario: in the core, and over FIX in each version."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path as FilePath

from sim_exchange.control import ControlError
from tests.conformance.core_checks import CHECKS
from tests.conformance.expectations import Mismatch
from tests.conformance.fix_ends import Desk, Gateway
from tests.conformance.fix_run import FixRun
from tests.conformance.fix_stack import SESSIONS, conformance_stack
from tests.conformance.scenario import Path, Scenario, load_scenarios

CORE = "core"
WAYS = (CORE, *SESSIONS)
"""The ways in which a path is driven: the columns of the page."""

SCENARIOS = load_scenarios()
PATHS = tuple((scenario, path) for scenario in SCENARIOS for path in scenario.paths)

Outcomes = Mapping[tuple[str, str, str], "Outcome"]
"""By way, scenario id and path name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One path driven one way: how many rows were checked, or what was not as the table says."""

    rows: int
    problem: str = ""


def all_outcomes(folder: FilePath) -> Outcomes:
    """Drive everything. `folder` is for the stack's files."""
    return core_outcomes() | fix_outcomes(folder)


def core_outcomes() -> dict[tuple[str, str, str], Outcome]:
    """Every path through the core."""
    return {(CORE, scenario.id, path.name): _outcome(_through_the_core, scenario, path) for scenario, path in PATHS}


def fix_outcomes(folder: FilePath) -> dict[tuple[str, str, str], Outcome]:
    """Every path in every version of FIX, one after the other, through one running gateway and one exchange."""
    found = {}
    with (
        conformance_stack(folder) as address,
        closing(Gateway(address)) as gateway,
        closing(Desk(address)) as desk,
    ):
        gateway.await_sessions(session.venue for session in SESSIONS.values())
        for version in SESSIONS:
            for number, (scenario, path) in enumerate(PATHS, 1):
                run = FixRun(gateway, desk, version, scenario, path, f"{version}-{number}")
                found[version, scenario.id, path.name] = _outcome(lambda *_, run=run: run.play(), scenario, path)
    return found


def _through_the_core(scenario: Scenario, path: Path) -> None:
    for check in CHECKS:
        check(scenario, path)


def _outcome(drive: Callable[[Scenario, Path], None], scenario: Scenario, path: Path) -> Outcome:
    try:
        drive(scenario, path)
    except (Mismatch, ControlError) as problem:
        return Outcome(0, str(problem))
    return Outcome(len(path.rows))
