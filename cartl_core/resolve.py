"""From what a person wrote to what will run: ``resolve(request, preset) -> JobSpec``.

Every open value comes from the catalog and the preset alone, never from the machine, so the same
request gives the same spec everywhere. Errors name the field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from cartl_core.catalog import (
    DATASETS,
    DISPLACEMENT_STEP,
    DISPLACEMENT_STEPS,
    METHODS,
    OPERATOR_BETA,
    PRESETS,
    SPREAD_WEIGHT,
    MethodFacts,
    PresetFacts,
    model_facts,
)
from cartl_core.errors import SpecError
from cartl_core.pairing import resolve_model, resolve_pair
from cartl_core.part import build
from cartl_core.resolve_evaluation import resolve_evaluation
from cartl_core.spec import (
    Arm,
    BaselineRequest,
    DataSpec,
    JobRequest,
    JobSpec,
    ModelSpec,
    PretrainSpec,
    TransferSpec,
)


def resolve(request: JobRequest, default_preset: str = "quick") -> JobSpec:
    """Fill in everything that ``request`` leaves open.

    Raises:
        SpecError: a value is unknown, out of range for this network or data set, or does not fit
            the method.
    """
    preset = PRESETS[request.preset or default_preset]
    source, target = resolve_pair(request, preset)
    model = resolve_model(request.model, source, target, preset)
    main = _arm(request, request.method, request.freeze_depth, source, model, preset, "")
    baselines = tuple(
        _baseline(request, baseline, index, main, source, model, preset)
        for index, baseline in enumerate(request.baselines)
    )
    return JobSpec(
        name=request.name,
        tags=request.tags,
        preset=preset.name,
        dataset=target,
        source=source,
        model=model,
        method=main.method,
        freeze_depth=main.freeze_depth,
        pretrain=main.pretrain,
        transfer=main.transfer,
        evaluate=resolve_evaluation(request.evaluate, source, target, preset),
        baselines=_distinct(main, baselines, chosen="baselines" in request.model_fields_set),
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def _frozen_and_clean(facts: MethodFacts) -> bool:
    """Methods that tune a tail on clean images; what is beside their cross-entropy is an option."""
    return not (facts.distilled or facts.adversarial)


# Settings that only some methods have: where they are written, who uses them, how "off" is written.
_SETTINGS_OF_METHODS: tuple[tuple[str, str, Callable[[MethodFacts], bool], object], ...] = (
    ("pretrain", "fdm_weight", lambda facts: facts.objective == "fdm", None),
    ("pretrain", "fdm_distance", lambda facts: facts.objective == "fdm", "absolute"),
    ("pretrain", "fdm_layers", lambda facts: facts.objective == "fdm", "trunk"),
    ("transfer", "beta", lambda facts: facts.nonexpansive, None),
    ("transfer", "norm", lambda facts: facts.nonexpansive, "reshaped"),
    ("transfer", "lwf_weight", lambda facts: facts.distilled, None),
    ("transfer", "lwf_head_epochs", lambda facts: facts.distilled, 0),
    ("transfer", "attack", lambda facts: facts.adversarial, None),
    ("transfer", "displacement", _frozen_and_clean, None),
)
# Of those, what a method that uses them can do without.
_OPTIONAL = frozenset({"displacement"})


def unused_by(method: str) -> frozenset[tuple[str, ...]]:
    """Settings, as (part, field), that a method does not use; where one is written for it, it is refused."""
    facts = METHODS[method]
    return frozenset((part, field) for part, field, used, _ in _SETTINGS_OF_METHODS if not used(facts))


def _refuse_misplaced(written: JobRequest | BaselineRequest, facts: MethodFacts, where: str) -> None:
    """A setting that the method does not use, or cannot do without, is refused, not ignored."""
    for part, field, used, off in _SETTINGS_OF_METHODS:
        overrides = getattr(written, part)
        if overrides is None or field not in overrides.model_fields_set:
            continue
        value = getattr(overrides, field)
        if used(facts) and value is None and field not in _OPTIONAL:
            raise SpecError(
                f"{where}{part}.{field}", f"method {facts.name} needs it", allowed="a value, or leave it out"
            )
        if not used(facts) and value is not None and value != off:
            users = ", ".join(name for name, other in METHODS.items() if used(other))
            raise SpecError(
                f"{where}{part}.{field}", f"not used by method {facts.name}", allowed=f"methods {users}"
            )
    objective = getattr(written.pretrain, "objective", None)
    if objective is not None and objective != facts.objective:
        raise SpecError(
            f"{where}pretrain.objective",
            f"method {facts.name} has a teacher of its own",
            allowed=facts.objective,
        )


def _distinct(main: Arm, baselines: tuple[Arm, ...], *, chosen: bool) -> tuple[Arm, ...]:
    """An arm beside itself says nothing: left out where nobody asked for it, refused where somebody did."""
    kept: list[Arm] = []
    for index, arm in enumerate(baselines):
        if arm not in (main, *kept):
            kept.append(arm)
        elif chosen:
            raise SpecError(
                f"baselines.{index}",
                "it is the same as the job itself or an earlier baseline",
                allowed="arms that differ in some setting",
            )
    return tuple(kept)


def _baseline(
    request: JobRequest,
    baseline: BaselineRequest,
    index: int,
    main: Arm,
    source: DataSpec,
    model: ModelSpec,
    preset: PresetFacts,
) -> Arm:
    """A baseline follows the job's own overrides, less those that its method does not use."""
    depth = baseline.freeze_depth
    if depth is None:
        depth = 0 if METHODS[baseline.method].distilled else main.freeze_depth
    return _arm(request, baseline.method, depth, source, model, preset, f"baselines.{index}.", baseline)


def _arm(
    request: JobRequest,
    method: str,
    freeze_depth: int,
    source: DataSpec,
    model: ModelSpec,
    preset: PresetFacts,
    where: str,
    own: BaselineRequest | None = None,
) -> Arm:
    facts = METHODS[method]
    _check_depth(freeze_depth, facts, model, f"{where}freeze_depth")
    written = own or request
    _refuse_misplaced(written, facts, where)
    pretrain = _pretrain_defaults(facts, source, preset)
    transfer = _transfer_defaults(facts, pretrain["attack"], preset)
    for settings in (request, own):
        if settings is not None:
            shared = settings is request and own is not None
            _overlay(pretrain, settings.pretrain, facts, shared)
            _overlay(transfer, settings.transfer, facts, shared)
    _fit_displacement(transfer, pretrain, freeze_depth, where)
    pretrain.setdefault("fdm_weight", _fdm_weight(facts, pretrain.get("fdm_distance"), preset))
    transfer.setdefault("beta", _beta(facts, transfer.get("norm"), preset))
    return Arm(
        method=facts.name,
        freeze_depth=freeze_depth,
        pretrain=build(PretrainSpec, pretrain, f"{where}pretrain"),
        transfer=_fit_head_epochs(
            build(TransferSpec, transfer, f"{where}transfer"),
            chosen="lwf_head_epochs" in getattr(written.transfer, "model_fields_set", ()),
            where=where,
        ),
    )


def _fit_displacement(
    transfer: dict[str, Any], pretrain: dict[str, Any], freeze_depth: int, where: str
) -> None:
    """As far as the teacher's own training went, unless somebody says otherwise."""
    written = transfer.get("displacement")
    if not isinstance(written, dict):
        return
    if freeze_depth == 0:
        raise SpecError(
            f"{where}transfer.displacement",
            "nothing is frozen at freeze_depth 0",
            allowed="freeze_depth from 1",
        )
    eps = written.get("eps", pretrain["attack"]["eps"])
    if isinstance(eps, float):
        written = {"eps": eps, "step": eps * DISPLACEMENT_STEP, "steps": DISPLACEMENT_STEPS} | written
    transfer["displacement"] = written


def _fdm_weight(facts: MethodFacts, distance: str | None, preset: PresetFacts) -> float | None:
    if facts.objective != "fdm":
        return None
    return SPREAD_WEIGHT if distance == "spread" else preset.fdm_weight


def _beta(facts: MethodFacts, norm: str | None, preset: PresetFacts) -> float | None:
    if not facts.nonexpansive:
        return None
    return OPERATOR_BETA if norm == "operator" else preset.beta


def _fit_head_epochs(transfer: TransferSpec, *, chosen: bool, where: str) -> TransferSpec:
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


def _check_depth(freeze_depth: int, facts: MethodFacts, model: ModelSpec, field: str) -> None:
    blocks = model_facts(model.name).blocks
    if facts.distilled and freeze_depth != 0:
        raise SpecError(field, f"{facts.name} tunes the whole network", allowed="0")
    lowest = 1 if facts.objective == "fdm" else 0
    if not lowest <= freeze_depth <= blocks - 1:
        raise SpecError(
            field,
            f"{freeze_depth} does not fit {model.name} ({blocks} blocks) with method {facts.name}",
            allowed=f"{lowest} to {blocks - 1}",
        )


def _pretrain_defaults(facts: MethodFacts, source: DataSpec, preset: PresetFacts) -> dict[str, Any]:
    data = DATASETS[source.name]
    steps, share = preset.pretrain_attack["steps"], preset.pretrain_attack["step_of_eps"]
    assert isinstance(share, float)
    return {
        "objective": facts.objective,
        "augmentation": data.augmentation if preset.augmentation else "none",
        "attack": {
            "label": "training",
            "eps": data.train_eps,
            "step": data.train_eps * share,
            "steps": steps,
        },
        **preset.pretrain,
    }


def _transfer_defaults(facts: MethodFacts, attack: dict[str, Any], preset: PresetFacts) -> dict[str, Any]:
    return {
        "tail_affine": "frozen" if facts.frozen_affine else "tuned",
        "trunk_statistics": preset.trunk_statistics,
        "attack": dict(attack) if facts.adversarial else None,
        **preset.transfer,
        **(preset.lwf if facts.distilled else {}),
    }


# Fields that a baseline does not take over from the job: they make the job's method what it is.
OWN_FIELDS = frozenset(
    {
        "objective",
        "fdm_weight",
        "fdm_distance",
        "fdm_layers",
        "beta",
        "norm",
        "lwf_weight",
        "lwf_head_epochs",
        "attack",
        "tail_affine",
        "displacement",
    }
)
# Of those, the inner attack of pretraining is shared: teachers are compared at one radius.
_SHARED_PARTS = {"PretrainSpecOverrides": {"attack"}}


def _overlay(settings: dict[str, Any], overrides: BaseModel | None, facts: MethodFacts, shared: bool) -> None:
    """Lay what was written over the defaults, part by part."""
    if overrides is None:
        return
    kept = _SHARED_PARTS.get(type(overrides).__name__, set())
    for name, value in overrides.model_dump(exclude_unset=True).items():
        if shared and name in OWN_FIELDS - kept:
            continue
        if isinstance(value, dict):
            settings[name] = {**(settings.get(name) or {}), **value}
        else:
            settings[name] = value
