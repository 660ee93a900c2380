"""The presets: every value that a request leaves open. `paper` follows ``cartl_core.catalog.published``."""

from __future__ import annotations

from dataclasses import dataclass, field

from cartl_core.catalog.evaluations import AttackRow, pgd
from cartl_core.spec import Method, Preset

CHECKS: dict[str, object] = {"images": 200, "queries": 250}


@dataclass(frozen=True)
class PresetFacts:
    """How much of everything: the values that a request leaves open."""

    name: Preset
    title: str
    model: str | None
    """None: the network of the paper's pair with that source (see ``PAPER_MODELS``)."""
    stem_side: int
    """The stem's stride is the largest that leaves feature maps of this height and width or more."""
    train_limit: int | None
    target_train_limit: int | None
    test_limit: int | None
    source_test_limit: int | None
    augmentation: bool
    """Of teachers and students, by each one's data set; a `consistent` student has none."""
    pretrain: dict[str, object]
    pretrain_attack: dict[str, object]
    fdm_weight: float
    transfer: dict[str, object]
    beta: float
    lwf: dict[str, object]
    attacks: tuple[AttackRow, ...]
    """On the student, where the request names no evaluation preset."""
    source_attacks: tuple[AttackRow, ...]
    diagnostics: dict[str, dict[str, object]]
    """Made besides, and how much of each: fields of its spec, by its name."""
    trunk_statistics: str = "teacher"
    students: dict[Method, dict[str, object]] = field(default_factory=dict)
    """Settings of a method's student that differ from those of ``transfer``."""


PRESETS: dict[str, PresetFacts] = {
    facts.name: facts
    for facts in (
        PresetFacts(
            name="smoke",
            title="seconds; for tests of the machinery, its figures mean nothing",
            model="tiny",
            stem_side=4,
            train_limit=400,
            target_train_limit=300,
            test_limit=100,
            source_test_limit=100,
            augmentation=False,
            pretrain={
                "epochs": 2,
                "batch_size": 64,
                "lr": 0.1,
                "lr_schedule": "cosine",
                "select": "last",
                "validate_images": 32,
            },
            pretrain_attack={"steps": 2, "step_of_eps": 0.75},
            fdm_weight=0.005,
            transfer={
                "epochs": 2,
                "batch_size": 64,
                "lr": 0.05,
                "lr_schedule": "cosine",
                "select": "last",
                "validate_images": 32,
            },
            beta=0.6,
            lwf={"lwf_weight": 0.01, "lwf_head_epochs": 1},
            attacks=(pgd(5),),
            source_attacks=(pgd(5),),
            diagnostics={
                "curve": {"images": 20, "steps": 2, "multiples": (0.5, 1.0, 2.0)},
                "corruptions": {"images": 20, "severities": (3,)},
                "checks": {"images": 20, "queries": 10},
                "gallery": {"images": 20, "steps": 4},
            },
        ),
        PresetFacts(
            name="quick",
            title="minutes on two cores; small network, part of the data",
            model="wrn-16-2",
            stem_side=7,
            train_limit=10_000,
            target_train_limit=6_000,
            test_limit=1_000,
            source_test_limit=500,
            augmentation=False,
            pretrain={
                "epochs": 5,
                "batch_size": 128,
                "lr": 0.1,
                "lr_schedule": "cosine",
                "warmup_epochs": 0.5,
                "select": "last",
                "validate_images": 128,
            },
            pretrain_attack={"steps": 4, "step_of_eps": 0.35},
            fdm_weight=0.01,
            transfer={
                "epochs": 12,
                "batch_size": 128,
                "lr": 0.05,
                "lr_schedule": "cosine",
                "select": "pareto",
                "validate_images": 512,
            },
            beta=0.6,
            lwf={"lwf_weight": 0.01, "lwf_head_epochs": 6, "lr": 0.01},
            attacks=(pgd(20), pgd(100)),
            source_attacks=(pgd(20),),
            diagnostics={
                "curve": {"images": 500, "steps": 20, "refine": 2},
                "corruptions": {},
                "checks": CHECKS,
                "audit": {},
                "gallery": {"images": 200},
            },
        ),
        PresetFacts(
            name="paper",
            title="the published schedule; needs a GPU",
            model=None,
            stem_side=256,
            train_limit=None,
            target_train_limit=None,
            test_limit=None,
            source_test_limit=None,
            augmentation=True,
            pretrain={
                "epochs": 100,
                "batch_size": 128,
                "lr": 0.1,
                "lr_schedule": "step",
                "lr_decay": 0.2,
                "milestones": (0.4, 0.7, 0.9),
                "warmup_epochs": 1.0,
                "select": "best_robust",
                "validate_images": 1_000,
            },
            pretrain_attack={"steps": 7, "step_of_eps": 0.25},
            fdm_weight=0.005,
            transfer={
                "epochs": 100,
                "batch_size": 128,
                "lr": 0.1,
                "lr_schedule": "step",
                "lr_decay": 0.2,
                "milestones": (0.4, 0.7, 0.9),
                "warmup_epochs": 1.0,
                "select": "last",
                "validate_images": 1_000,
            },
            beta=0.4,
            lwf={
                "lwf_weight": 0.01,
                "lwf_head_epochs": 25,
                "epochs": 52,
                "lr": 0.001,
                "weight_decay": 2e-4,
                "lr_schedule": "constant",
                "warmup_epochs": 0.0,
                "select": "best_clean",
            },
            attacks=(pgd(20), pgd(100)),
            source_attacks=(pgd(20), pgd(100)),
            diagnostics={
                "curve": {"images": 1_000, "steps": 20, "refine": 2},
                "corruptions": {},
                "checks": CHECKS,
                "audit": {},
                "gallery": {"images": 500},
            },
            trunk_statistics="running",
            students={
                "vanilla": {"tail_affine": "frozen", "trunk_statistics": "teacher"},
                "neft": {"tail_affine": "frozen"},
            },
        ),
    )
}
