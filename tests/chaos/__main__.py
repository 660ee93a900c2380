"""``python -m tests.chaos --kills 200 --seed 0``: a campaign with default leases.

The exit status is 1 when a rule was broken or a job was lost.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.chaos.campaign import Campaign
from tests.chaos.faults import FAULTS, Outcome, Plan
from tests.chaos.judging.recovery import freed, own, row, whole


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Strikes are spread over the time that there is."""
    return Plan(
        kills=arguments.kills,
        seed=arguments.seed,
        limit_seconds=arguments.minutes * 60,
        drain_seconds=arguments.drain_minutes * 60,
        pause_seconds=arguments.pause_seconds,
        alive=10,
        variants=arguments.variants,
        epochs=6,
        bucket=arguments.bucket,
        away_seconds=60.0,
        # All else is as shipped. Jobs of seconds need checkpoints every second; and a job that is
        # struck dozens of times must not run out of attempts.
        settings={
            "slots": arguments.slots,
            "checkpoint_seconds": 1.0,
            "max_attempts": 100,
            "threads": 1,
            "device": "cpu",
        },
    )


def table(outcome: Outcome) -> str:
    """Markdown: recovery by kind of fault."""
    recoveries = outcome.recoveries
    lines = [
        "| struck | n | set free: median, p95, longest | recovered | with queueing |",
        "|---|---|---|---|---|",
    ]
    for kind in [*sorted(recoveries.kinds), None]:
        healed = recoveries.healed(kind)
        cells = [kind or "all", str(len(healed)), row(freed(healed)), row(own(healed)), row(whole(healed))]
        lines.append(f"| {' | '.join(cells)} |")
    struck = [f"{recoveries.strikes.get(name, 0)} {name}" for name in FAULTS]
    return "\n".join(
        [
            *lines,
            "",
            "Struck: " + "; ".join(struck),
            "Not struck: " + ("; ".join(sorted(outcome.not_struck)) or "none"),
            "Jobs: " + told({**outcome.states, **outcome.facts}),
            "Effects: " + told(outcome.effects),
        ]
    )


def told(facts: dict[str, object]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in facts.items())


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=75.0, help="in all, whatever happens")
    parser.add_argument("--drain-minutes", type=float, default=5.0, help="of these, kept for the end")
    parser.add_argument("--variants", type=int, default=4, help="distinct jobs, each with a reference run")
    parser.add_argument("--slots", type=int, default=4, help="of each of the two workers")
    parser.add_argument("--pause-seconds", type=float, default=12.0, help="mean between strikes, at most")
    parser.add_argument("--bucket", action="store_true", help="files in an object store")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    outcome = Campaign(plan_of(parser.parse_args()), lambda line: say(line)).run()
    verdict = "No violation." if not outcome.violations else "\n".join(outcome.violations)
    say(f"\nseed {outcome.plan.seed}, {outcome.seconds:.0f} s\n{table(outcome)}\n{verdict}")
    return 1 if outcome.violations else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
