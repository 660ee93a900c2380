"""``python -m study.choice``: tune the rules on one half of the seeds, count them on the other.

Everything is replayed from study/results; a run takes minutes and gives the same file again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from study.choice.figures import FIGURES_FILE, compute
from study.choice.plan import PLAN, read_plan
from study.rows import RESULTS
from study.study_results import read_results


def main(arguments: list[str]) -> int:
    """Compute all figures anew."""
    parser = argparse.ArgumentParser(prog="python -m study.choice", description=__doc__)
    parser.add_argument("--plan", type=Path, default=PLAN)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the rows that are replayed")
    parser.add_argument("--out", type=Path, default=FIGURES_FILE)
    asked = parser.parse_args(arguments)
    found = compute(read_results(asked.results), read_plan(asked.plan))
    asked.out.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
