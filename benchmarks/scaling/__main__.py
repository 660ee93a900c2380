"""``python -m benchmarks.scaling``: measure unit costs on PostgreSQL, simulate fleets, print the tables.

With ``--costs FILE`` the costs of an earlier run are taken, and no database is started.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.scaling.record import analyse, fill, rows_of
from benchmarks.scaling.simulation import MEGABYTE, Cluster, Load, simulate
from benchmarks.scaling.unit_costs import CALLS, Fleet, UnitCost, measure
from cartl_core.catalog.network_size import block_sizes
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.settings import Settings
from jobs.tables import Worker
from tests.fixtures.postgres_server import postgres_server

JOBS, WORKERS = 10_000, 1_000
NETWORKS = ("wrn-16-2", "wrn-28-4", "wrn-34-10")
COPIES = 3
"""Of a network in a checkpoint: its weights, their momentum, the epoch that may be selected."""
BYTES = 4


def state_bytes(network: str) -> float:
    """Bytes of one checkpoint of a training of all blocks."""
    request = {"dataset": "cifar10", "freeze_depth": 1, "preset": "paper", "model": network}
    sizes = block_sizes(resolve(JobRequest.model_validate(request)).model, 10)
    return float(COPIES * BYTES * sum(size.parameters for size in sizes))


@contextmanager
def filled(jobs: int, workers: int) -> Iterator[tuple[Settings, Fleet]]:
    """A PostgreSQL of its own with such a record."""
    with tempfile.TemporaryDirectory(prefix="cartl-scaling-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # PostgreSQL runs as another user where we are root
        (scratch / "postgres").mkdir()
        with postgres_server(scratch / "postgres") as server:
            engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text("CREATE DATABASE scaling"))
            engine.dispose()
            settings = Settings(data_dir=scratch, database_url=f"{server}/scaling")
            engine = make_engine(settings)
            migrate(engine)
            factory = session_factory(engine)
            with transaction(factory) as session:
                fill(session, jobs, workers)
            analyse(engine)
            with transaction(factory) as session:
                names = rows_of(session, Worker)
            try:
                yield settings, Fleet(factory, [], names)
            finally:
                engine.dispose()


def measured(jobs: int, workers: int, share: float) -> dict[str, UnitCost]:
    """The unit costs on a record of that size."""
    with filled(jobs, workers) as (settings, fleet):
        engine = make_engine(settings)
        try:
            return measure(engine, fleet, share=share)
        finally:
            engine.dispose()


def cost_table(costs: dict[str, UnitCost]) -> str:
    """As Markdown."""
    rows = ["| call | processor ms, server | processor ms, worker | log bytes |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {cost.server_ms:.2f} | {cost.client_ms:.2f} | {cost.log_bytes:,.0f} |"
        for name, cost in costs.items()
    ]
    return "\n".join(rows)


def load_table(loads: dict[tuple[str, int], Load]) -> str:
    """As Markdown: shares of what there is, 100 % is all."""
    rows = [
        "| network | workers | database | its largest parts | log | files | most behind, s | hours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (network, workers), load in loads.items():
        parts = ", ".join(f"{name} {share:.1%}" for name, share in list(load.database.items())[:3])
        rows.append(
            f"| {network} | {workers:,} | {sum(load.database.values()):.0%} | {parts} | {load.log:.1%} "
            f"| {load.files:.0%} | {load.peak_delay:.1f} | {load.hours:.1f} |"
        )
    return "\n".join(rows)


def simulated(
    costs: dict[str, UnitCost], base: Cluster, workers: tuple[int, ...]
) -> dict[tuple[str, int], Load]:
    """Fleets of every size with every network."""
    server = {name: cost.server_ms for name, cost in costs.items()}
    log = {name: cost.log_bytes for name, cost in costs.items()}
    return {
        (network, count): simulate(
            replace(base, workers=count, state_bytes=state_bytes(network)), server, log
        )
        for network in NETWORKS
        for count in workers
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure or read, simulate, print, and write the costs where ``--out`` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--workers", type=int, nargs="+", default=[100, WORKERS, 3 * WORKERS])
    parser.add_argument("--checkpoint-seconds", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=1.0, help="of the calls that are measured")
    parser.add_argument("--costs", type=Path, help="measured before")
    parser.add_argument("--out", type=Path, help="gets the costs as JSON")
    options = parser.parse_args(arguments)
    if options.costs:
        kept = json.loads(options.costs.read_text())["costs"]
        costs = {name: UnitCost(**cost) for name, cost in kept.items()}
    else:
        costs = measured(options.jobs, min(WORKERS, options.jobs), options.share)
    if options.out:
        content = {
            "machine": f"{platform.machine()}, {platform.python_version()}",
            "jobs": options.jobs,
            "costs": {name: asdict(costs[name]) for name in CALLS},
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n")
    base = Cluster(workers=1, jobs=options.jobs, checkpoint_seconds=options.checkpoint_seconds)
    loads = simulated(costs, base, tuple(options.workers))
    sizes = ", ".join(f"{network} {state_bytes(network) / MEGABYTE:.0f} MB" for network in NETWORKS)
    sys.stdout.write(f"{cost_table(costs)}\n\n{load_table(loads)}\n\nA checkpoint: {sizes}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
