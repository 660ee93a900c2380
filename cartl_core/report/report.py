"""The robustness report: one value that JSON, Markdown and HTML are made of.

It holds numbers, codes and names; ``cartl_core.render`` makes the sentences. Reports of schema 1 held them
too; ``cartl_core.render.schema_1`` reads those.
Every accuracy is an ``Interval`` that carries its own count; a figure without n does not exist here.
Accuracies are fractions in [0, 1]. What a network gets wrong without an attack counts as not robust.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from cartl_core.report.acceptance import CriterionVerdict
from cartl_core.report.certificates import Audit, SmoothingResult
from cartl_core.report.checks import Check, Checked
from cartl_core.report.comparisons import PairedComparison as PairedComparison
from cartl_core.report.comparisons import Retention
from cartl_core.report.curves import CorruptionResults, RobustnessCurve
from cartl_core.report.evidence import Evidence
from cartl_core.report.exports import Export
from cartl_core.report.gallery import Gallery
from cartl_core.report.given_teacher import GivenTeacher
from cartl_core.report.history import History
from cartl_core.report.making import FrozenPart, LearnedFrom, StageOrigin
from cartl_core.report.notices import Notice
from cartl_core.report.over_classes import OverClasses
from cartl_core.report.selection import Selection
from cartl_core.report.values import Interval as Interval
from cartl_core.report.values import Value as Value
from cartl_core.spec import (
    Arm,
    AttackSpec,
    JobSpec,
    Method,
    Objective,
    Runtime,
)
from cartl_core.spec.data_and_model import DataSpecOrName
from cartl_core.spec.existing_network import MOST_DATASETS, AnySpec
from cartl_core.spec.job import AttackPrecision
from cartl_core.spec.measures.attack import TARGETS
from cartl_core.spec.threat_model import ThreatModel

REPORT_SCHEMA: Final = 2


class ClassResult(Value):
    """One class of the test set."""

    label: int = Field(ge=0, description="Label of the task, 0 to classes - 1.")
    name: str
    clean: Interval
    worst_case: Interval


class AttackResult(Value):
    """One attack on one network."""

    label: str
    name: str
    norm: str
    loss: str
    eps: float
    step: float | None = Field(description="Null where the attack sizes its steps itself.")
    steps: int
    restarts: int
    random_start: bool
    samples: int = Field(default=1, description="Passes that each step took the mean of.")
    targets: int = Field(
        default=TARGETS,
        description="Of a targeted attack: other classes that it aims at, the likeliest first.",
    )
    begun_in: AttackPrecision = Field(
        default="fp32",
        description="Precision of its first steps. Whatever it was, the last steps and the verdict are fp32.",
    )
    seed: int
    n: int
    robust: Interval = Field(description="Right without an attack and never fooled by any iterate.")
    seconds: float = Field(ge=0)
    images_per_second: float | None = None


class Figures(Value):
    """What was measured of one network on one test set."""

    data: str = Field(description="For people: data set and classes.")
    data_fingerprint: str
    n: int
    not_finite: int = Field(
        ge=0,
        description="Test images with an output that is infinite or not a number, without an attack or under "
        "one; they count as misclassified.",
    )
    clean: Interval
    attacks: tuple[AttackResult, ...] = ()
    worst_case: Interval | None = Field(
        default=None,
        description="Per image: robust against every attack above, and not broken on the curve or by an "
        "attack of the checks within the largest radius of those attacks in the same norm; the headline.",
    )
    autoattack: Interval | None = Field(
        default=None,
        description="Robust against the four attacks of AutoAttack's standard version, where they were made, "
        "whatever else was: the figure that published ones compare with.",
    )
    per_class: tuple[ClassResult, ...] = ()
    clean_over_classes: OverClasses | None = Field(
        default=None, description="Clean accuracy with every class counting the same."
    )
    worst_case_over_classes: OverClasses | None = Field(default=None, description="The worst case, likewise.")
    curve: RobustnessCurve | None = None
    corruptions: CorruptionResults | None = None
    checks: Checked | None = Field(default=None, description="What the checks saw, and how they attacked.")
    audit: Audit | None = None
    smoothing: SmoothingResult | None = None
    gallery: Gallery | None = None


class Teacher(Value):
    """A pretrained network and its own figures on its source."""

    objective: Objective
    digest: str
    freeze_depth: int | None = Field(description="The depth that an `fdm` teacher was made for.")
    epochs: int
    selected_epoch: int
    reused: bool = Field(description="Another job made it: `origin`.")
    origin: StageOrigin
    train_eps: float = Field(description="The largest radius of its training, in pixel units.")
    history: History = Field(description="On the source's validation images.")
    figures: Figures | None = None


class Validation(Value):
    """A student on validation images at its selected epoch: what settings are chosen by, never the test."""

    clean: Interval
    robust: Interval = Field(description="Over the images that `attack` was tried on.")
    attack: AttackSpec


class ArmReport(Value):
    """One method's student; or a given network, of whose making nothing is known: the method is null."""

    method: Method | None = None
    settings: str | None = Field(
        default=None,
        description="Settings in which it differs from others of its method here; null of the only one.",
    )
    freeze_depth: int | None = None
    k: int | None = Field(default=None, description="Blocks fine-tuned: the paper's k.")
    blocks: int
    frozen: tuple[FrozenPart, ...] = Field(default=(), description="What was held fixed.")
    learned: tuple[LearnedFrom, ...] = Field(
        default=(), description="What it learned from beside clean cross-entropy."
    )
    objective: Objective | None = None
    teacher_digest: str | None = None
    student_digest: str | None = Field(
        default=None, description="Of the stage that made it; of a given network its file's SHA-256."
    )
    selected_epoch: int | None = None
    validation: Validation | None = Field(description="Null of an existing network: nothing was trained.")
    history: History | None = Field(description="On the target's validation images; null likewise.")
    reused: bool = Field(description="Another job made it: `origin`.")
    origin: StageOrigin = Field(description="Of the stage that made or imported it.")
    tuned_layer_norms: dict[str, float] = Field(
        default_factory=dict,
        description="Largest singular value of each tuned layer's reshaped weight, as exported.",
    )
    figures: Figures | None = None
    kept: Retention | None = Field(
        default=None, description="Its robustness over its teacher's on the source; across data sets."
    )
    checks: tuple[Check, ...] = Field(default=(), description="Against self-deception, once all is measured.")
    comparisons: tuple[PairedComparison, ...] = Field(
        default=(), description="On a baseline: how the job's own student does against it."
    )


class FurtherData(Value):
    """The network of an evaluation on a further data set, as a job on it alone would report it."""

    dataset: DataSpecOrName
    warnings: tuple[Notice, ...] = Field(default=(), description="What to know before believing its figures.")
    figures: Figures | None = None
    checks: tuple[Check, ...] = ()


class Report(Value):
    """The robustness report of one job."""

    schema_version: Literal[2] = REPORT_SCHEMA
    complete: bool
    spec: AnySpec
    spec_digest: str
    runtime: Runtime | None = None
    warnings: tuple[Notice, ...] = Field(
        default=(),
        description="What to know before believing the figures, beside checks that failed and a promise that "
        "was not kept.",
    )
    threat_models: tuple[ThreatModel, ...] = Field(
        default=(), description="Whom the attacks on the student stand for, one a norm; of a complete report."
    )
    teachers: tuple[Teacher, ...] = Field(default=(), description="Those that were trained.")
    given_teacher: GivenTeacher | None = Field(
        default=None,
        description="The one that was given, or that an evaluation measures; null where there is none.",
    )
    selection: Selection | None = Field(
        default=None, description="How `auto` was decided; null where nothing was left to choose."
    )
    student: ArmReport | None = None
    baselines: tuple[ArmReport, ...] = ()
    further: tuple[FurtherData, ...] = Field(
        default=(),
        max_length=MOST_DATASETS - 1,
        description="Of an evaluation on several data sets: all but the first, whose figures are the "
        "`student`'s.",
    )
    acceptance: tuple[CriterionVerdict, ...] = Field(
        default=(),
        description="On each criterion of the specification's `accept`; of a complete report.",
    )
    evidence: Evidence | None = Field(
        default=None, description="What was tested, for auditors; of a complete report. It is no verdict."
    )
    exports: tuple[Export, ...] = Field(
        default=(), description="Forms in which the job's own student was given back; of a complete report."
    )
    seconds: dict[str, float] = Field(
        default_factory=dict,
        description="Wall time by stage label: of computing what this job computed, in whichever attempt, "
        "and of finding what another job did.",
    )

    @property
    def own_arm(self) -> Arm | None:
        """The settings of the job's own student; None of a given network, and before a run has chosen."""
        if not isinstance(self.spec, JobSpec):
            return None
        if self.spec.auto is None:
            return self.spec.arm
        chosen = self.selection.chosen if self.selection else None
        return self.spec.auto.candidates[chosen - 1] if chosen else None
