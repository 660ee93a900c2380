"""From what a person wrote to what will run: ``resolve(request, preset) -> JobSpec``.

Every open value comes from the catalog and the preset alone, never from the machine, so the same
request gives the same spec everywhere. Errors name the field and what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.catalog import METHODS, PRESETS, MethodFacts, PresetFacts, model_facts
from cartl_core.catalog.candidates import CandidateFacts
from cartl_core.errors import SpecError
from cartl_core.planning.candidates import Asked, Maker, is_auto, resolve_auto
from cartl_core.planning.data_and_model import resolve_model, resolve_pair
from cartl_core.planning.defaults import (
    beta_of,
    check_depth,
    fdm_weight_of,
    fit_displacement,
    fit_head_epochs,
    pretrain_defaults,
    transfer_defaults,
)
from cartl_core.planning.evaluation import resolve_evaluation
from cartl_core.planning.method_settings import _overlay, _refuse_misplaced, _refuse_settings_of_methods
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
from cartl_core.spec.arm import AUTO
from cartl_core.spec.base import build


def resolve(request: JobRequest, default_preset: str = "quick") -> JobSpec:
    """Fill in everything that ``request`` leaves open.

    Raises:
        SpecError: a value is unknown, out of range for this network or data set, or does not fit
            the method.
    """
    preset = PRESETS[request.preset or default_preset]
    source, target = resolve_pair(request, preset)
    model = resolve_model(request.model, source, target, preset)
    ground = _Ground(source, target, model, preset)
    main = None if is_auto(request) else _own_arm(request, ground)
    auto = resolve_auto(request, target, model, _maker(request, ground))
    chosen = "baselines" in request.model_fields_set
    baselines = tuple(
        _baseline(request, baseline, index, ground)
        for index, baseline in enumerate(request.baselines if chosen or main else ())
    )
    return JobSpec(
        name=request.name,
        tags=request.tags,
        preset=preset.name,
        dataset=target,
        source=source,
        model=model,
        method=request.method,
        freeze_depth=request.freeze_depth,
        pretrain=main.pretrain if main else None,
        transfer=main.transfer if main else None,
        auto=auto,
        evaluate=resolve_evaluation(request.evaluate, source, target, preset),
        baselines=_distinct(main, baselines, chosen=chosen),
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def _distinct(main: Arm | None, baselines: tuple[Arm, ...], *, chosen: bool) -> tuple[Arm, ...]:
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


@dataclass(frozen=True)
class _Ground:
    """What is settled before any arm is made, and the same for all."""

    source: DataSpec
    target: DataSpec
    model: ModelSpec
    preset: PresetFacts


def _baseline(request: JobRequest, baseline: BaselineRequest, index: int, ground: _Ground) -> Arm:
    """A baseline follows the job's own overrides, less those that its method does not use."""
    where = f"baselines.{index}."
    depth = 0 if METHODS[baseline.method].distilled else request.freeze_depth
    if baseline.freeze_depth is not None:
        depth = baseline.freeze_depth
    if depth == AUTO:
        raise SpecError(
            f"{where}freeze_depth",
            "the job's own is chosen by the run, so a baseline needs one of its own",
            allowed=f"0 to {model_facts(ground.model.name).blocks - 1}",
        )
    facts = METHODS[baseline.method]
    return _arm(request, facts, depth, ground, where, own=baseline, shared=True)


def _own_arm(request: JobRequest, ground: _Ground) -> Arm:
    """The job's own arm, where the person has chosen it."""
    assert request.method != AUTO
    assert request.freeze_depth != AUTO
    facts = METHODS[request.method]
    _refuse_misplaced(request, facts, "")
    return _arm(request, facts, request.freeze_depth, ground, "")


def _maker(request: JobRequest, ground: _Ground) -> Maker:
    """Makes the candidates: what the job says holds for all, its method's own settings for that method."""
    if request.method == AUTO:
        _refuse_settings_of_methods(request)
    elif is_auto(request):
        _refuse_misplaced(request, METHODS[request.method], "")

    def make(asked: Asked, freeze_depth: int, where: str) -> Arm:
        facts = METHODS[asked.method]
        row, own = (asked, None) if isinstance(asked, CandidateFacts) else (None, asked)
        shared = facts.name != request.method
        return _arm(request, facts, freeze_depth, ground, where, own=own, row=row, shared=shared)

    return make


def _arm(
    request: JobRequest,
    facts: MethodFacts,
    freeze_depth: int,
    ground: _Ground,
    where: str,
    *,
    own: BaselineRequest | None = None,
    row: CandidateFacts | None = None,
    shared: bool = False,
) -> Arm:
    """The preset's and the data's, then the catalog's ``row``, then the job's, then the arm's ``own``.

    Args:
        shared: take over from the job only what does not make its method what it is.
    """
    preset = ground.preset
    check_depth(freeze_depth, facts, ground.model, f"{where}freeze_depth")
    if own is not None:
        _refuse_misplaced(own, facts, where)
    written = own or request
    pretrain = pretrain_defaults(facts, ground.source, preset)
    transfer = transfer_defaults(facts, ground.target, pretrain["attack"], preset)
    if row is not None:
        pretrain.update(row.pretrain)
        transfer.update(row.transfer)
        if transfer["attack"] is not None:
            transfer["attack"] = row.inner_attack(transfer["attack"])
    _overlay(pretrain, request.pretrain, facts, shared)
    _overlay(transfer, request.transfer, facts, shared)
    if own is not None:
        _overlay(pretrain, own.pretrain, facts, shared=False)
        _overlay(transfer, own.transfer, facts, shared=False)
    fit_displacement(transfer, pretrain, freeze_depth, where)
    pretrain.setdefault("fdm_weight", fdm_weight_of(facts, pretrain.get("fdm_distance"), preset))
    transfer.setdefault("beta", beta_of(facts, transfer.get("norm"), preset))
    return Arm(
        method=facts.name,
        freeze_depth=freeze_depth,
        pretrain=build(PretrainSpec, pretrain, f"{where}pretrain"),
        transfer=fit_head_epochs(
            build(TransferSpec, transfer, f"{where}transfer"),
            chosen="lwf_head_epochs" in getattr(written.transfer, "model_fields_set", ()),
            where=where,
        ),
    )
