"""What a reader must know before believing the figures: one value for each kind, without a sentence.

``render.sentences.notice`` says them. Checks that failed and a promise that was not kept are no notices: they
follow from the report itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cartl_core.report.values import Interval, Value
from cartl_core.spec import Method, Objective
from cartl_core.spec.arm import LeftOut

DataRole = Literal["source", "target"]
SkippedFor = Literal["hidden", "system_file", "folder", "no_image_suffix"]


class NetworkName(Value):
    """Which network of the report a notice is about."""

    role: Literal["student", "baseline", "teacher"] = Field(
        description="`student`: the job's own, or the existing network that was measured."
    )
    method: Method | None = Field(description="Of a student; null of an existing network and a teacher.")
    settings: str | None = Field(
        description="Settings in which it differs from others of its method in this report."
    )
    objective: Objective | None = Field(description="Of a teacher.")
    freeze_depth: int | None = Field(description="The depth that a teacher was made for.")


class OutputsNotFinite(Value):
    """A network gives outputs that are infinite or not a number: none of its figures is a measurement."""

    code: Literal["outputs_not_finite"] = "outputs_not_finite"
    network: NetworkName
    not_finite: int = Field(ge=1, description="Test images, without an attack or under one.")
    n: int


class OneAnswer(Value):
    """A network gives nearly always the same class: it has not learned its task."""

    code: Literal["one_answer"] = "one_answer"
    network: NetworkName
    answer: str = Field(description="Name of the class.")
    share: Interval = Field(description="Of the answers to test images.")


class NoBetterThanOneClass(Value):
    """The test images cannot tell a network's clean accuracy from that of always answering one class."""

    code: Literal["no_better_than_one_class"] = "no_better_than_one_class"
    network: NetworkName
    clean: Interval = Field(description="Its lower end is not above `share`.")
    commonest: str = Field(description="Name of the commonest class of the test images.")
    share: float = Field(description="Of the test images that are of that class.")


class TeacherWithoutAttack(Value):
    """A teacher was trained at eps 0: it has no robustness to keep."""

    code: Literal["teacher_without_attack"] = "teacher_without_attack"
    objective: Objective
    epsilon_schedule: bool = Field(
        description="The job fine-tunes with `schedule: epsilon`, which is made for such teachers."
    )


class TeacherNotRobust(Value):
    """A teacher's validation images say that it has no robustness to keep."""

    code: Literal["teacher_not_robust"] = "teacher_not_robust"
    objective: Objective
    eps: float = Field(description="The largest radius of its training, in pixel units.")
    clean: Interval = Field(description="On validation images of its source, at the epoch that was kept.")
    robust: Interval = Field(description="Likewise, on those that were attacked.")
    epsilon_schedule: bool = Field(description="As of `teacher_without_attack`.")


class WeakTeacher(Value):
    """A teacher has little robustness on its own source's test images."""

    code: Literal["weak_teacher"] = "weak_teacher"
    objective: Objective
    robust: Interval = Field(description="Its worst case.")


class AttackBeyondTeacher(Value):
    """An attack of the evaluation has a larger radius than the teacher was trained at."""

    code: Literal["attack_beyond_teacher"] = "attack_beyond_teacher"
    attack: str = Field(description="Its label.")
    eps: float = Field(description="Its radius, in pixel units.")
    train_eps: float = Field(description="The largest radius of the teacher's training, likewise.")


class SourceStandsIn(Value):
    """The teacher of a job on images that a person brought learned from a data set of the catalog."""

    code: Literal["source_stands_in"] = "source_stands_in"
    source: str = Field(description="Name of the catalog's data set.")
    target: str = Field(description="Name of the images that were brought.")


class DefaultRadius(Value):
    """A radius that nobody chose for these images: the default for images of their kind and size."""

    code: Literal["default_radius"] = "default_radius"
    target: str = Field(description="Name of the images that were brought.")
    eps: float = Field(description="Of attacks in linf, in pixel units.")


class TeacherRadiusUnknown(Value):
    """Nobody says within which linf radius a given teacher was trained: that of the evaluation is taken."""

    code: Literal["teacher_radius_unknown"] = "teacher_radius_unknown"
    teacher: str = Field(description="Its name.")
    eps: float = Field(description="The radius that was taken, in pixel units.")


class TeacherUnverified(Value):
    """Nothing was measured of a given teacher: whether it is robust, or read rightly, is not known."""

    code: Literal["teacher_unverified"] = "teacher_unverified"
    teacher: str = Field(description="Its name.")


class TeacherWithoutDistance(Value):
    """A method that wants a teacher trained with the feature distance was given one that may not be."""

    code: Literal["teacher_without_distance"] = "teacher_without_distance"
    teacher: str = Field(description="Its name.")
    methods: tuple[Method, ...] = Field(min_length=1)


class CandidatesLeftOut(Value):
    """Candidates of the catalog that were not tried, because the teacher was given."""

    code: Literal["candidates_left_out"] = "candidates_left_out"
    left_out: tuple[LeftOut, ...] = Field(min_length=1)


class PartialData(Value):
    """`train_limit` left training images out."""

    code: Literal["partial_data"] = "partial_data"
    role: DataRole
    used: int = Field(description="Training images, those for validation included.")
    available: int
    approximate: bool = Field(description="`available` is a share by the number of classes.")


class Resized(Value):
    """The network takes images of another size, or of other channels, than the data set has."""

    code: Literal["resized"] = "resized"
    role: DataRole
    data_size: int = Field(description="Height and width of the data set's images, in pixels.")
    input_size: int = Field(description="Of the network's input.")
    data_channels: int
    input_channels: int


class UnsureEpoch(Value):
    """A student's epoch was chosen by so few validation images that chance had a say in it."""

    code: Literal["unsure_epoch"] = "unsure_epoch"
    method: Method | None
    settings: str | None = Field(
        description="Settings in which it differs from others of its method in this report."
    )
    n: int = Field(description="Validation images that it was chosen by.")
    standard_error: float = Field(description="Of the accuracy that it was chosen by, as a fraction.")


class SplitBatches(Value):
    """Batches did not fit into memory, and their gradients were added up over parts."""

    code: Literal["split_batches"] = "split_batches"
    stage: str = Field(description="Label of the training.")
    parts: int = Field(ge=2, description="Of each batch.")


class ImagesLeftOut(Value):
    """Images that are in the source and in the target were left out of the source."""

    code: Literal["images_left_out"] = "images_left_out"
    source: str = Field(description="Name of the data set.")
    target: str = Field(description="Likewise.")
    count: int = Field(ge=1)


class SkippedFiles(Value):
    """So many files are no images of the data set, for one reason."""

    reason: SkippedFor = Field(
        description="`hidden`: the name begins with a dot; `system_file`: an operating system makes it; "
        "`folder`; `no_image_suffix`."
    )
    count: int = Field(ge=1)


class FilesSkipped(Value):
    """Beside a data set's images lie other files, which are not part of it."""

    code: Literal["files_skipped"] = "files_skipped"
    role: DataRole
    data: str = Field(description="Name of the data set.")
    taken: int = Field(ge=0, description="Files that are its images, all classes, training and test.")
    skipped: tuple[SkippedFiles, ...] = Field(min_length=1)


class SmallClass(Value):
    """A class that is measured on few images."""

    name: str
    n: int = Field(ge=0, description="Its test images.")


class FewTestImages(Value):
    """Classes have fewer than ten test images, which tell little of each."""

    code: Literal["few_test_images"] = "few_test_images"
    role: DataRole
    classes: int = Field(ge=1, description="Of the task.")
    few: int = Field(ge=1, description="Of those, with fewer than ten test images.")
    smallest: tuple[SmallClass, ...] = Field(
        min_length=1, max_length=20, description="Fewest images first; at most 20 are named."
    )


class RuntimeChanged(Value):
    """An earlier attempt of the job ran elsewhere; what it had not finished is computed anew."""

    code: Literal["runtime_changed"] = "runtime_changed"
    changed: tuple[str, ...] = Field(min_length=1, description="Fields of the runtime that differ.")


class OtherNotice(Value):
    """A sentence of a report of schema 1 for which there is no code; only its reader makes these."""

    code: Literal["other"] = "other"
    text: str


AboutNetwork = OutputsNotFinite | OneAnswer | NoBetterThanOneClass
"""What is said before all else."""
Notice = Annotated[
    OutputsNotFinite
    | OneAnswer
    | NoBetterThanOneClass
    | TeacherWithoutAttack
    | TeacherNotRobust
    | WeakTeacher
    | AttackBeyondTeacher
    | SourceStandsIn
    | DefaultRadius
    | TeacherRadiusUnknown
    | TeacherUnverified
    | TeacherWithoutDistance
    | CandidatesLeftOut
    | PartialData
    | Resized
    | UnsureEpoch
    | SplitBatches
    | ImagesLeftOut
    | FilesSkipped
    | FewTestImages
    | RuntimeChanged
    | OtherNotice,
    Field(discriminator="code"),
]
