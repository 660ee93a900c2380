"""``python -m tests.chaos --kills 200 --seed 0``: a campaign with default leases.

The exit status is 1 when a rule was broken or a job was lost.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.chaos.campaign import Campaign, Outcome, Plan
from tests.chaos.faults import FREED, KILLS, OTHERS
from tests.chaos.recovery import row

SHARE_OF_TIME = 0.9
START_SECONDS = 60.0


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Kills are spread over the time that there is."""
    limit, drain = arguments.minutes * 60, arguments.drain_minutes * 60
    spare = max(limit - drain - START_SECONDS, 30.0) * SHARE_OF_TIME
    return Plan(
        kills=arguments.kills,
        seed=arguments.seed,
        limit_seconds=limit,
        drain_seconds=drain,
        pause_seconds=min(spare / arguments.kills, arguments.pause_seconds),
        alive=9,
        variants=arguments.variants,
        epochs=8,
        away_seconds=60.0,
        # All else is as shipped. Jobs of seconds need checkpoints every second; and a job that is
        # struck dozens of times must not run out of attempts.
        settings={"checkpoint_seconds": 1.0, "max_attempts": 100, "threads": 1, "device": "cpu"},
    )


def table(outcome: Outcome) -> str:
    """Markdown: recovery by kind of fault."""
    recoveries = outcome.recoveries
    kinds = sorted({wound.kind.removesuffix(FREED) for wound in recoveries.wounds})
    lines = [
        "| struck | n | back at work: median | p95 | longest | set free: median | p95 | longest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        seconds = recoveries.seconds(kind)
        cells = [kind, str(len(seconds)), *row(seconds), *row(recoveries.seconds(kind + FREED))]
        lines.append(f"| {' | '.join(cells)} |")
    every = sorted(value for kind in kinds for value in recoveries.seconds(kind))
    lines.append(f"| all | {len(every)} | {' | '.join(row(every))} | | | |")
    struck = [f"{recoveries.strikes.get(name, 0)} {name}" for name in [*KILLS, *OTHERS]]
    facts = [f"{name}: {value}" for name, value in {**outcome.facts, **outcome.states}.items()]
    return "\n".join([*lines, "", "Struck: " + "; ".join(struck), "; ".join(facts)])


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=75.0, help="in all, whatever happens")
    parser.add_argument("--drain-minutes", type=float, default=5.0, help="of these, kept for the end")
    parser.add_argument("--variants", type=int, default=8, help="distinct jobs, each with a reference run")
    parser.add_argument("--pause-seconds", type=float, default=18.0, help="mean between kills, at most")
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
