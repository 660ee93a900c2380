"""How many bytes a run tells, by type of event: ``python -m benchmarks.event_bytes``.

Runs the smallest job of method ``auto`` as a supervisor would read it, one JSON object a line, and prints a
table. Bytes are those of whole lines, with their ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

JOB = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "model": "tiny",
    "preset": "smoke",
    "method": "auto",
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "auto": {"validation_images": 30, "attack": {"steps": 3}, "candidates": [{"method": "consistent"}]},
    "baselines": [],
    "evaluate": {"test_limit": 40, "source_attacks": [], "curve": None, "corruptions": None, "checks": None},
}
COMMAND = (sys.executable, "-m", "cartl_core", "run", "--progress", "jsonl", "--threads", "1")


def lines_of(folder: Path) -> list[bytes]:
    """Every line that such a run writes."""
    spec = folder / "job.json"
    spec.write_text(json.dumps(JOB), encoding="utf-8")
    command = [*COMMAND, "--out", str(folder / "out"), "--data-root", str(folder / "data"), str(spec)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines(keepends=True)


def table(lines: Iterable[bytes]) -> str:
    """Bytes and counts by type of event, the largest first."""
    sizes, counts = Counter[str](), Counter[str]()
    for line in lines:
        kind = json.loads(line)["type"]
        sizes[kind] += len(line)
        counts[kind] += 1
    rows = [f"{'event':<20} {'events':>7} {'bytes':>9} {'each':>8}"]
    rows += [
        f"{kind:<20} {counts[kind]:>7} {size:>9} {size // counts[kind]:>8}"
        for kind, size in sizes.most_common()
    ]
    whole = sizes.total()
    rows.append(f"{'all':<20} {counts.total():>7} {whole:>9} {whole // max(1, counts.total()):>8}")
    return "\n".join(rows)


def main() -> None:
    """Run the job and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"{table(lines_of(Path(folder)))}\n")


if __name__ == "__main__":
    main()
