"""The plan as a value: pairs, teachers, methods, and the cells in the order in which they are run.

A *cell* is one student: (pair, seed, method, k), k blocks tuned. Its teacher follows from the method; an
``fdm`` teacher whose features are compared at the trunk's end also hangs on k.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cartl_core.catalog import DATASETS, model_facts
from cartl_core.spec import (
    Arm,
    DataSpec,
    Method,
    ModelSpec,
    PretrainSpec,
    TransferSpec,
    digest,
)
from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.faults import build
from cartl_core.spec.measures.attack import AttackSpec

PLAN = Path(__file__).with_name("plan.toml")


class Rules(SpecModel):
    """How a stopping epoch and a method are chosen, and on how many images figures are measured."""

    margin: float = Field(gt=0, lt=1, description="Clean accuracy that may be given up for robustness.")
    validation_images: int = Field(ge=2, description="Attacked after every epoch.")
    validation_steps: int = Field(ge=1)
    test_images: int = Field(ge=2, description="Test images judged without an attack.")
    attacked_images: int = Field(ge=2, description="Of those, the ones that are attacked.")
    teacher_images: int = Field(ge=2, description="Source test images that a teacher is attacked on.")


class Pair(SpecModel):
    """A source, a target, and the radius of all attacks: of training, validation and test."""

    title: str
    source: DataSpec
    target: DataSpec
    eps: float = Field(gt=0, lt=1, description="Radius in pixel units.")
    step: float = Field(gt=0, lt=1, description="Step of the test attacks in pixel units.")
    model: ModelSpec

    @property
    def blocks(self) -> int:
        """Blocks of its network; k blocks tuned leave ``blocks`` - k frozen."""
        return model_facts(self.model.name).blocks


Role = Literal["plain", "paper", "ours", "farther", "reference"]
"""``plain``: baseline; ``paper``: published; ``ours``: candidates; ``farther``: candidates where the radius
of the teacher's training is open too; ``reference``: shown, never chosen."""


class Recipe(SpecModel):
    """One method of the study: its teacher by name, and what it changes of the usual transfer."""

    title: str
    teacher: str
    method: Method
    role: Role
    transfer: dict[str, Any] = Field(default_factory=dict)


class Round(SpecModel):
    """Cells that are run together: the product of its lists."""

    title: str
    pairs: tuple[str, ...] = ARRAY
    seeds: tuple[int, ...] = ARRAY
    k: tuple[int, ...] = ARRAY
    methods: tuple[str, ...] = ARRAY


class Later(SpecModel):
    """What the plan gained after rows of the others had been written."""

    teachers: tuple[str, ...] = Field(default=(), strict=False)
    methods: tuple[str, ...] = Field(default=(), strict=False)
    pairs: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict, description="What each changes of its teachers' training, by their names."
    )


class Again(SpecModel):
    """The comparison once more, on seeds that nothing was chosen by."""

    slack: float = Field(default=0.0, ge=0, lt=1, description="Of ours on validation images, under plain.")
    rounds: tuple[Round, ...] = Field(default=(), strict=False)


class Plan(SpecModel):
    """All of ``plan.toml``."""

    hypotheses: dict[str, str]
    rules: Rules
    pretrain: dict[str, Any]
    transfer: dict[str, Any]
    teachers: dict[str, dict[str, Any]]
    methods: dict[str, Recipe]
    pairs: dict[str, Pair]
    rounds: tuple[Round, ...] = ARRAY
    later: Later = Later()
    again: Again = Again()
    automatic: tuple[str, ...] = Field(default=(), strict=False)
    """Methods that the service's ``auto`` tries."""
    lead: float = Field(default=0.0, ge=0, description="What ``auto`` asks of others than plain transfer.")


@dataclass(frozen=True)
class Cell:
    """One student to tune. ``name`` tells it from all others and never changes."""

    pair: str
    seed: int
    method: str
    k: int

    @property
    def name(self) -> str:
        """E.g. ``fashion-low-high/0/cartl/k4``."""
        return f"{self.pair}/{self.seed}/{self.method}/k{self.k}"


def read_plan(path: Path = PLAN) -> Plan:
    """The plan in ``path``.

    Raises:
        SpecError: a field is unknown, missing or out of range.
    """
    return build(Plan, tomllib.loads(path.read_text(encoding="utf-8")), "plan")


def cells(plan: Plan, pair: str | None = None) -> Iterator[Cell]:
    """All cells in the order of the rounds, those of one seed together, each once.

    Args:
        pair: only cells of this pair.
    """
    every = (cell for part in plan.rounds for cell in cells_of(part) if pair in (None, cell.pair))
    return iter(dict.fromkeys(every))


def once_more(plan: Plan) -> Plan:
    """The plan of its ``again`` alone."""
    return plan.model_copy(update={"rounds": plan.again.rounds})


def begun(plan: Plan, rounds: int) -> Plan:
    """The plan with its first ``rounds`` alone; what is compared once more comes after all of them."""
    return plan.model_copy(update={"rounds": plan.rounds[:rounds], "again": Again()})


def cells_of(part: Round) -> Iterator[Cell]:
    """The cells of one round: all of one seed and pair together, since they share teachers."""
    for seed, pair, k, method in itertools.product(part.seeds, part.pairs, part.k, part.methods):
        yield Cell(pair, seed, method, k)


def arm_of(plan: Plan, cell: Cell) -> Arm:
    """What ``cartl_core`` is to do for a cell."""
    recipe, pair = plan.methods[cell.method], plan.pairs[cell.pair]
    return Arm(
        method=recipe.method,
        freeze_depth=0 if recipe.method == "lwf" else pair.blocks - cell.k,
        pretrain=pretrain_of(plan, cell.pair, recipe.teacher),
        transfer=transfer_of(plan, pair, recipe),
    )


def pretrain_of(plan: Plan, name: str, teacher: str) -> PretrainSpec:
    """A teacher's training: the plan's, with what this teacher changes, then what the pair ``name`` changes.

    Its ``attack_eps`` is the radius of the inner attack where that is not the pair's; at 0 it is trained on
    clean images and is not robust.
    """
    pair = plan.pairs[name]
    settings = {**plan.pretrain, **plan.teachers[teacher], **plan.later.pairs.get(name, {}).get(teacher, {})}
    steps, share = settings.pop("attack_steps"), settings.pop("attack_share")
    settings["attack"] = _inner(pair, steps, share, settings.pop("attack_eps", pair.eps))
    settings.setdefault("augmentation", augmentation_of(pair.source))
    return build(PretrainSpec, settings, f"teachers.{teacher}")


def transfer_of(plan: Plan, pair: Pair, recipe: Recipe) -> TransferSpec:
    """A student's training: the plan's, with what this method changes.

    ``attack_radius`` is the inner attack's radius as a share of the pair's.
    """
    settings = {"select": "last", **plan.transfer, **recipe.transfer}
    if recipe.method == "adversarial":
        steps, share = plan.pretrain["attack_steps"], plan.pretrain["attack_share"]
        settings["attack"] = _inner(pair, steps, share, pair.eps * settings.pop("attack_radius", 1.0))
    if "displacement" in settings:
        settings["displacement"] = {
            "eps": pair.eps,
            "step": pair.eps / 4,
            "steps": 10,
            **settings["displacement"],
        }
    return build(TransferSpec, settings, f"methods.{recipe.title}")


def augmentation_of(data: DataSpec) -> str:
    """Crops and flips for photographs, nothing for clothes: at this length a rotation only slows."""
    return "crop_flip" if DATASETS[data.name].channels == 3 else "none"


def plan_digest(plan: Plan) -> str:
    """Of all that fixes a row: all but the order of rounds, words, what rows are for and what came later.

    So that it stays what the rows say that were written before.
    """
    words = ("rounds", "hypotheses", "later", "again", "automatic", "lead")
    apart: dict[str, Any] = dict.fromkeys(words, True)
    later = {
        "teachers": set(plan.later.teachers),
        "methods": set(plan.later.methods),
        "pairs": set(plan.later.pairs),
    }
    return digest(plan.model_dump(mode="json", exclude=apart | later))[:16]


def _inner(pair: Pair, steps: int, share: float, eps: float) -> dict[str, Any]:
    # A step is more than nothing even in a ball that is nothing.
    attack = AttackSpec(label="training", eps=eps, step=(eps or pair.eps) * share, steps=steps)
    return attack.model_dump()
