"""Facts of the data sets, networks, methods and presets: every default of a job comes from here.

Nothing here looks at the machine: the same request resolves to the same spec everywhere. Means and
deviations are of the training images, per channel, on [0, 1]; radii and steps are in pixel units.
Sources: the data sets' own papers for sizes and classes; Chen et al. (ICML 2021) and its published
code for the schedules, normalisation and radii, except where a comment says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cartl_core.errors import SpecError
from cartl_core.spec import Augmentation, DatasetName, Method, Objective, Preset

COLOUR_EPS = 8 / 255
COLOUR_STEP = 2 / 255


@dataclass(frozen=True)
class DatasetFacts:
    """What is fixed about a data set."""

    name: DatasetName
    title: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_eps: float
    eval_eps: float
    eval_step: float
    augmentation: Augmentation
    default_source: DatasetName
    fetch: str
    """How a person gets the files: shown when they are missing."""


_TORCHVISION = "python -m cartl_core fetch {name} --data-root DIR"


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(count))


_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Alphabetical, as in the data set's own label order.
_CIFAR100 = tuple(
    (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
        "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab "
        "crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
        "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
        "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
        "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
        "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
        "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ).split()
)

_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

DATASETS: dict[str, DatasetFacts] = {
    facts.name: facts
    for facts in (
        DatasetFacts(
            name="digits",
            title="Optical recognition of handwritten digits (scikit-learn, 8x8)",
            classes=_numbered(10),
            image_size=8,
            channels=1,
            train_images=1437,
            test_images=360,
            mean=(0.305,),
            std=(0.376,),
            train_eps=0.15,
            eval_eps=0.15,
            eval_step=0.02,
            augmentation="none",
            default_source="mnist",
            fetch="pip install scikit-learn",
        ),
        DatasetFacts(
            name="fashion_mnist",
            title="Fashion-MNIST",
            classes=_FASHION,
            image_size=28,
            channels=1,
            train_images=60_000,
            test_images=10_000,
            mean=(0.2860,),
            std=(0.3530,),
            train_eps=0.1,
            eval_eps=0.1,
            eval_step=0.01,
            augmentation="none",
            default_source="mnist",
            fetch=_TORCHVISION,
        ),
        DatasetFacts(
            name="mnist",
            title="MNIST",
            classes=_numbered(10),
            image_size=28,
            channels=1,
            train_images=60_000,
            test_images=10_000,
            mean=(0.1307,),
            std=(0.3081,),
            train_eps=0.15,
            eval_eps=0.15,
            eval_step=0.01,
            augmentation="none",
            default_source="svhn",
            fetch=_TORCHVISION,
        ),
        DatasetFacts(
            name="cifar10",
            title="CIFAR-10",
            classes=_CIFAR10,
            image_size=32,
            channels=3,
            train_images=50_000,
            test_images=10_000,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="crop_flip_rotate",
            default_source="cifar100",
            fetch=_TORCHVISION,
        ),
        DatasetFacts(
            name="cifar100",
            title="CIFAR-100",
            classes=_CIFAR100,
            image_size=32,
            channels=3,
            train_images=50_000,
            test_images=10_000,
            mean=(0.5071, 0.4865, 0.4409),
            std=(0.2673, 0.2564, 0.2762),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="crop_flip_rotate",
            default_source="cifar10",
            fetch=_TORCHVISION,
        ),
        DatasetFacts(
            name="svhn",
            title="Street View House Numbers (cropped digits)",
            classes=_numbered(10),
            image_size=32,
            channels=3,
            train_images=73_257,
            test_images=26_032,
            mean=(0.4377, 0.4438, 0.4728),
            std=(0.1980, 0.2010, 0.1970),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="none",
            default_source="cifar100",
            fetch=_TORCHVISION,
        ),
        DatasetFacts(
            name="gtsrb",
            title="German Traffic Sign Recognition Benchmark",
            classes=_numbered(43),
            image_size=32,
            channels=3,
            train_images=26_640,
            test_images=12_630,
            mean=(0.3403, 0.3121, 0.3214),
            std=(0.2724, 0.2608, 0.2669),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="none",
            default_source="cifar100",
            fetch=_TORCHVISION,
        ),
    )
}


@dataclass(frozen=True)
class MethodFacts:
    """What a method switches on."""

    name: Method
    title: str
    objective: Objective
    nonexpansive: bool = False
    frozen_affine: bool = False
    distilled: bool = False
    adversarial: bool = False


METHODS: dict[str, MethodFacts] = {
    facts.name: facts
    for facts in (
        MethodFacts("vanilla", "plain transfer", "at"),
        MethodFacts("neft", "non-expansive fine-tuning", "at", nonexpansive=True),
        MethodFacts("cartl", "CARTL", "fdm", nonexpansive=True, frozen_affine=True),
        MethodFacts("lwf", "learning without forgetting", "at", distilled=True),
        MethodFacts("adversarial", "adversarial fine-tuning", "at", adversarial=True),
    )
}


@dataclass(frozen=True)
class ModelFacts:
    """A network's name and how many blocks it has (Chen et al., section 4; the stem goes with block 1)."""

    name: str
    family: str
    blocks: int
    depth: int
    width: int


_RESNETS = {"resnet18": (18, 9), "resnet34": (34, 17), "resnet50": (50, 17)}
_WRN = re.compile(r"wrn-([1-9]\d{0,2})-([1-9]\d?)")
KNOWN_MODELS = (
    "tiny",
    "wrn-16-2",
    "wrn-22-2",
    "wrn-28-4",
    "wrn-34-4",
    "wrn-28-10",
    "wrn-34-10",
    *_RESNETS,
)


def model_facts(name: str, *, field: str = "model.name") -> ModelFacts:
    """Facts of a network by its name; raises ``SpecError`` that lists the known ones."""
    if name == "tiny":
        return ModelFacts("tiny", "wrn", 5, 10, 1)
    if name in _RESNETS:
        depth, blocks = _RESNETS[name]
        return ModelFacts(name, "resnet", blocks, depth, 1)
    if match := _WRN.fullmatch(name):
        depth, width = int(match[1]), int(match[2])
        if depth >= 10 and (depth - 4) % 6 == 0 and depth <= 100 and width <= 20:
            return ModelFacts(name, "wrn", (depth - 4) // 2 + 2, depth, width)
    raise SpecError(
        field,
        f"unknown network {name!r}",
        allowed=f"{', '.join(KNOWN_MODELS)}, or wrn-D-W with D = 6n + 4 from 10 to 100 and W from 1 to 20",
    )


@dataclass(frozen=True)
class PresetFacts:
    """How much of everything: the values that a request leaves open."""

    name: Preset
    title: str
    model: str | None
    """None: the network of the paper's pair with that source (see ``PAPER_MODELS``)."""
    stem_stride: int
    train_limit: int | None
    target_train_limit: int | None
    test_limit: int | None
    source_test_limit: int | None
    augmentation: bool
    pretrain: dict[str, object]
    pretrain_attack: dict[str, object]
    fdm_weight: float
    transfer: dict[str, object]
    beta: float
    lwf: dict[str, object]
    attacks: tuple[tuple[str, int], ...]
    """Label and number of steps of each attack on the student."""
    source_attacks: tuple[tuple[str, int], ...]
    trunk_statistics: str = "teacher"
    evaluate: dict[str, object] = field(default_factory=dict)


PAPER_MODELS: dict[str, str] = {"cifar100": "wrn-34-10", "cifar10": "wrn-28-4", "svhn": "resnet18"}

PRESETS: dict[str, PresetFacts] = {
    facts.name: facts
    for facts in (
        PresetFacts(
            name="smoke",
            title="seconds; for tests of the machinery, its figures mean nothing",
            model="tiny",
            stem_stride=2,
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
            attacks=(("pgd5", 5),),
            source_attacks=(("pgd5", 5),),
        ),
        PresetFacts(
            name="quick",
            title="minutes on two cores; small network, part of the data",
            model="wrn-16-2",
            stem_stride=2,
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
                "validate_images": 256,
            },
            pretrain_attack={"steps": 4, "step_of_eps": 0.35},
            fdm_weight=0.005,
            transfer={
                "epochs": 12,
                "batch_size": 128,
                "lr": 0.05,
                "lr_schedule": "cosine",
                "select": "best_clean",
                "validate_images": 256,
            },
            beta=0.6,
            lwf={"lwf_weight": 0.01, "lwf_head_epochs": 6, "lr": 0.01},
            attacks=(("pgd20", 20), ("pgd100", 100)),
            source_attacks=(("pgd20", 20),),
        ),
        PresetFacts(
            name="paper",
            title="the published schedule; needs a GPU",
            model=None,
            stem_stride=1,
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
                "select": "best_clean",
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
            },
            attacks=(("pgd20", 20), ("pgd100", 100)),
            source_attacks=(("pgd20", 20), ("pgd100", 100)),
            trunk_statistics="running",
        ),
    )
}
