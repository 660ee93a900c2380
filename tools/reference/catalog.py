"""What may be asked for by name: data sets, networks, methods, presets, evaluations, attacks."""

from __future__ import annotations

from dataclasses import fields

from cartl_core.catalog import (
    DATASETS,
    EVALUATIONS,
    KNOWN_MODELS,
    METHODS,
    OTHER_MODELS,
    PRESETS,
    MethodFacts,
    model_facts,
)
from cartl_core.spec.measures.attack import ATTACKS
from tools.reference.markdown import code, table

INTRODUCTION = """\
# Catalog

Every default of a job comes from here. `GET /datasets`, `/models` and `/attacks` give the same over HTTP.

"""
SWITCHES = (
    *("nonexpansive", "frozen_affine", "displaced", "distilled", "adversarial"),
    *("head_only", "frozen_weights"),
)


def catalog_page() -> str:
    """A table for each kind of name."""
    return (
        INTRODUCTION + _datasets() + _networks() + _methods() + _presets() + _evaluations() + _attacks()
    ).rstrip() + "\n"


def _datasets() -> str:
    head = (
        "name",
        "title",
        "classes",
        "image",
        "training",
        "test",
        "eps (training)",
        "eps (test)",
        "step",
        "source",
    )
    rows = (
        (
            code(facts.name),
            facts.title,
            str(len(facts.classes)),
            f"{facts.image_size} x {facts.image_size} x {facts.channels}",
            f"{facts.train_images:,}",
            f"{facts.test_images:,}",
            _pixels(facts.train_eps),
            _pixels(facts.eval_eps),
            _pixels(facts.eval_step),
            code(facts.default_source),
        )
        for facts in DATASETS.values()
    )
    note = "`source` is what the teacher learns from where a job does not say."
    return f"## Data sets\n\n{note}\n\n{table(head, rows)}"


def _pixels(value: float) -> str:
    return f"{255 * value:.0f}/255" if abs(255 * value - round(255 * value)) < 1e-9 else f"{value:g}"


def _networks() -> str:
    rows = (
        (code(facts.name), facts.family, str(facts.blocks), f"0 to {facts.blocks - 1}")
        for facts in map(model_facts, KNOWN_MODELS)
    )
    note = f"Known as well: {'; '.join(OTHER_MODELS)}."
    return f"## Networks\n\n{note}\n\n{table(('name', 'family', 'blocks', 'freeze depths'), rows)}"


def _what_is_on(facts: MethodFacts) -> tuple[str, ...]:
    switched = (field.name for field in fields(facts) if field.name in SWITCHES)
    return (*(name for name in switched if getattr(facts, name)), *map(code, facts.terms))


def _methods() -> str:
    rows = (
        (
            code(facts.name),
            facts.title,
            code(facts.objective),
            ", ".join(_what_is_on(facts)),
        )
        for facts in METHODS.values()
    )
    return f"## Methods\n\n{table(('name', 'title', 'teacher', 'what is on'), rows)}"


def _presets() -> str:
    rows = (
        (
            code(facts.name),
            facts.title,
            code(facts.model) if facts.model else "the paper's for the source",
            *(_limit(value) for value in (facts.train_limit, facts.target_train_limit, facts.test_limit)),
            str(facts.pretrain["epochs"]),
            str(facts.transfer["epochs"]),
            ", ".join(code(str(attack["label"])) for attack in facts.attacks),
        )
        for facts in PRESETS.values()
    )
    head = ("name", "title", "network", "source images", "target images", "test images", "teacher epochs")
    return f"## Presets\n\n{table((*head, 'student epochs', 'attacks'), rows)}"


def _limit(value: int | None) -> str:
    return "all" if value is None else f"{value:,}"


def _evaluations() -> str:
    rows = (
        (
            code(facts.name),
            facts.title,
            ", ".join(code(str(attack["label"])) for attack in facts.attacks)
            + (f" {facts.ensemble}" if facts.ensemble else ""),
        )
        for facts in EVALUATIONS.values()
    )
    said = "Names for `evaluate.preset`; `evaluate.norm` has them in another norm than linf."
    return f"## Evaluations\n\n{said}\n\n{table(('name', 'title', 'attacks'), rows)}"


def _attacks() -> str:
    rows = (
        (
            code(facts.name),
            facts.title,
            facts.source,
            _codes(facts.norms),
            _codes(facts.losses),
            "yes" if facts.sized else "no",
        )
        for facts in ATTACKS.values()
    )
    head = ("name", "what it is", "source", "norms", "losses", "takes a step size")
    return f"## Attacks\n\n{table(head, rows)}"


def _codes(values: tuple[str, ...]) -> str:
    return ", ".join(map(code, values))
