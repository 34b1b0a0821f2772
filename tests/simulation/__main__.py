"""`python -m tests.simulation`: one seed with its trace, or a campaign."""

import argparse
import sys

from tests.simulation import campaign
from tests.simulation.world import simulate


def main() -> int:
    """1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="The deterministic simulator.")
    parser.add_argument("--seed", type=int, help="replay this seed")
    parser.add_argument("--trace", action="store_true", help="print every step of it")
    parser.add_argument("--seeds", type=int, default=200, help="run a campaign of so many seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the campaign's first seed")
    parser.add_argument("--jobs", type=int, help="processes; one for each core when not given")
    given = parser.parse_args()
    if given.seed is not None:
        outcome = simulate(given.seed, keep_trace=given.trace)
        if given.trace:
            print("\n".join(outcome.trace))
        elif outcome.failure:
            campaign.report(outcome)
        print(f"seed {given.seed}: {outcome.failure or 'every promise held'} (trace hash {outcome.trace_hash})")
        return 1 if outcome.failure else 0
    failures = campaign.run(given.first, given.seeds, jobs=given.jobs)
    for outcome in failures[:3]:
        campaign.report(outcome)
    if failures:
        print(f"{len(failures)} failed: {' '.join(str(outcome.seed) for outcome in failures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
