"""From what a person wrote to what will run: ``resolve(request, preset) -> JobSpec``.

Every open value comes from the catalog and the preset alone, never from the machine, so the same
request gives the same spec everywhere. Errors name the field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cartl_core.catalog import METHODS, PRESETS, DatasetFacts, MethodFacts, PresetFacts, facts_of, model_facts
from cartl_core.catalog.candidates import CandidateFacts
from cartl_core.errors import SpecError
from cartl_core.planning.acceptance import check_acceptance, check_plain_baseline
from cartl_core.planning.arms import build_arm
from cartl_core.planning.candidates import Asked, Maker, is_auto, resolve_auto
from cartl_core.planning.data_and_model import resolve_model, resolve_pair
from cartl_core.planning.defaults import (
    check_depth,
    pretrain_defaults,
    transfer_defaults,
)
from cartl_core.planning.evaluation import resolve_evaluation
from cartl_core.planning.lookup import CATALOG_ALONE, Lookup
from cartl_core.planning.method_settings import (
    Layer,
    refuse_misplaced,
    refuse_settings_of_methods,
    shared_layer,
    written_layer,
)
from cartl_core.planning.networks.given_teacher import (
    GivenTeacher,
    check_model,
    find_teacher,
    given_teacher,
    refuse_pretraining,
)
from cartl_core.planning.networks.network_families import without_audit
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


def resolve(request: JobRequest, default_preset: str = "quick", lookup: Lookup = CATALOG_ALONE) -> JobSpec:
    """Fill in everything that ``request`` leaves open.

    Args:
        request: what a person wrote.
        default_preset: where the request names none.
        lookup: finds the data sets and teachers that people brought.

    Raises:
        SpecError: a value is unknown, out of range for this network or data set, or does not fit
            the method.
    """
    preset = PRESETS[request.preset or default_preset]
    ground = _ground(request, preset, lookup)
    source, target = ground.source, ground.target
    main = None if is_auto(request) else _own_arm(request, ground)
    auto = resolve_auto(request, target, ground.blocks, _maker(request, ground), ground.teacher)
    chosen = "baselines" in request.model_fields_set
    baselines = tuple(
        _baseline(request, baseline, index, ground)
        for index, baseline in enumerate(request.baselines if chosen or main else ())
    )
    _refuse_idle_epochs(ground, (*(auto.candidates if auto else (main,)), *baselines))
    evaluate = resolve_evaluation(request.evaluate, source, target, preset, ground.model)
    check_radii(evaluate, ground.model, auto)
    check_acceptance(request.accept, evaluate)
    check_plain_baseline(request.accept, baselines, chooses=auto is not None)
    if ground.teacher is not None:
        evaluate = without_audit(evaluate, request.evaluate, ground.model.name)
    return JobSpec(
        name=request.name,
        tags=request.tags,
        preset=preset.name,
        dataset=target,
        source=source,
        model=ground.model,
        teacher=ground.teacher.spec if ground.teacher else None,
        method=request.method,
        freeze_depth=request.freeze_depth,
        pretrain=main.pretrain if main else None,
        transfer=main.transfer if main else None,
        auto=auto,
        evaluate=evaluate,
        baselines=_distinct(main, baselines, chosen=chosen),
        accept=request.accept,
        exports=request.exports,
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def own_depth(
    request: JobRequest, default_preset: str = "quick", lookup: Lookup = CATALOG_ALONE
) -> int | None:
    """The one freeze depth that the request's method has in its network; None where there is a choice.

    Raises:
        SpecError: the method is still to be chosen, or the network is not known.
    """
    preset = PRESETS[request.preset or default_preset]
    return METHODS[request.method].own_depth(_ground(request, preset, lookup).blocks)


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

    source: DataSpec | None
    target: DataSpec
    model: ModelSpec
    preset: PresetFacts
    blocks: int
    teacher: GivenTeacher | None = None

    @property
    def taught_on(self) -> DatasetFacts:
        """The data of the teacher's training, with the radius of that of a given one."""
        facts = facts_of(self.source or self.target)
        return replace(facts, train_eps=self.teacher.spec.eps) if self.teacher else facts


def _ground(request: JobRequest, preset: PresetFacts, lookup: Lookup) -> _Ground:
    if request.teacher is None:
        source, target = resolve_pair(request, preset, lookup)
        assert source is not None
        model = resolve_model(request.model, source, target, preset)
        return _Ground(source, target, model, preset, model_facts(model.name).blocks)
    learns, target = resolve_pair(request, preset, lookup)
    teacher = given_teacher(request.teacher, find_teacher(request.teacher, lookup), target)
    if is_auto(request):
        refuse_pretraining(request, None, "")
    return _Ground(learns, target, check_model(request.model, teacher.spec), preset, teacher.blocks, teacher)


def _refuse_idle_epochs(ground: _Ground, arms: Sequence[Arm | None]) -> None:
    """Epochs that nobody would train are refused, not ignored."""
    teacher = ground.teacher
    if teacher is None or teacher.spec.fdm_epochs is None or any(arm and arm.pretrain for arm in arms):
        return
    users = ", ".join(name for name, facts in METHODS.items() if facts.objective == "fdm")
    raise SpecError("teacher.fdm_epochs", "no method of this job uses them", allowed=f"beside {users}")


def _baseline(request: JobRequest, baseline: BaselineRequest, index: int, ground: _Ground) -> Arm:
    """A baseline follows the job's own overrides, less those that its method does not use."""
    where = f"baselines.{index}."
    facts = METHODS[baseline.method]
    own = facts.own_depth(ground.blocks)
    depth = request.freeze_depth if own is None else own
    if baseline.freeze_depth is not None:
        depth = baseline.freeze_depth
    if depth == AUTO:
        raise SpecError(
            f"{where}freeze_depth",
            "`freeze_depth` is auto, chosen by the run, so a baseline needs one of its own",
            allowed=f"0 to {ground.blocks - 1}",
        )
    refuse_misplaced(baseline, facts, where)
    layers = [shared_layer(request, facts), written_layer(baseline, where)]
    arm = _arm(facts, depth, ground, where, layers, inherited=baseline.freeze_depth is None)
    return _checked(baseline, arm, ground, where)


def _checked(written: JobRequest | BaselineRequest, arm: Arm, ground: _Ground, where: str) -> Arm:
    """The arm, once it is seen that nothing was written of a training that somebody else has done."""
    if ground.teacher is not None:
        refuse_pretraining(written, arm, where)
    elif isinstance(written, BaselineRequest) and written.teacher_eps is not None:
        raise SpecError(f"{where}teacher_eps", "no `teacher` is given", allowed="leave it out")
    return arm


def _own_arm(request: JobRequest, ground: _Ground) -> Arm:
    """The job's own arm, where the person has chosen it."""
    assert request.method != AUTO
    assert request.freeze_depth != AUTO
    facts = METHODS[request.method]
    refuse_misplaced(request, facts, "")
    arm = _arm(facts, request.freeze_depth, ground, "", [written_layer(request)])
    return _checked(request, arm, ground, "")


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
        arm = _arm(facts, freeze_depth, ground, where, layers, inherited=asked.freeze_depth is None)
        return _checked(asked, arm, ground, where)

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
    if ground.teacher is not None:
        ground.teacher.check_method(facts.name, f"{where}method")
    name, blocks = ground.model.name, ground.blocks
    check_depth(freeze_depth, facts, name, blocks, f"{where}freeze_depth", inherited=inherited)
    defaults = _defaults(facts, ground, row)
    if ground.teacher is None:
        return build_arm(facts, freeze_depth, defaults, written, ground.preset, where)
    given = None if ground.teacher.continues(facts) else ground.teacher.spec.eps
    layers = [replace(layer, pretrain={}) for layer in written]
    return build_arm(facts, freeze_depth, defaults, layers, ground.preset, where, given_within=given)


def _defaults(facts: MethodFacts, ground: _Ground, row: CandidateFacts | None) -> Layer:
    """The preset's and the data's settings; a candidate's ``row`` of the catalog replaces its own."""
    pretrain = pretrain_defaults(facts, ground.taught_on, ground.preset)
    if ground.teacher is not None and ground.teacher.spec.fdm_epochs is not None:
        pretrain["epochs"] = ground.teacher.spec.fdm_epochs
    transfer = transfer_defaults(facts, facts_of(ground.target), pretrain["attack"], ground.preset)
    if row is None:
        return Layer(pretrain, transfer)
    transfer |= row.transfer
    if transfer["attack"] is not None:
        transfer["attack"] = row.inner_attack(transfer["attack"])
    return Layer(pretrain | row.pretrain, transfer)
