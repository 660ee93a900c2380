"""What may be asked for: models, methods, attacks, presets."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from api.deps import ContextDep, Reader
from api.openapi import problems
from api.schemas import View
from cartl_core.catalog import (
    EVALUATIONS,
    KNOWN_MODELS,
    METHODS,
    PRESETS,
    EvaluationFacts,
    model_facts,
)
from cartl_core.catalog.ensembles import ENSEMBLES, EnsembleName
from cartl_core.spec import AttackSpec, EvaluationPreset, Method, Objective, Preset
from cartl_core.spec.measures.attack import (
    ATTACKS,
    LARGEST_RADIUS,
    AttackFacts,
    AttackLoss,
    AttackName,
    Norm,
)
from cartl_core.spec.measures.corruptions import CORRUPTION_FACTS, CorruptionName

router = APIRouter(tags=["catalog"])


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
    """One attack of an ensemble, run with one restart and nine target classes but for `in_l1`."""

    label: str = Field(description="Of the attack in the report.")
    name: AttackName
    loss: AttackLoss
    steps: int = Field(description="Of a targeted attack, for each of at most nine target classes.")
    random_start: bool
    in_l1: dict[str, int] = Field(description="Restarts and targets that are others in l1.")


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
