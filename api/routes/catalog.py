"""What may be asked for: data sets, models, methods, attacks, presets; and the teachers that are there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import Field

from api.deps import ContextDep, Reader
from api.openapi import problems
from api.schemas import View
from cartl_core.catalog import (
    DATASETS,
    EVALUATIONS,
    KNOWN_MODELS,
    METHODS,
    PRESETS,
    EvaluationFacts,
    model_facts,
)
from cartl_core.catalog.ensembles import ENSEMBLES, EnsembleName
from cartl_core.spec import AttackSpec, EvaluationPreset, Method, Objective, Preset
from cartl_core.spec.attack import (
    ATTACKS,
    LARGEST_RADIUS,
    AttackFacts,
    AttackLoss,
    AttackName,
    Norm,
)
from cartl_core.spec.corruptions import CORRUPTION_FACTS, CorruptionName
from jobs import store
from jobs.tables import Stage

router = APIRouter(tags=["catalog"])


class DatasetView(View):
    """A data set, as the catalog knows it. Radii are in pixel units on [0, 1]."""

    name: str
    title: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    train_images: int
    test_images: int
    train_eps: float
    eval_eps: float
    eval_step: float
    default_source: str = Field(description="Where the teacher learns when `source` is left out.")
    fetch: str = Field(description="The command that gets the files.")


class Datasets(View):
    """All data sets."""

    data: list[DatasetView]


class ModelView(View):
    """A network, and the freeze depths that it allows."""

    name: str
    family: str
    blocks: int
    freeze_depth_min: int
    freeze_depth_max: int = Field(
        description="Method `cartl` needs at least 1, `lwf` exactly 0, `linear_probe` exactly this."
    )


class Models(View):
    """The usual networks; `wrn-D-W` takes any D = 6n + 4 from 10 to 100 and W from 1 to 20."""

    data: list[ModelView]


class MethodView(View):
    """A way to transfer, and what it switches on."""

    name: Method
    title: str
    objective: Objective = Field(description="How its teacher is trained.")
    nonexpansive: bool
    frozen_affine: bool
    displaced: bool
    distilled: bool
    adversarial: bool
    head_only: bool = Field(description="Its freeze depth is always the largest.")
    frozen_weights: bool = Field(description="Of the tail biases, norms and the head are tuned.")


class AttackView(View):
    """An attack on the finished student."""

    name: str
    title: str
    source: str
    norms: tuple[Norm, ...]
    losses: tuple[AttackLoss, ...] = Field(description="The first is used where none is given.")
    parameters: list[str] = Field(description="Fields of an attack in `evaluate.attacks`.")
    largest_eps: dict[Norm, float] = Field(description="By norm.")


class MemberView(View):
    """One attack of an ensemble, run with one restart."""

    label: str = Field(description="Of the attack in the report.")
    name: AttackName
    loss: AttackLoss
    steps: int = Field(description="Of a targeted attack, for each of at most nine target classes.")
    random_start: bool


class EnsembleView(View):
    """Attacks that are run together; `autoattack` is exactly the standard version, or is not called so."""

    name: EnsembleName
    title: str
    source: str
    norms: tuple[Norm, ...]
    least_classes: int
    exact: bool = Field(description="Else members whose loss needs more classes are left out.")
    members: tuple[MemberView, ...] = Field(description="In the order in which they are run.")


class PresetView(View):
    """How much of everything: what a request leaves open comes from here."""

    name: Preset
    title: str
    default: bool


class EvaluationView(View):
    """What `evaluate.preset` stands for; the headline is the worst case over all that it runs."""

    name: EvaluationPreset
    title: str
    attacks: list[str] = Field(description="Labels; of `ensemble` those whose loss the classes allow.")
    probes: tuple[str, ...] = Field(description="Fields of `evaluate` that it fills in besides.")


class CorruptionView(View):
    """A common corruption, see `evaluate.corruptions`."""

    name: CorruptionName
    family: str
    title: str
    constants: tuple[float, ...] = Field(description="How much of it, by severity from 1 to 5.")
    random: bool = Field(description="Numbers are drawn for each image, from the job's seed.")


class Attacks(View):
    """All that can be measured, and what each preset runs with."""

    data: list[AttackView]
    ensembles: list[EnsembleView]
    methods: list[MethodView]
    presets: list[PresetView]
    evaluations: list[EvaluationView]
    corruptions: list[CorruptionView]


class TeacherView(View):
    """A robust teacher that your jobs share."""

    digest: str
    label: str
    state: str = Field(description="`computing` or `finished`.")
    job: str = Field(description="The job that trains or trained it.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """A stage's row as it is shown."""
        return cls(
            digest=stage.digest,
            label=stage.label,
            state=stage.state,
            job=stage.job_id,
            created_at=stage.created_at,
            finished_at=stage.finished_at,
        )


class Teachers(View):
    """Your teachers, newest first."""

    data: list[TeacherView]


@router.get("/datasets", summary="Data sets", responses=problems())
def list_datasets(caller: Reader) -> Datasets:
    """Names to put in `dataset` and `source`, with their classes and default radii."""
    return Datasets(
        data=[DatasetView.model_validate(facts, from_attributes=True) for facts in DATASETS.values()]
    )


@router.get("/models", summary="Networks", responses=problems())
def list_models(caller: Reader) -> Models:
    """Names to put in `model`, with the freeze depths that each allows."""
    return Models(data=[_model(name) for name in KNOWN_MODELS])


def _model(name: str) -> ModelView:
    facts = model_facts(name)
    return ModelView(
        name=name,
        family=facts.family,
        blocks=facts.blocks,
        freeze_depth_min=0,
        freeze_depth_max=facts.blocks - 1,
    )


@router.get("/attacks", summary="Attacks, methods and presets", responses=problems())
def list_attacks(caller: Reader, context: ContextDep) -> Attacks:
    """What can be measured, how a student can be made, and how much of it each preset does."""
    return Attacks(
        data=[_attack(facts) for facts in ATTACKS.values()],
        ensembles=[EnsembleView.model_validate(facts, from_attributes=True) for facts in ENSEMBLES.values()],
        methods=[MethodView.model_validate(facts, from_attributes=True) for facts in METHODS.values()],
        presets=[
            PresetView(
                name=facts.name, title=facts.title, default=facts.name == context.settings.default_preset
            )
            for facts in PRESETS.values()
        ],
        evaluations=[_evaluation(facts) for facts in EVALUATIONS.values()],
        corruptions=[
            CorruptionView.model_validate(facts, from_attributes=True) for facts in CORRUPTION_FACTS.values()
        ],
    )


def _evaluation(facts: EvaluationFacts) -> EvaluationView:
    members = ENSEMBLES[facts.ensemble].members if facts.ensemble else ()
    labels = [*(str(row["label"]) for row in facts.attacks), *(member.label for member in members)]
    return EvaluationView(name=facts.name, title=facts.title, attacks=labels, probes=facts.diagnostics)


def _attack(facts: AttackFacts) -> AttackView:
    return AttackView(
        name=facts.name,
        title=facts.title,
        source=facts.source,
        norms=facts.norms,
        losses=facts.losses,
        parameters=[field for field in AttackSpec.model_fields if facts.sized or field != "step"],
        largest_eps={norm: LARGEST_RADIUS[norm] for norm in facts.norms},
    )


@router.get("/teachers", summary="Your teachers", responses=problems())
def list_teachers(
    caller: Reader, context: ContextDep, limit: Annotated[int, Query(ge=1, le=200)] = 100
) -> Teachers:
    """Robust networks that your jobs have trained or are training; equal jobs share them."""
    with context.reading() as session:
        stages = store.stages_of(session, caller.owner, kind="pretrain", limit=limit)
    return Teachers(data=[TeacherView.of(stage) for stage in stages])
