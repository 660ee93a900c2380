"""From what a person wrote to what will run: ``resolve(request, preset) -> JobSpec``.

Every open value comes from the catalog and the preset alone, never from the machine, so the same
request gives the same spec everywhere. Errors name the field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartl_core.catalog import METHODS, PRESETS, MethodFacts, PresetFacts, facts_of, model_facts
from cartl_core.catalog.candidates import CandidateFacts
from cartl_core.errors import SpecError
from cartl_core.planning.arms import build_arm
from cartl_core.planning.candidates import Asked, Maker, is_auto, resolve_auto
from cartl_core.planning.data_and_model import resolve_model, resolve_pair
from cartl_core.planning.defaults import (
    check_depth,
    pretrain_defaults,
    transfer_defaults,
)
from cartl_core.planning.evaluation import resolve_evaluation
from cartl_core.planning.method_settings import (
    Layer,
    refuse_misplaced,
    refuse_settings_of_methods,
    shared_layer,
    written_layer,
)
from cartl_core.planning.radii import check_radii
from cartl_core.spec import (
    Arm,
    BaselineRequest,
    DataSpec,
    JobRequest,
    JobSpec,
    ModelSpec,
)
from cartl_core.spec.arm import AUTO


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
    evaluate = resolve_evaluation(request.evaluate, source, target, preset)
    check_radii(evaluate, model, auto)
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
        evaluate=evaluate,
        baselines=_distinct(main, baselines, chosen=chosen),
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def own_depth(request: JobRequest, default_preset: str = "quick") -> int | None:
    """The one freeze depth that the request's method has in its network; None where there is a choice.

    Raises:
        SpecError: the method is still to be chosen, or the network is not known.
    """
    preset = PRESETS[request.preset or default_preset]
    model = resolve_model(request.model, *resolve_pair(request, preset), preset)
    return METHODS[request.method].own_depth(model_facts(model.name).blocks)


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
    facts, blocks = METHODS[baseline.method], model_facts(ground.model.name).blocks
    own = facts.own_depth(blocks)
    depth = request.freeze_depth if own is None else own
    if baseline.freeze_depth is not None:
        depth = baseline.freeze_depth
    if depth == AUTO:
        raise SpecError(
            f"{where}freeze_depth",
            "`freeze_depth` is auto, chosen by the run, so a baseline needs one of its own",
            allowed=f"0 to {blocks - 1}",
        )
    refuse_misplaced(baseline, facts, where)
    layers = [shared_layer(request, facts), written_layer(baseline, where)]
    return _arm(facts, depth, ground, where, layers, inherited=baseline.freeze_depth is None)


def _own_arm(request: JobRequest, ground: _Ground) -> Arm:
    """The job's own arm, where the person has chosen it."""
    assert request.method != AUTO
    assert request.freeze_depth != AUTO
    facts = METHODS[request.method]
    refuse_misplaced(request, facts, "")
    return _arm(facts, request.freeze_depth, ground, "", [written_layer(request)])


def _maker(request: JobRequest, ground: _Ground) -> Maker:
    """Makes the candidates: what the job says holds for all, its method's own settings for that method."""
    if request.method == AUTO:
        refuse_settings_of_methods(request)
    elif is_auto(request):
        refuse_misplaced(request, METHODS[request.method], "")

    def make(asked: Asked, freeze_depth: int, where: str) -> Arm:
        facts = METHODS[asked.method]
        job = written_layer(request) if facts.name == request.method else shared_layer(request, facts)
        if isinstance(asked, CandidateFacts):
            return _arm(facts, freeze_depth, ground, where, [job], row=asked)
        refuse_misplaced(asked, facts, where)
        layers = [job, written_layer(asked, where)]
        return _arm(facts, freeze_depth, ground, where, layers, inherited=asked.freeze_depth is None)

    return make


def _arm(
    facts: MethodFacts,
    freeze_depth: int,
    ground: _Ground,
    where: str,
    written: Sequence[Layer],
    *,
    row: CandidateFacts | None = None,
    inherited: bool = False,
) -> Arm:
    """The preset's and the data's settings, then the catalog's ``row``, then what was ``written``.

    Args:
        where: path of the arm's settings, for errors.
        written: the job's layer, then the arm's own, if it has one.
        inherited: the arm's depth is the job's.
    """
    blocks = model_facts(ground.model.name).blocks
    check_depth(freeze_depth, facts, ground.model.name, blocks, f"{where}freeze_depth", inherited=inherited)
    return build_arm(facts, freeze_depth, _defaults(facts, ground, row), written, ground.preset, where)


def _defaults(facts: MethodFacts, ground: _Ground, row: CandidateFacts | None) -> Layer:
    """The preset's and the data's settings; a candidate's ``row`` of the catalog replaces its own."""
    pretrain = pretrain_defaults(facts, facts_of(ground.source), ground.preset)
    transfer = transfer_defaults(facts, facts_of(ground.target), pretrain["attack"], ground.preset)
    if row is None:
        return Layer(pretrain, transfer)
    transfer |= row.transfer
    if transfer["attack"] is not None:
        transfer["attack"] = row.inner_attack(transfer["attack"])
    return Layer(pretrain | row.pretrain, transfer)
