"""What the published scripts of Chen et al. (ICML 2021) do, field by field.

A row for each teacher and student, and what it is attacked by. Read from the authors' repository at
``COMMIT`` (scripts/, exps/, src/trainer/, src/config.env). The recipes and preset ``paper`` are tested
against these rows; ``DIFFERENCES`` is what stays otherwise. Field names are those of our ``PretrainSpec`` and
``TransferSpec``; radii are in pixel units.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.spec import Augmentation, DatasetName, Method, Objective

COMMIT = "8fba278"

Settings = dict[str, object]

_SCHEDULE: Settings = {
    "epochs": 100,
    "batch_size": 128,
    "lr": 0.1,
    "lr_schedule": "step",
    "lr_decay": 0.2,
    "milestones": (0.4, 0.7, 0.9),
    "warmup_epochs": 1.0,
    "momentum": 0.9,
    "weight_decay": 5e-4,
}
"""src/config.env, of every training but LwF's."""

_TRAINING_ATTACK: Settings = {"eps": 8 / 255, "step": 2 / 255, "steps": 7, "random_start": True}
"""Defaults of exps/adversarial_training.py and exps/fdm_l2.py, whatever the source."""


@dataclass(frozen=True)
class PublishedTraining:
    """One training of the scripts.

    Attributes:
        script: where its settings are written.
        settings: fields of the ``PretrainSpec`` or ``TransferSpec`` that it has.
        attack: of a teacher, fields of its inner attack; None of a student, which sees clean images.
        tried: other values in the scripts, by field.
    """

    script: str
    settings: Settings
    attack: Settings | None = None
    tried: tuple[tuple[str, tuple[float, ...]], ...] = ()


TEACHERS: dict[Objective, PublishedTraining] = {
    "at": PublishedTraining(
        "exps/adversarial_training.py",
        {**_SCHEDULE, "select": "best_robust"},
        _TRAINING_ATTACK,
    ),
    "fdm": PublishedTraining(
        "exps/fdm_l2.py, scripts/pwrn34_neft_sn_norm.sh",
        {**_SCHEDULE, "select": "best_robust", "fdm_weight": 0.005, "fdm_distance": "absolute"},
        _TRAINING_ATTACK,
        (("fdm_weight", (0.01,)),),
    ),
}

STUDENTS: dict[Method, PublishedTraining] = {
    "vanilla": PublishedTraining(
        "scripts/tl_from_at.sh",
        {
            **_SCHEDULE,
            "select": "last",
            "tail_affine": "frozen",
            "tail_statistics": "batch",
            "trunk_statistics": "teacher",
        },
    ),
    "neft": PublishedTraining(
        "scripts/madry_neft_sn_norm.sh",
        {
            **_SCHEDULE,
            "select": "last",
            "norm": "reshaped",
            "tail_affine": "frozen",
            "tail_statistics": "batch",
            "trunk_statistics": "running",
        },
        tried=(("beta", (0.6,)),),
    ),
    "cartl": PublishedTraining(
        "scripts/pwrn34_neft_sn_norm.sh",
        {
            **_SCHEDULE,
            "select": "last",
            "beta": 0.4,
            "norm": "reshaped",
            "tail_affine": "frozen",
            "tail_statistics": "batch",
            "trunk_statistics": "running",
        },
    ),
    "lwf": PublishedTraining(
        "scripts/lwf.sh, src/trainer/transfer_learning_trainer/lwf_tl_trainer.py",
        {
            "epochs": 52,
            "batch_size": 128,
            "lr": 0.001,
            "lr_schedule": "constant",
            "warmup_epochs": 0.0,
            "momentum": 0.9,
            "weight_decay": 2e-4,
            "select": "best_clean",
            "lwf_weight": 0.01,
            "lwf_head_epochs": 25,
            "tail_affine": "tuned",
            "tail_statistics": "batch",
        },
        tried=(("lwf_weight", (0.1, 0.005, 0.001)),),
    ),
}
"""The students of the scripts; ``adversarial`` and ``consistent`` are not among them."""

AUGMENTATION: dict[DatasetName, Augmentation] = {
    "cifar10": "crop_flip_rotate",
    "cifar100": "crop_flip_rotate",
    "svhn": "none",
    "gtsrb": "none",
    "mnist": "none",
}
"""Of training images, in pretraining and in every transfer alike (src/utils/data_utils/get_dataloader.py)."""

EVALUATION: dict[DatasetName, tuple[float, float]] = {
    "cifar10": (8 / 255, 2 / 255),
    "svhn": (8 / 255, 2 / 255),
    "gtsrb": (8 / 255, 2 / 255),
    "mnist": (0.15, 0.01),
}
"""Radius and step of the attacks on each target (exps/foolbox_bench.py)."""

EVALUATION_STEPS = (20, 100)
"""exps/eval_robust_wrn34.py and exps/foolbox_bench.py."""

DEPTHS_TUNED = (4, 6, 8)
"""k of the scripts: blocks tuned."""


@dataclass(frozen=True)
class Difference:
    """What no setting of ours makes equal; ``name`` is how the method page calls it."""

    name: str
    theirs: str
    ours: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "random start",
        "not clipped to [0, 1] before the first gradient of an attack",
        "clipped, so every iterate is an image",
    ),
    Difference("warm-up", "t/N at step t of N, so the first step has rate 0", "(t+1)/N"),
    Difference(
        "selection data",
        "LwF's best epoch by test accuracy, a teacher's by accuracy on its attacked training batches",
        "by validation images, a tenth of the training images, which are not trained on",
    ),
    Difference("last batch", "kept when it is smaller than the others", "dropped"),
    Difference("new head", "uniform in [0, 1)", "PyTorch's default, uniform about 0"),
    Difference(
        "LwF's augmentation", "drawn once, before the first epoch, and kept", "drawn anew for every batch"
    ),
    Difference(
        "LwF's head epochs",
        "the body is in train mode: its statistics move while the head alone is tuned",
        "the body is in eval mode",
    ),
    Difference(
        "NEFT on a ResNet",
        "only the head is scaled: convolutions inside Sequential are missed",
        "every convolution and linear layer of the tail",
    ),
    Difference(
        "export of NEFT",
        "by the vectors of the last step's power iteration",
        "by converged singular vectors",
    ),
    Difference("what counts as robust", "the last iterate of an attack", "every iterate"),
    Difference(
        "normalisation of CIFAR-10",
        "by CIFAR-100's mean and deviation, also where it is the source",
        "a source by its own",
    ),
    Difference("GTSRB", "resized bytes of Train.csv, 39,209 images", "torchvision's training images, 26,640"),
    Difference("MNIST", "resized as bytes", "resized as floats, with antialiasing"),
)
