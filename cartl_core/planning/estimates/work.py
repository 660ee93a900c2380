"""The kinds of a stage's work, and what each stage costs: a row a kind, by which rates are measured."""

from __future__ import annotations

from cartl_core.planning.estimates.costs import (
    Cost,
    Images,
    diagnostic_cost,
    looked_at,
    measurement_cost,
    student_cost,
    teacher_cost,
    trains_head_alone,
)
from cartl_core.spec import Arm, AttackSpec, ModelSpec, PretrainSpec
from cartl_core.spec.measures.diagnostics import DiagnosticSpec

TEACHER, STUDENT, HEAD, IMPORT, CLEAN = "teacher", "student", "head", "import", "clean"
START, EXPORT, PUBLISH = "start", "export", "publish"
"""Of a run: what is before its first stage, and after its last one: forms of the student, the report."""


def of_teacher(pretrain: PretrainSpec, images: Images) -> Cost:
    """A teacher's training."""
    passes = teacher_cost(pretrain, images)
    return _in_batches(TEACHER, passes, images.train * pretrain.epochs, images.train, pretrain.batch_size)


def of_student(arm: Arm, model: ModelSpec, images: Images) -> Cost:
    """A student's tuning; a head alone is another kind."""
    cached = arm.transfer.fixed_features or arm.transfer.cached_views is not None
    kind = HEAD if trains_head_alone(arm, model) and cached else STUDENT
    passes, shown = student_cost(arm, model, images), images.train * arm.transfer.epochs
    return _in_batches(kind, passes, shown, images.train, arm.transfer.batch_size)


def of_import() -> Cost:
    """A network that is copied from its file: nothing goes through it."""
    return Cost(IMPORT, 0.0, 0.0)


def of_attack(attack: AttackSpec | None, images: int, batch_size: int) -> Cost:
    """An attack, or accuracy without one."""
    kind = CLEAN if attack is None else f"attack-{attack.name}"
    return _in_batches(kind, measurement_cost(attack, images), images, images, batch_size)


def of_diagnostic(name: str, asked: DiagnosticSpec, images: int, batch_size: int) -> Cost:
    """A diagnostic."""
    count = looked_at(asked, images)
    return _in_batches(f"diagnostic-{name}", diagnostic_cost(name, asked, images), count, count, batch_size)


def outside_stages(*, exports: bool) -> tuple[Cost, ...]:
    """What a run does before its first stage and after its last one; ``exports``: its student has forms."""
    kinds = (START, EXPORT, PUBLISH) if exports else (START, PUBLISH)
    return tuple(Cost(kind, 0.0, 0.0) for kind in kinds)


def _in_batches(kind: str, passes: float, shown: float, images: int, batch_size: int) -> Cost:
    """``images`` are there, of which a batch has ``batch_size``, or all; ``shown`` go through in all."""
    return Cost(kind, passes, shown, batches=passes / max(1, min(images, batch_size)))
