"""The stages of a run, each described in one place: what it computes, under which digest, at what cost.

Who computes a stage and who reads its result back is one row of ``cartl_core.run.runners``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from cartl_core.catalog.low_precision import begun_in
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.estimates.costs import Cost, Images
from cartl_core.planning.estimates.work import of_attack, of_diagnostic, of_import, of_student, of_teacher
from cartl_core.planning.stage_digests import RunSetting, StageKey, plain, stage_key
from cartl_core.spec import Arm, AttackSpec, ModelSpec, PretrainSpec
from cartl_core.spec.measures.diagnostics import DiagnosticSpec


@dataclass(frozen=True)
class DataRef:
    """Images that a stage measures on: by what a digest knows them, and how many there are.

    Attributes:
        role: whose images these are in the job: `source`, `target`, or of a further test set `target-2`.
        fingerprint: of the whole data set.
        limit: at most so many images of the split; None takes all.
        images: how many that are.
    """

    role: str
    split: Literal["test", "validation"]
    fingerprint: str
    limit: int | None
    images: int


@dataclass(frozen=True)
class Pretraining:
    """A teacher is trained; ``freeze_depth`` is None where it serves every depth."""

    pretrain: PretrainSpec
    freeze_depth: int | None


@dataclass(frozen=True)
class Continuing:
    """The training of the teacher ``start``, which was given, goes on; the rest as of ``Pretraining``."""

    pretrain: PretrainSpec
    freeze_depth: int | None
    start: StageKey


@dataclass(frozen=True)
class Transferring:
    """A student is tuned from the ``teacher``."""

    arm: Arm
    teacher: StageKey


@dataclass(frozen=True)
class Importing:
    """An existing network is copied from its file, whose SHA-256 is known."""

    sha256: str


@dataclass(frozen=True)
class Attacking:
    """A network is attacked; None measures its accuracy without an attack."""

    attack: AttackSpec | None
    network: StageKey
    data: DataRef


@dataclass(frozen=True)
class Diagnosing:
    """A diagnostic looks at a network.

    Attributes:
        name: of the diagnostic, a key of ``DIAGNOSTIC_FACTS``.
        freeze_depth: leading blocks that were frozen when the network was tuned.
        others: the job's other students, by their subject, where the diagnostic uses them.
    """

    name: str
    asked: DiagnosticSpec
    network: StageKey
    freeze_depth: int
    others: tuple[tuple[str, StageKey], ...]
    data: DataRef


Work = Pretraining | Continuing | Transferring | Importing | Attacking | Diagnosing


def networks_of(work: Work) -> tuple[StageKey, ...]:
    """The stages whose networks a stage reads."""
    match work:
        case Transferring():
            return (work.teacher,)
        case Continuing():
            return (work.start,)
        case Attacking():
            return (work.network,)
        case Diagnosing():
            return (work.network, *(other for _, other in work.others))
        case Pretraining() | Importing():
            return ()


W = TypeVar("W", bound=Work, covariant=True)


@dataclass(frozen=True)
class StageSpec(Generic[W]):
    """One stage; of its ``cost`` see ``cartl_core.planning.estimates.costs``."""

    work: W
    key: StageKey
    cost: Cost

    @property
    def digest(self) -> str:
        """Of all that determines the stage's numbers."""
        return self.key.digest


def pretraining(
    pretrain: PretrainSpec,
    freeze_depth: int,
    *,
    model: ModelSpec,
    fingerprint: str,
    images: int,
    validation: int = 0,
    setting: RunSetting,
) -> StageSpec[Pretraining]:
    """A teacher; one that ``serves_every_depth`` has one digest for all.

    Args:
        fingerprint: of the source.
        images: of the source's training split.
        validation: images of the source by which an epoch is chosen.
    """
    depth, settings = _of_a_teacher(pretrain, freeze_depth)
    key = stage_key(
        "pretrain",
        f"teacher ({pretrain.objective})",
        setting,
        shared=True,
        pretrain=settings,
        model=plain(model),
        source=fingerprint,
    )
    return StageSpec(Pretraining(pretrain, depth), key, of_teacher(pretrain, Images(images, validation)))


def continuing(
    pretrain: PretrainSpec,
    freeze_depth: int,
    start: StageKey,
    *,
    fingerprint: str,
    images: int,
    validation: int = 0,
    setting: RunSetting,
) -> StageSpec[Continuing]:
    """A given teacher, trained further; its network is in the digest of ``start``.

    Args:
        fingerprint: of the source.
        images: of the source's training split.
        validation: images of the source by which an epoch is chosen.
    """
    depth, settings = _of_a_teacher(pretrain, freeze_depth)
    key = stage_key(
        "pretrain",
        f"teacher ({pretrain.objective}, continued)",
        setting,
        shared=True,
        pretrain=settings,
        start=start,
        source=fingerprint,
    )
    return StageSpec(
        Continuing(pretrain, depth, start), key, of_teacher(pretrain, Images(images, validation))
    )


def _of_a_teacher(pretrain: PretrainSpec, freeze_depth: int) -> tuple[int | None, dict[str, Any]]:
    """The depth that it is made for, None for every one; its settings as they go into a digest."""
    settings = plain(pretrain)
    settings["attack"].pop("label", None)
    depth = None if pretrain.serves_every_depth else freeze_depth
    if depth is not None:
        settings["freeze_depth"] = depth
    return depth, settings


def transferring(
    arm: Arm,
    teacher: StageKey,
    *,
    model: ModelSpec,
    fingerprint: str,
    images: int,
    validation: int = 0,
    setting: RunSetting,
    label: str | None = None,
) -> StageSpec[Transferring]:
    """A student: its teacher's own settings are in its teacher's digest.

    Args:
        fingerprint: of the target.
        images: of the target's training split.
        validation: images of the target by which an epoch is chosen.
    """
    settings = plain(arm.transfer)
    settings.get("attack", {}).pop("label", None)
    # Of a teacher that is trained here it is in the teacher's digest.
    within: dict[str, Any] = {} if arm.teacher_eps is None else {"teacher_eps": arm.teacher_eps}
    key = stage_key(
        "transfer",
        label or f"student ({arm.method})",
        setting,
        transfer=settings,
        freeze_depth=arm.freeze_depth,
        teacher=teacher,
        target=fingerprint,
        **within,
    )
    return StageSpec(Transferring(arm, teacher), key, of_student(arm, model, Images(images, validation)))


def importing(sha256: str, *, setting: RunSetting, label: str = "the given network") -> StageSpec[Importing]:
    """A network that was made elsewhere."""
    key = stage_key("evaluate", label, setting, given=sha256)
    return StageSpec(Importing(sha256), key, of_import())


def attacking(
    attack: AttackSpec | None, subject: str, network: StageKey, data: DataRef, *, setting: RunSetting
) -> StageSpec[Attacking]:
    """One attack (None: no attack) on one network; here the attack's label does set the random starts.

    Args:
        subject: what the network is called in the stage's label.
    """
    images: dict[str, Any] = {} if data.split == "test" else {"split": data.split}
    key = stage_key(
        "evaluate",
        f"attack {attack.label} on {subject}" if attack else f"clean accuracy of {subject}",
        setting,
        network=network,
        attack=plain(attack) if attack else None,
        data=data.fingerprint,
        test_limit=data.limit,
        batch_size=setting.batch_size,
        begun_in=begun_in(attack, setting.runtime),
        **images,
    )
    return StageSpec(
        Attacking(attack, network, data), key, of_attack(attack, data.images, setting.batch_size)
    )


def diagnosing(
    name: str,
    asked: DiagnosticSpec,
    subject: str,
    network: StageKey,
    data: DataRef,
    *,
    freeze_depth: int,
    others: tuple[tuple[str, StageKey], ...],
    setting: RunSetting,
) -> StageSpec[Diagnosing]:
    """One diagnostic on one network; ``others`` are the students that it uses besides."""
    facts = DIAGNOSTIC_FACTS[name]
    key = stage_key(
        "evaluate",
        f"{facts.title} of {subject}",
        setting,
        recipe=facts.recipe,
        network=network,
        probe={"name": name, **plain(asked)},
        others=[other for _, other in others],
        data=data.fingerprint,
        test_limit=data.limit,
        batch_size=setting.batch_size,
    )
    return StageSpec(
        Diagnosing(name, asked, network, freeze_depth, others, data),
        key,
        of_diagnostic(name, asked, data.images, setting.batch_size),
    )
