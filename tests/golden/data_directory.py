"""The making of ``data/data-directory.tar.xz``: what the service leaves behind, packed for later versions.

Only ``tests.golden.record`` calls it. The service is started embedded (SQLite, folders as broker), four kinds
of jobs run through its worker, and database, artifacts and stages are packed without what belongs to the
machine that made them.
"""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from cartl.client import Client
from cartl.serving.up import Service, Settings, free_port
from tests.golden.files import DATA

DIGITS: dict[str, Any] = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
# fp32 on a processor whatever the machine has, so that fewer machines find the stages of another runtime.
PLAIN: dict[str, Any] = {"dataset": DIGITS, "preset": "smoke", "device": "cpu", "precision": "fp32"}
MEASURED: dict[str, Any] = {"test_limit": 40}
SMALL: dict[str, Any] = {
    **PLAIN,
    "model": "tiny",
    "freeze_depth": 2,
    "source": {"name": "digits", "classes": [0, 1, 2, 3, 4]},
    "evaluate": MEASURED | {"source_test_limit": 40},
}
BRIEF: dict[str, Any] = {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}
TWO_METHODS: dict[str, Any] = {**SMALL, "name": "two methods", "tags": ["golden"]}
AUTO: dict[str, Any] = {
    **SMALL,
    **BRIEF,
    "name": "the run chooses",
    "method": "auto",
    "baselines": [],
    "auto": {
        "margin": 1.0,
        "lead": 0.0,
        "validation_images": 30,
        "attack": {"steps": 3},
        "candidates": [{"method": "consistent", "freeze_depth": 2}],
    },
    "evaluate": {"test_limit": 40, "source_attacks": [], "curve": None, "corruptions": None, "checks": None},
}
EVALUATION: dict[str, Any] = {**PLAIN, "kind": "evaluate", "name": "a student", "evaluate": MEASURED}
BASE = {name: value for name, value in {**SMALL, **BRIEF}.items() if name != "method"}
SWEEP: dict[str, Any] = {
    "name": "two settings",
    "base": {**BASE, "evaluate": {**AUTO["evaluate"], "gallery": None}},
    "grid": {"method": ["vanilla", "neft"]},
    "margin": 1.0,
}
ARCHIVE = DATA / "data-directory.tar.xz"
SECONDS = 300.0
DATABASE = "cartl.sqlite3"
KEPT = (DATABASE, "artifacts", "stages")
HOST = "golden-host"
CHARTS = "FROM artifacts WHERE name LIKE '%.png' AND name <> 'worst-images.png'"


def make(data_dir: Path) -> None:
    """Run the jobs in ``data_dir`` and take out of the database what belongs to this machine.

    Raises:
        RuntimeError: a job did not succeed, or the database still names this machine.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    settings = Settings(data_dir, port=free_port(), inherited={**inherited, "CARTL_THREADS": "1"})
    with Service(settings), Client(settings.url) as client:
        first = client.submit(TWO_METHODS)["id"]
        jobs = [first, client.submit(AUTO)["id"]]
        jobs += [row["jobs"][0] for row in client.submit_sweep(SWEEP)["table"]["rows"]]
        _succeed(client, first)
        jobs.append(client.submit({**EVALUATION, "network": {"job": first}})["id"])
        for job in jobs:
            _succeed(client, job)
    forget_machine(data_dir)


def _succeed(client: Client, job: str) -> None:
    ended = client.wait(job, timeout=SECONDS, every=0.5)
    if ended["state"] != "succeeded":
        raise RuntimeError(f"job {ended['name']} ended {ended['state']}: {ended['message']}")


def forget_machine(data_dir: Path) -> None:
    """Fold the write-ahead log in, and write other words for host and folders in every row."""
    database = data_dir / DATABASE
    with closing(sqlite3.connect(database)) as record, record:
        record.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # Whole ids, not the bare name of the host: that may be a syllable of anything.
        ids = [name for (name,) in record.execute("SELECT id FROM workers")]
        words = {str(data_dir): "/golden"} | {name: f"{HOST}-{at}-1" for at, name in enumerate(ids, 1)}
        for table, column in list(_texts(record)):
            for word, other in words.items():
                record.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                    f"WHERE typeof(\"{column}\") = 'text'",
                    (word, other),
                )
        record.execute("UPDATE workers SET host = ?, pid = 1, pid_space = ?", (HOST, HOST))
        record.execute("DELETE FROM locks")
        # Charts are there as SVG too, and pixels make the archive large.
        for (path,) in record.execute(f"SELECT path {CHARTS}").fetchall():
            (data_dir / "artifacts" / path).unlink()
        record.execute(f"DELETE {CHARTS}")
    with closing(sqlite3.connect(database)) as record:
        record.execute("PRAGMA journal_mode = DELETE")
        record.execute("VACUUM")
    host = socket.gethostname()
    for log in (data_dir / "artifacts").rglob("*.log"):
        log.write_text(re.sub(rf"\b{re.escape(host)}\b", HOST, log.read_text()))
    written = b"".join(path.read_bytes() for path in files(data_dir))
    for word in (f"on {host}", f"{host}-", *ids, str(data_dir), f"{Path.home()}/", "/tmp/", str(Path.cwd())):
        if word.encode() in written:
            raise RuntimeError(f"{word} is still in the data directory")


def _texts(record: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (table,) in record.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in record.execute(f'PRAGMA table_info("{table}")').fetchall():
            yield table, row[1]


def files(data_dir: Path) -> list[Path]:
    """What is kept of a data directory, in a fixed order."""
    found = [data_dir / DATABASE]
    for name in KEPT[1:]:
        found += sorted(path for path in (data_dir / name).rglob("*") if path.is_file())
    return found


def pack(data_dir: Path, archive: Path) -> None:
    """Write ``archive`` with neutral owners and times."""

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o600
        return entry

    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in files(data_dir):
            packed.add(path, str(path.relative_to(data_dir)), filter=neutral)
