"""The specification of the two trainings of a run: of the teacher, and of the student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from cartl_core.spec.base import ARRAY, SpecModel, refusal
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.spec.terms import teacher_features, teacher_weights, with_weights

Objective = Literal["at", "fdm"]
FeatureDistance = Literal["absolute", "spread", "relative", "cosine"]
FeatureLayers = Literal["trunk", "every"]
Augmentation = Literal["none", "crop_flip", "crop_flip_rotate"]
Selection = Literal["last", "best_clean", "best_robust", "pareto"]
Norm = Literal["reshaped", "operator"]
AttackSchedule = Literal["constant", "epsilon"]
DisplacementLoss = Literal["cross_entropy", "consistency"]
Direction = Literal["trunk", "tail"]

ClassWeights = Literal["none", "inverse", "inverse_sqrt"]
Sampling = Literal["uniform", "balanced"]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, le=4.0)]
Epochs = Annotated[int, Field(ge=1, le=1000)]


class TrainingSpec(SpecModel):
    """Stochastic gradient descent: how long, how fast, on what batches."""

    epochs: Epochs
    batch_size: int = Field(ge=2, le=65_536)
    lr: float = Field(gt=0.0, le=10.0, description="Peak learning rate at this batch size.")
    lr_schedule: Literal["step", "cosine", "constant"]
    lr_decay: float = Field(default=0.2, gt=0.0, le=1.0, description="Factor at each milestone.")
    milestones: Annotated[tuple[Fraction, ...], ARRAY, Field(max_length=16)] = Field(
        default=(0.4, 0.7, 0.9), description="As fractions of all epochs; `step` only."
    )
    warmup_epochs: float = Field(default=0.0, ge=0.0, le=100.0, description="Linear warm-up from 0.")
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=5e-4, ge=0.0, le=1.0)
    augmentation: Augmentation = "none"
    select: Selection = Field(
        description="Which epoch is kept, judged on validation images only: the `last`, the best by one "
        "figure, or by `pareto` the most robust of those whose clean accuracy is near the best."
    )
    select_margin: Fraction = Field(
        default=0.01,
        description="How far below the run's best clean accuracy, as a fraction; `pareto` only.",
    )
    validate_images: int = Field(
        default=512, ge=1, le=1_000_000, description="Validation images attacked after each epoch."
    )

    class_weights: ClassWeights = Field(
        default="none",
        description="Of each image's cross-entropy, by its class: `inverse` of the class's number of "
        "training images, or of that number's root; the mean over all training images is 1, and no weight is "
        "more than 1,000 times another. `none`: all are 1.",
    )
    sampling: Sampling = Field(
        default="uniform",
        description="What an epoch is of: `uniform`, each training image once; `balanced`, as many draws, "
        "equally many of every class, so images of rare classes occur several times and some of common ones "
        "not at all.",
    )

    @field_validator("attack", check_fields=False)
    @classmethod
    def _inner(cls, attack: AttackSpec | None) -> AttackSpec | None:
        if attack and (attack.name, attack.norm, attack.loss) != ("pgd", "linf", "ce"):
            raise refusal("the attack of training is another", "pgd, norm linf, loss ce")
        if attack and attack.samples > 1:
            raise refusal("the attack of training takes no mean of several passes", "samples 1")
        return attack


class PretrainSpec(TrainingSpec):
    """The teacher: adversarial training (`at`), or with feature distance minimisation (`fdm`)."""

    objective: Objective
    attack: AttackSpec = Field(description="The inner attack of training.")
    radii: Annotated[tuple[Share, ...], ARRAY] = Field(
        default=(1.0,),
        min_length=1,
        max_length=8,
        description="Of the inner attack, as shares of its radius and step: the batches take them in turn. "
        "Several, for a teacher that is to hold beyond its radius; its validation images are attacked at 1.",
    )
    fdm_weight: float | None = Field(
        default=None,
        ge=0.0,
        le=1000.0,
        description="Lambda of the feature distance; `absolute`: at the paper's batch of 128. `fdm` only.",
    )
    fdm_distance: FeatureDistance = Field(
        default="absolute",
        description="`absolute`: the paper's, over the root of the features' size; `spread`: over the "
        "features' own spread in the batch; `relative`: over each image's own features; `cosine`: 1 - cos of "
        "their angle. A shrinking scale improves none of the last three. `fdm` only.",
    )
    fdm_layers: FeatureLayers = Field(
        default="trunk",
        description="Where features are compared: at the end of the `trunk`, a teacher for each freeze "
        "depth, or after `every` block, averaged, one teacher for all depths. `fdm` only.",
    )

    @property
    def serves_every_depth(self) -> bool:
        """Whether the teacher is the same for every freeze depth."""
        return self.objective == "at" or self.fdm_layers == "every"


class DisplacementSpec(SpecModel):
    """Displaced features: how far, and how, each image is moved to move its features farthest."""

    eps: float = Field(gt=0.0, le=1.0, description="Radius in linf, in pixel units.")
    step: float = Field(gt=0.0, le=1.0, description="Step size, likewise.")
    steps: int = Field(ge=1, le=1000)
    copies: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Displaced copies of each image, each from a start of its own; an epoch takes one.",
    )
    weight: float = Field(
        default=1.0,
        gt=0.0,
        le=1000.0,
        description="Lambda of what the displaced features add to the cross-entropy of the clean ones.",
    )
    loss: DisplacementLoss = Field(
        default="cross_entropy",
        description="`cross_entropy` of the displaced features, the weighted mean of both taken; or "
        "`consistency`: the divergence of their answers from those to the clean ones, added to it.",
    )
    direction: Direction = Field(
        default="trunk",
        description="Where to features are moved: `trunk`, to where the moved image's are; or `tail`, each "
        "number as far, to the side on which the tail's cross-entropy climbs, found anew in every step.",
    )
    reach: float = Field(
        default=1.0,
        gt=0.0,
        le=4.0,
        description="How far features are moved, as a share of the moved image's.",
    )


class TransferSpec(TrainingSpec):
    """The student: how the tail is tuned on the target's images."""

    beta: float | None = Field(
        default=None,
        gt=0.0,
        le=10.0,
        description="Spectral scale of non-expansive tuning (NEFT); null tunes plainly.",
    )
    norm: Norm = Field(
        default="reshaped",
        description="What beta scales: the reshaped kernel's norm, as published, or the layer's own, proven "
        "and batch norm included; then beta is at most 1.",
    )
    lwf_weight: float | None = teacher_features.TERM.weight
    lwf_head_epochs: int = Field(
        default=0, ge=0, le=1000, description="Leading epochs in which the head alone is tuned."
    )
    anchor_weight: float | None = teacher_weights.TERM.weight
    attack: AttackSpec | None = Field(
        default=None, description="Inner attack of adversarial fine-tuning; null trains on clean images."
    )
    schedule: AttackSchedule = Field(
        default="constant",
        description="Of the inner attack's radius and step: `constant`, or `epsilon`, which begins on clean "
        "images and grows them to full size, for teachers that are not robust. `adversarial` only.",
    )
    tail_weights: Literal["tuned", "frozen"] = Field(
        default="tuned",
        description="`frozen`: of the tail only biases and normalisation layers are tuned, and the head. "
        "`bitfit` only.",
    )
    tail_affine: Literal["tuned", "frozen"] = "tuned"
    tail_statistics: Literal["batch", "teacher"] = "batch"
    trunk_statistics: Literal["running", "teacher", "recalibrated"] = "teacher"
    noise_sigma: float | None = Field(
        default=None,
        gt=0.0,
        le=4.0,
        description="Deviation of Gaussian noise added to each training image, in pixel units, after the "
        "inner attack if there is one: for a network that is to be smoothed; null adds none.",
    )
    displacement: DisplacementSpec | None = Field(
        default=None,
        description="The tail also learns from features that were moved as far as images within eps can move "
        "them, found once through the frozen trunk; null: from clean ones only.",
    )

    feature_precision: Literal["fp32", "fp16"] = Field(
        default="fp32",
        description="In which the trunk's features are kept where they are the same in every epoch; `fp16` "
        "takes half the room and rounds them to 11 bits. Elsewhere none are kept, and it changes nothing.",
    )

    cached_views: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="How many altered views of each training image there are, drawn before the first epoch: "
        "the trunk's features of all of them are computed once, and a batch takes one view of each of its "
        "images at random. Null: images are altered anew for every batch. It takes an augmentation, and a "
        "trunk whose features nothing else moves.",
    )

    @property
    def fixed_features(self) -> bool:
        """Whether what the frozen trunk makes of an image is the same in every epoch."""
        return all(getattr(self, name) in still for name, still in STILL.items())

    @field_validator("norm")
    @classmethod
    def _literally(cls, norm: str, info: ValidationInfo) -> str:
        beta = info.data.get("beta")
        if norm == "operator" and (beta is None or beta > 1):
            given = "null" if beta is None else f"{beta:g}"
            raise refusal(f"the operator norm takes no beta of {given}", "a beta of at most 1")
        return norm

    @field_validator("cached_views")
    @classmethod
    def _of_altered_images(cls, views: int | None, info: ValidationInfo) -> int | None:
        """Views are of images that an augmentation alters, and of nothing else that moves features."""
        if views is None:
            return views
        if info.data.get("augmentation") == "none":
            raise refusal(
                "there is one view of each image, since `augmentation` of transfer is none",
                "null, or an augmentation",
            )
        for name, still in STILL.items():
            if name != "augmentation" and name in info.data and info.data[name] not in still:
                raise refusal(
                    f"it needs features that nothing else moves, which `{name}` of transfer does",
                    f"null, or {name} {_listed(still)}",
                )
        return views

    @field_validator("displacement")
    @classmethod
    def _of_a_fixed_trunk(
        cls, displacement: DisplacementSpec | None, info: ValidationInfo
    ) -> DisplacementSpec | None:
        """What is found once holds for all epochs only where the trunk's features stay as they are."""
        for name, still in STILL.items() if displacement else ():
            if name in info.data and info.data[name] not in still:
                raise refusal(
                    f"it needs features that stay as they are, which `{name}` of transfer does not leave",
                    f"{name} {_listed(still)}",
                )
        return displacement


STILL: dict[str, tuple[str | None, ...]] = {
    "augmentation": ("none",),
    "noise_sigma": (None,),
    "attack": (None,),
    "trunk_statistics": ("teacher", "recalibrated"),
}
"""What must hold where the trunk's features stay as they are: by field, the values that go with it."""


def _listed(values: tuple[str | None, ...]) -> str:
    return " or ".join("null" if value is None else value for value in values)


# Terms that have a module but no line above get their field here.
if not TYPE_CHECKING:
    TransferSpec = with_weights(TransferSpec)
