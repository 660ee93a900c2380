"""The losses of the first three steps of every objective, method and choice of settings, on tiny data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch

from cartl_core.planning.stage_digests import RunSetting
from cartl_core.planning.stages import pretraining, transferring
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.pretrain import pretrain
from cartl_core.training.transfer import transfer
from tests.fixtures.requests import pretrain_of
from tests.golden.tiny import (
    RUNTIME,
    TINY,
    arm,
    context,
    task,
    teacher,
)

SETTING = RunSetting(seed=0, runtime=RUNTIME, batch_size=20)
STEPS = 3
"""One batch is an epoch here, so the mean loss of an epoch is the loss of a step."""
ACCURACIES = ("accuracy",)
"""In names of metrics that are counts of images: a last bit can tip one, so they are no golden numbers."""

Settings = dict[str, Any]

TEACHERS: dict[str, Settings] = {
    "at": {"objective": "at"},
    "at, several radii": {"objective": "at", "radii": [1.0, 2.0, 0.5]},
    "at, augmented": {"objective": "at", "augmentation": "crop_flip"},
    "at, rotated, a step schedule, warm": {
        "objective": "at",
        "augmentation": "crop_flip_rotate",
        "lr_schedule": "step",
        "milestones": [0.5],
        "warmup_epochs": 1.0,
    },
    "at, constant rate, no random start": {
        "objective": "at",
        "lr_schedule": "constant",
        "attack": {"random_start": False},
    },
    "fdm": {"objective": "fdm"},
    "fdm, several radii": {"objective": "fdm", "radii": [0.5, 1.0]},
    **{
        f"fdm, {distance}, {layers}": {
            "objective": "fdm",
            "fdm_distance": distance,
            "fdm_layers": layers,
            "fdm_weight": 0.5,
        }
        for distance in ("absolute", "spread", "relative", "cosine")
        for layers in ("trunk", "every")
    },
}
OWNERS = {"at": "vanilla", "fdm": "cartl"}
"""A method that has such a teacher."""
STUDENTS: dict[str, tuple[str, Settings]] = {
    "vanilla": ("vanilla", {}),
    "neft": ("neft", {}),
    "cartl": ("cartl", {}),
    "consistent": ("consistent", {}),
    "lwf": ("lwf", {}),
    "lwf, head first": ("lwf", {"lwf_head_epochs": 1}),
    "adversarial": ("adversarial", {}),
    "adversarial, eps growing": ("adversarial", {"schedule": "epsilon"}),
    "tail affine frozen": ("vanilla", {"tail_affine": "frozen"}),
    "tail affine tuned": ("cartl", {"tail_affine": "tuned"}),
    "trunk statistics running": ("cartl", {"trunk_statistics": "running"}),
    "trunk statistics recalibrated": ("cartl", {"trunk_statistics": "recalibrated"}),
    "trunk statistics the teacher's": ("cartl", {"trunk_statistics": "teacher"}),
    "tail statistics the teacher's": ("neft", {"tail_statistics": "teacher"}),
    "every statistic the teacher's": (
        "vanilla",
        {"tail_statistics": "teacher", "trunk_statistics": "teacher", "tail_affine": "frozen"},
    ),
    "augmented": ("vanilla", {"augmentation": "crop_flip"}),
    "augmented and rotated": ("vanilla", {"augmentation": "crop_flip_rotate"}),
    "by the operator norm": ("neft", {"norm": "operator"}),
    "by the operator norm, beta 0.8": ("cartl", {"norm": "operator", "beta": 0.8}),
    "by the reshaped norm, beta 1.2": ("neft", {"norm": "reshaped", "beta": 1.2}),
    "noisy": ("cartl", {"noise_sigma": 0.25}),
    "noisy and adversarial": ("adversarial", {"noise_sigma": 0.25}),
    "noisy lwf": ("lwf", {"noise_sigma": 0.25}),
    "distilled": ("cartl", {"lwf_weight": 0.05}),
    "distilled, running": ("vanilla", {"lwf_weight": 0.05, "trunk_statistics": "running"}),
    "head first": ("neft", {"lwf_head_epochs": 1}),
    "anchored": ("vanilla", {"anchor_weight": 0.1}),
    "step schedule, warm": (
        "vanilla",
        {"lr_schedule": "step", "milestones": [0.5], "warmup_epochs": 1.0, "lr_decay": 0.1},
    ),
    "constant rate": ("vanilla", {"lr_schedule": "constant", "momentum": 0.0, "weight_decay": 0.0}),
    "all at once": (
        "neft",
        {
            "displacement": {"steps": 1, "loss": "consistency"},
            "lwf_weight": 0.05,
            "lwf_head_epochs": 1,
            "anchor_weight": 0.1,
        },
    ),
    **{
        f"displaced, {direction}, {loss}": (
            "vanilla",
            {"displacement": {"steps": 2, "direction": direction, "loss": loss}},
        )
        for direction in ("trunk", "tail")
        for loss in ("cross_entropy", "consistency")
    },
    "displaced, reach 0.5": ("vanilla", {"displacement": {"steps": 1, "reach": 0.5}}),
    "displaced twice": (
        "vanilla",
        {"displacement": {"steps": 1, "copies": 2, "weight": 3.0}, "trunk_statistics": "recalibrated"},
    ),
    "consistent, trunk": ("consistent", {"displacement": {"direction": "trunk"}}),
    "consistent, cross-entropy": ("consistent", {"displacement": {"loss": "cross_entropy"}}),
    "consistent, heavy, two copies": (
        "consistent",
        {"displacement": {"weight": 4.0, "copies": 2, "reach": 1.0, "steps": 1}},
    ),
}
DEPTHS = (0, 1, 3, 4)
"""Beside depth 2, at which all else is made."""


def compute(folder: Path) -> dict[str, Any]:
    """Digests, losses and sizes of weights, by name. ``folder`` is worked in."""
    source, target = task(classes=3, seed=1), task(classes=4, seed=2)
    teachers: dict[str, Any] = {}
    for name, settings in TEACHERS.items():
        found = pretrain_of(arm(OWNERS[settings["objective"]], pretrain={"epochs": STEPS, **settings}))
        here = context(folder / f"teacher {len(teachers)}")
        pretrain(found, 2, TINY, source, seed=0, ctx=here)
        stage = pretraining(found, 2, model=TINY, fingerprint="source", images=1, setting=SETTING)
        teachers[name] = {"digest": stage.digest, **_numbers(here.directory)}
    first = teacher(folder / "teacher.safetensors")
    made = [(name, method, 2, settings) for name, (method, settings) in STUDENTS.items()]
    made += [
        (f"{method}, depth {depth}", method, depth, {})
        for method in ("vanilla", "cartl", "consistent")
        for depth in DEPTHS
        if depth or method == "vanilla"
    ]
    students: dict[str, Any] = {}
    for name, method, depth, settings in made:
        found_arm = arm(method, freeze_depth=depth, transfer={"epochs": STEPS, **settings})
        here = context(folder / f"student {len(students)}")
        transfer(found_arm, first, target, seed=0, ctx=here)
        trained = pretraining(
            pretrain_of(found_arm), depth, model=TINY, fingerprint="source", images=1, setting=SETTING
        )
        tuned = transferring(
            found_arm, trained.key, model=TINY, fingerprint="target", images=1, setting=SETTING
        )
        students[name] = {"digest": tuned.digest, **_numbers(here.directory)}
    return {"teachers": teachers, "students": students}


def _numbers(directory: Path) -> dict[str, Any]:
    """Of a finished training: every metric of every step that is no count, and the size of its weights."""
    history = read_result(directory)["history"]
    shown = [
        {
            name: round(value, 7)
            for name, value in epoch.items()
            if isinstance(value, float) and not name.endswith(ACCURACIES)
        }
        for epoch in history
    ]
    assert len(shown) == STEPS
    state = safetensors.torch.load_file(directory / NETWORK)
    size = sum(float(value.double().square().sum()) for value in state.values()) ** 0.5
    return {"steps": shown, "weights": round(size, 6)}
