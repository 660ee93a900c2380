"""Checks, certificates and evidence of report schema 1, which stored sentences, as those of schema 2.

A sentence tells which outcome a check had, and the numbers that schema 1 stored nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cartl_core.render.checks.sentences import (
    attack_and_points,
    check_advice,
    check_words,
    compared,
    wordings,
)
from cartl_core.render.evidence_texts import QUANTITIES
from cartl_core.render.sentence_templates import Number, extract, pattern
from cartl_core.report.checks import FINDINGS, Check, CheckName, Finding
from cartl_core.report.evidence import Quantity, Subject
from cartl_core.report.frameworks import TABLE
from cartl_core.report.stored_diagnostics import in_current_form

Json = dict[str, Any]

EARLIER_ADVICE: dict[tuple[CheckName, Finding], str] = {
    ("randomness", "outputs_differ"): "Switch the noise off, or attack the mean of many passes (expectation "
    "over transformation, Athalye et al. 2018).",
}
"""Advice of schema 1 that reads otherwise today."""


def convert_arm_checks(checks: list[Json]) -> list[Json]:
    """The checks of one method.

    Raises:
        ValueError: a sentence is of no outcome of its check.
    """
    return [_check(check).model_dump(mode="json") for check in checks]


def convert_figures(figures: Json) -> Json:
    """What was measured of one network: its certificates without their sentences."""
    return {"not_finite": 0} | {
        name: in_current_form(name, value) if isinstance(value, dict) else value
        for name, value in figures.items()
    }


def convert_evidence(evidence: Json | None) -> Json | None:
    """The evidence block: codes and figures.

    Raises:
        ValueError: the name of a figure or of a gap is not one that schema 1 had.
    """
    if evidence is None:
        return None
    classes = next((len(item["measured"]) - 1 for item in evidence["items"] if item["id"] == "accuracy"), 0)
    return {
        "subject": {name: evidence["subject"][name] for name in Subject.model_fields},
        "items": [_item(item, classes) for item in evidence["items"]],
        "gaps": [_gap(gap) for gap in evidence["gaps"]],
    }


def _check(stored: Json) -> Check:
    for finding, details in _candidates(stored):
        check = Check(
            name=stored["name"],
            status=stored["status"],
            finding=finding,
            evidence=stored["evidence"],
            details=details,
        )
        said = EARLIER_ADVICE.get((check.name, finding), check_advice(check))
        if (check_words(check), said) == (stored["words"], stored["advice"]):
            return check
    raise ValueError(f"no outcome of the check {stored['name']} has this sentence: {stored['words']}")


def _candidates(stored: Json) -> Iterator[tuple[Finding, dict[str, Number]]]:
    """Outcomes of the same status whose sentence may be the stored one, and the numbers read from it."""
    name: CheckName = stored["name"]
    evidence: dict[str, Number] = stored["evidence"]
    places = _places(evidence, stored["words"]) if name == "masking" else {}
    for finding, status in FINDINGS[name].items():
        if status == stored["status"]:
            for template in wordings(name, finding, {**evidence, **places}):
                read = extract(template, stored["words"], evidence)
                if read is not None:
                    yield finding, {**places, **read}


def _places(evidence: Mapping[str, Number], words: str) -> dict[str, Number]:
    """Of attacks compared, the order: that of the sentence, as JSON may have been stored with sorted keys."""

    def at(label: str) -> int:
        said = re.search(f"(?<=[:,] ){pattern(attack_and_points(label), evidence)}", words)
        return said.start() if said else len(words)

    return {f"{label}_place": place for place, label in enumerate(sorted(compared(evidence), key=at))}


_FIGURES: dict[str, tuple[tuple[Quantity, ...], Quantity | None]] = {
    "accuracy": (("accuracy",), "class_accuracy"),
    "adversarial_examples": (("worst_case",), "robust_accuracy"),
    "rising_radii": (("expected_robustness", "median_distance"), None),
    "common_corruptions": (("mean_over_corruptions",), "accuracy_under_corruption"),
    "evaluation_checks": (("checks_passed", "checks_failed", "checks_not_run"), None),
    "lipschitz_bounds": (("tail_constant", "network_constant"), None),
    "randomised_smoothing": ((), "certified_accuracy"),
    "robustness_kept": (("robustness_ratio",), None),
    "record": ((), None),
}
"""By piece of evidence: its first figures, and what all further ones are."""


def _item(item: Json, classes: int) -> Json:
    kept = {name: item[name] for name in ("id", "basis", "where")}
    quantities = _quantities(item["id"], len(item["measured"]), classes)
    measured = [_figure(figure, of) for figure, of in zip(item["measured"], quantities, strict=True)]
    return {**kept, "references": _references(item["references"]), "measured": measured}


def _quantities(item: str, figures: int, classes: int) -> list[Quantity]:
    """What each figure of a piece of evidence is; those of the classes come last."""
    first, further = _FIGURES[item]
    more: list[Quantity] = [] if further is None else [further] * (figures - len(first))
    found = [*first, *more][:figures]
    if item == "adversarial_examples":
        found[figures - classes :] = ["class_worst_case"] * classes
    return found


def _figure(figure: Json, quantity: Quantity) -> Json:
    said = extract(QUANTITIES[quantity], figure["name"], {})
    if said is None:
        raise ValueError(f"no figure of the evidence is called {figure['name']}")
    return {"quantity": quantity, **said, **{name: figure[name] for name in figure if name != "name"}}


def _gap(gap: Json) -> Json:
    found = next((name for name, text in TABLE.gaps.items() if text.subject == gap["subject"]), None)
    if found is None:
        raise ValueError(f"no gap of the evidence is called {gap['subject']}")
    return {"id": found, "references": _references(gap["references"])}


def _references(references: Sequence[Json]) -> list[Json]:
    return [{name: place[name] for name in ("framework", "clause")} for place in references]
