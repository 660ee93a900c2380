"""What does it cost to be non-expansive literally? Plain tuning, NEFT as published, NEFT by the true norm.

    .venv/bin/python benchmarks/operator_norm.py --data-root data --out operator_norm --seeds 0 1

One robust teacher (Fashion-MNIST, classes 0 to 5) and three students on classes 6 to 9, with the settings of
preset quick; 4 of 8 blocks are tuned. Prints clean accuracy, PGD-20 on the cross-entropy and on the margin
(which small logits cannot weaken) and their worst case, with 95 % intervals, the proven constant of the tail
and the measured displacement. Stages are kept, so a second call computes only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartl_core.planning.resolve import resolve
from cartl_core.render import numbers
from cartl_core.report import ArmReport
from cartl_core.run import runtime
from cartl_core.run.pipeline import run
from cartl_core.spec import Arm, JobRequest, JobSpec
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag

EPS, STEP, STEPS = 0.1, 0.025, 20
HEADER = (
    "| seed | student | clean | PGD-20, ce | PGD-20, margin | worst of both | tail constant | moved |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def main() -> int:
    """One job a seed; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=1000, help="test images (default: 1000)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(HEADER)
    for seed in options.seeds:
        spec = job(seed, options.images)
        cache = LocalStageCache(options.out / "stages", lambda event: None, StopFlag())
        report = run(
            spec,
            cache=cache,
            data_root=options.data_root,
            out=options.out / f"seed-{seed}",
            runtime=runtime.resolve(spec, threads=options.threads),
        )
        assert report.student is not None
        for arm, found in zip(spec.arms, (report.student, *report.baselines), strict=True):
            sys.stdout.write(row(seed, arm, found))
    return 0


def job(seed: int, images: int) -> JobSpec:
    """Three arms on one teacher, so that only the tuning differs."""
    attacks = [
        {"label": f"pgd20-{loss}", "eps": EPS, "step": STEP, "steps": STEPS, "loss": loss}
        for loss in ("ce", "margin")
    ]
    evaluate = {
        "attacks": attacks,
        "source_attacks": [],
        "test_limit": images,
        "curve": None,
        "corruptions": None,
        "checks": None,
        "audit": {},
    }
    request = {
        "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
        "freeze_depth": 4,
        "preset": "quick",
        "method": "neft",
        "transfer": {"norm": "operator"},
        "baselines": ["vanilla", "neft"],
        "evaluate": evaluate,
        "seed": seed,
    }
    return resolve(JobRequest.model_validate(request))


def row(seed: int, arm: Arm, found: ArmReport) -> str:
    """One student as a row of the table."""
    figures, beta = found.figures, arm.transfer.beta
    assert figures is not None and figures.audit is not None and figures.worst_case is not None
    moved = figures.audit.displacement
    relative = moved.relative if moved else None
    cells = [
        str(seed),
        arm.method if beta is None else f"{arm.method}, {arm.transfer.norm}, beta {beta:g}",
        *(numbers.interval(share) for share in (figures.clean, *(a.robust for a in figures.attacks))),
        numbers.interval(figures.worst_case),
        f"{figures.audit.tail.tail_constant:.3g}",
        f"{relative.median:.2f}" if relative else "none",
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
