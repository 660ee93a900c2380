"""What a job measures: the attacks and diagnostics of its presets, with what the request changes.

Radii come from the data set, amounts from the job's preset, the choice from ``evaluate.preset`` where it
is given. Errors name the field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from cartl_core.catalog import EVALUATIONS, DatasetFacts, EvaluationFacts, PresetFacts, facts_of
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.catalog.evaluations import (
    STEP_SHARE,
    USUAL_INPUT,
    AttackRow,
    Ball,
    attack_settings,
    own_ball,
    usual_ball,
)
from cartl_core.errors import SpecError
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.spec import AttackSpec, ChecksSpec, DataSpec, EvaluateSpec, ModelSpec
from cartl_core.spec.faults import build
from cartl_core.spec.measures.attack import ATTACKS, LEAST_CLASSES, AttackLoss, Norm
from cartl_core.spec.measures.curve import USUAL_PACE, rising_to

FEWEST_STEPS = 2
"""Of a curve whose step size is taken from its pace: a single step would be longer than any ball is wide."""
EXPECTED_OVER = 2.0
"""Expected robustness is the mean over radii up to this many times the evaluation's eps."""


OF_TEACHERS: dict[str, Any] = {"source_attacks": (), "source_test_limit": None}
"""What an evaluation has where no teacher is measured on a source."""


def resolve_evaluation(
    asked: BaseModel | None,
    source: DataSpec | None,
    target: DataSpec,
    preset: PresetFacts,
    model: ModelSpec,
) -> EvaluateSpec:
    """Fill in everything that ``asked`` (an ``EvaluateOverrides``) leaves open.

    Args:
        source: what a teacher is measured on; None where none is.
        model: what is measured.

    Raises:
        SpecError: a value is out of range, or an attack does not fit the data set.
    """
    written = asked.model_dump(exclude_unset=True) if asked else {}
    named = EVALUATIONS[written["preset"]] if written.get("preset") else None
    if source is None:
        _refuse_of_teachers(asked)
    target_facts = facts_of(target)
    norm: Norm = written.get("norm") or "linf"
    ball = _ball(norm, target_facts, model)
    settings: dict[str, Any] = {
        "attacks": _named(named, target, ball) if named else _attacks(preset.attacks, ball),
        "source_attacks": _attacks(preset.source_attacks, _ball(norm, facts_of(source), model))
        if source
        else (),
        "test_limit": preset.test_limit,
        "source_test_limit": preset.source_test_limit if source else None,
        **{diagnostic: {} for diagnostic in (named.diagnostics if named else preset.diagnostics)},
        **written,
    }
    for diagnostic in DIAGNOSTIC_FACTS:
        if settings.get(diagnostic) is not None:
            amounts = {**preset.diagnostics.get(diagnostic, {}), **settings[diagnostic]}
            settings[diagnostic] = (
                _FILLED[diagnostic](amounts, target_facts, ball) if diagnostic in _FILLED else amounts
            )
    if settings.get("gallery") is not None:
        settings["gallery"] = _gallery(settings["gallery"], settings["attacks"] or (), target_facts)
    checks = settings.pop("checks", None)
    evaluate = build(EvaluateSpec, settings, "evaluate")
    _check("attacks", evaluate.attacks, target)
    if source is not None:
        _check("source_attacks", evaluate.source_attacks, source)
    if checks is not None:
        checks.setdefault("attack", attack_of_checks(evaluate.attacks, target_facts).model_dump())
        made = build(ChecksSpec, checks, "evaluate.checks")
        evaluate = evaluate.model_copy(update={"checks": made})
    if evaluate.curve is not None and (least := _lacking(evaluate.curve.loss, target)):
        raise _too_few("evaluate.curve.loss", "pgd", evaluate.curve.loss, least, target)
    return evaluate


def _refuse_of_teachers(asked: BaseModel | None) -> None:
    """What is measured of a teacher on its source, where there is none."""
    for field, off in OF_TEACHERS.items():
        written = getattr(asked, field, None)
        if written is not None and written != off:
            raise SpecError(
                f"evaluate.{field}", "no teacher is measured on a source here", allowed="leave it out"
            )


def _ball(norm: Norm, data: DatasetFacts, model: ModelSpec) -> Ball:
    if norm == "linf":
        return own_ball(data)
    if (found := usual_ball(norm, model)) is None:
        (channels, side), size = USUAL_INPUT, model.image_size
        raise SpecError(
            "evaluate.norm",
            f"a network that takes {model.channels} x {size} x {size} has no usual radius in {norm}",
            allowed=f"linf, or a network that takes {channels} x {side} x {side}; in evaluate.attacks "
            "any norm and radius",
        )
    return found


def _attacks(rows: tuple[AttackRow, ...], ball: Ball) -> tuple[AttackRow, ...]:
    return tuple(attack_settings(row, ball) for row in rows)


def _named(named: EvaluationFacts, data: DataSpec, ball: Ball) -> tuple[AttackRow, ...]:
    """The attacks that a preset stands for, on a task of so many classes."""
    rows = _attacks(named.attacks, ball)
    if named.ensemble is None:
        return rows
    try:
        attacks = ENSEMBLES[named.ensemble].expand(ball.norm, ball.eps, _classes(data))
    except ValueError as error:
        fitting = (other.name for other in EVALUATIONS.values() if _fits(other, data))
        raise SpecError("evaluate.preset", str(error), allowed=", ".join(fitting)) from error
    return (*rows, *(attack.model_dump() for attack in attacks))


def _fits(named: EvaluationFacts, data: DataSpec) -> bool:
    return named.ensemble is None or _classes(data) >= ENSEMBLES[named.ensemble].least_classes


def _curve(asked: dict[str, Any], data: DatasetFacts, ball: Ball) -> dict[str, Any]:
    """Radii around the usual one, to the end; a pace that fits the steps."""
    multiples = asked.pop("multiples", None)
    asked.setdefault("norm", ball.norm)
    norm = asked["norm"] or "linf"
    if norm == "linf":
        ball = own_ball(data)
    for field in ("eps", "expected_to"):
        if norm != ball.norm and asked.get(field) is None:
            raise SpecError(
                f"evaluate.curve.{field}",
                f"`evaluate.curve.norm` is {norm}, in which {data.name} has no usual radius to take it from",
                allowed="radii in pixel units" if field == "eps" else "a radius of the curve or below",
            )
    if norm == ball.norm:
        asked.setdefault("eps", rising_to(ball.end, ball.eps, *((multiples,) if multiples else ())))
        if asked["eps"]:
            asked.setdefault("expected_to", min(EXPECTED_OVER * ball.eps, asked["eps"][-1]))
    if asked.get("steps"):
        if asked["steps"] < FEWEST_STEPS and asked.get("step_of_eps") is None:
            raise SpecError(
                "evaluate.curve.steps",
                "a single step has no usual size",
                allowed=f"{FEWEST_STEPS} or more, or a step_of_eps beside it",
            )
        asked.setdefault("step_of_eps", USUAL_PACE / asked["steps"])
    return asked


def _audit(asked: dict[str, Any], data: DatasetFacts, _ball: Ball) -> dict[str, Any]:
    """It moves features within a radius of linf, whatever the norm of the attacks is."""
    return {"eps": data.eval_eps, **asked}


_FILLED: dict[str, Callable[[dict[str, Any], DatasetFacts, Ball], dict[str, Any]]] = {
    "curve": _curve,
    "audit": _audit,
}


def _gallery(asked: dict[str, Any], attacks: Sequence[AttackRow], data: DatasetFacts) -> dict[str, Any]:
    """In the ball of the last attack that has one, or that of the data set where there is none."""
    last = next((row for row in reversed(attacks) if row["eps"] > 0), {"eps": data.eval_eps})
    ball = {"norm": last.get("norm", "linf"), "eps": last["eps"]}
    if "norm" in asked and asked["norm"] != ball["norm"] and "eps" not in asked:
        raise SpecError(
            "evaluate.gallery.eps",
            f"`evaluate.gallery.norm` is {asked['norm']}, but the last attack is in {ball['norm']}",
            allowed="a radius in pixel units",
        )
    return {**ball, **asked}


def _check(field: str, attacks: tuple[AttackSpec, ...], data: DataSpec) -> None:
    labels = [attack.label for attack in attacks]
    if len(set(labels)) != len(labels):
        raise SpecError(f"evaluate.{field}", "two attacks have one label", allowed="distinct labels")
    for index, attack in enumerate(attacks):
        check_attack(f"evaluate.{field}.{index}", attack, data)


def check_attack(where: str, attack: AttackSpec, data: DataSpec) -> None:
    """Refuse an attack whose loss needs more classes than the task has.

    Raises:
        SpecError: naming the attack's loss, and those that fit.
    """
    if least := _lacking(attack.loss, data):
        raise _too_few(f"{where}.loss", attack.name, attack.loss, least, data)


def _too_few(field: str, attack: str, loss: AttackLoss, least: int, data: DataSpec) -> SpecError:
    return SpecError(
        field,
        f"{loss} needs at least {least} classes, {data.name} has {_classes(data)} here",
        allowed=", ".join(other for other in ATTACKS[attack].losses if not _lacking(other, data)),
    )


def _lacking(loss: AttackLoss, data: DataSpec) -> int | None:
    """The classes that a loss needs, where the data set has fewer."""
    least = LEAST_CLASSES.get(loss, 2)
    return least if _classes(data) < least else None


def _classes(data: DataSpec) -> int:
    return len(data.classes or facts_of(data).classes)


STEPS = 50
"""At most, of the checks' own attack."""


def attack_of_checks(attacks: Sequence[AttackSpec], data: DatasetFacts) -> AttackSpec:
    """Made like the job's attack on the cross-entropy that tries hardest, with fewer steps.

    Where the job has none with a radius, at the data set's own radius.
    """
    climbing = [
        attack
        for attack in attacks
        if attack.loss == "ce" and ATTACKS[attack.name].gradients and attack.eps > 0
    ]
    if not climbing:
        return AttackSpec(label="checks", eps=data.eval_eps, step=data.eval_step, steps=STEPS)
    hardest = max(climbing, key=lambda attack: attack.steps * attack.restarts)
    return AttackSpec(
        label="checks",
        norm=hardest.norm,
        eps=hardest.eps,
        step=hardest.step or STEP_SHARE * hardest.eps,
        steps=min(STEPS, hardest.steps),
    )
