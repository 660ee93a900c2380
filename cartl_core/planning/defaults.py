"""An arm's settings where nobody says otherwise, and those that hang on others: from catalog and preset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartl_core.catalog import (
    DISPLACEMENT_STEP,
    DISPLACEMENT_STEPS,
    DISTANCE_WEIGHTS,
    ON_FIXED_FEATURES,
    OPERATOR_BETA,
    DatasetFacts,
    MethodFacts,
    PresetFacts,
    consistent,
)
from cartl_core.errors import SpecError
from cartl_core.spec import TransferSpec
from cartl_core.spec.terms import TERMS
from cartl_core.spec.training import STILL

Origin = Callable[..., str | None]
"""The field in which a person wrote the setting at a path, as in ``origin("transfer", "displacement")``."""


def fit_displacement(
    transfer: dict[str, Any], teacher_eps: float, freeze_depth: int, where: str, origin: Origin
) -> None:
    """As far as the teacher's own training went, unless somebody says otherwise.

    Args:
        teacher_eps: radius of the teacher's training, in pixel units.

    Raises:
        SpecError: nothing is frozen, or features cannot be moved so; the field is the one that was written.
    """
    written = transfer.get("displacement")
    if not isinstance(written, dict):
        return
    if freeze_depth == 0:
        raise SpecError(
            origin("transfer", "displacement") or f"{where}freeze_depth",
            "nothing is frozen at freeze_depth 0, so no features can be moved",
            allowed="freeze_depth from 1",
        )
    _check_still(transfer, origin)
    if "eps" not in written:
        written = _from_the_teacher(teacher_eps, origin) | written
    elif isinstance(eps := written["eps"], float):
        written = {"step": eps * DISPLACEMENT_STEP, "steps": DISPLACEMENT_STEPS} | written
    transfer["displacement"] = written


def _from_the_teacher(eps: float, origin: Origin) -> dict[str, Any]:
    """The radius of the teacher's own training, which may be too small to move anything."""
    step = eps * DISPLACEMENT_STEP
    if step <= 0:
        raise SpecError(
            origin("pretrain", "attack", "eps") or "pretrain.attack.eps",
            f"features are moved as far as images within this radius can move them, and it is {eps:g}",
            allowed="more than 0, or a transfer.displacement.eps of its own",
        )
    return {"eps": eps, "step": step, "steps": DISPLACEMENT_STEPS}


def _check_still(transfer: dict[str, Any], origin: Origin) -> None:
    """What is found once holds for all epochs only where the trunk's features stay as they are."""
    for name, still in STILL.items():
        path = origin("transfer", name)
        if path is not None and transfer.get(name) not in still:
            allowed = " or ".join("null" if value is None else value for value in still)
            raise SpecError(path, "features are moved once, so they must stay as they are", allowed=allowed)


def fdm_weight_of(facts: MethodFacts, distance: str | None, preset: PresetFacts) -> float | None:
    """Lambda of the feature distance that was asked for; None where the teacher has none."""
    if facts.objective != "fdm":
        return None
    return preset.fdm_weight if distance is None else DISTANCE_WEIGHTS.get(distance, preset.fdm_weight)


def beta_of(facts: MethodFacts, norm: str | None, preset: PresetFacts) -> float | None:
    """Spectral scale under the norm that was asked for; None where nothing is scaled."""
    if not facts.nonexpansive:
        return None
    return OPERATOR_BETA if norm == "operator" else preset.beta


def fit_head_epochs(transfer: TransferSpec, *, chosen: bool, where: str) -> TransferSpec:
    """In a shorter training than the preset's, LwF's head keeps half of the epochs to itself."""
    if transfer.lwf_head_epochs <= transfer.epochs:
        return transfer
    if chosen:
        raise SpecError(
            f"{where}transfer.lwf_head_epochs",
            f"{transfer.lwf_head_epochs} of {transfer.epochs} epochs",
            allowed=f"0 to {transfer.epochs}",
        )
    return transfer.model_copy(update={"lwf_head_epochs": transfer.epochs // 2})


def check_depth(
    freeze_depth: int,
    facts: MethodFacts,
    network: str,
    blocks: int,
    field: str,
    *,
    inherited: bool = False,
) -> None:
    """Refuse a depth that the ``network`` of so many blocks, or the method, has not; names ``field``.

    ``inherited``: it was written for the job, not there.
    """
    told = f"{freeze_depth}, from the job's `freeze_depth`," if inherited else str(freeze_depth)
    allowed = facts.depths(blocks)
    if freeze_depth in allowed:
        return
    if facts.distilled:
        raise SpecError(field, f"{told} freezes blocks, and {facts.name} tunes all of them", allowed="0")
    if facts.head_only and freeze_depth < blocks:
        raise SpecError(
            field,
            f"{told} leaves more than the head of {network} ({blocks} blocks) to be tuned, and {facts.name} "
            "tunes the head alone",
            allowed=str(allowed[0]),
        )
    raise SpecError(
        field,
        f"{told} does not fit {network} ({blocks} blocks) with method {facts.name}",
        allowed=" to ".join(map(str, dict.fromkeys((allowed[0], allowed[-1])))),
    )


def pretrain_defaults(facts: MethodFacts, source: DatasetFacts, preset: PresetFacts) -> dict[str, Any]:
    """Settings of the teacher, before anybody has said anything."""
    steps, share = preset.pretrain_attack["steps"], preset.pretrain_attack["step_of_eps"]
    assert isinstance(share, float)
    return {
        "objective": facts.objective,
        "augmentation": source.augmentation if preset.augmentation else "none",
        "attack": {
            "label": "training",
            "eps": source.train_eps,
            "step": source.train_eps * share,
            "steps": steps,
        },
        **preset.pretrain,
    }


def transfer_defaults(
    facts: MethodFacts, target: DatasetFacts, attack: dict[str, Any], preset: PresetFacts
) -> dict[str, Any]:
    """Settings of the student, likewise; ``attack`` is that of its teacher's training."""
    weight = target.consistency_weight
    return {
        "tail_weights": "frozen" if facts.frozen_weights else "tuned",
        "tail_affine": "frozen" if facts.frozen_affine else "tuned",
        "trunk_statistics": preset.trunk_statistics,
        "augmentation": target.augmentation if preset.augmentation else "none",
        "attack": dict(attack) if facts.adversarial else None,
        **{name: TERMS[name].default for name in facts.terms},
        **preset.transfer,
        **(preset.lwf if facts.distilled else {}),
        **preset.students.get(facts.name, {}),
        **(ON_FIXED_FEATURES if facts.fixed_features else {}),
        **(consistent(weight) if facts.displaced else {}),
    }
