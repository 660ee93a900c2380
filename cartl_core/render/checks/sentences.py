"""A check in words: what was found, what to do about it, and the numbers to list beside that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from cartl_core.catalog.check_attacks import BLACK_BOX, OF_JOB, RESCALED, STRAIGHT, TRANSFER
from cartl_core.render.checks.table import SENTENCES
from cartl_core.render.checks.titles import TITLES
from cartl_core.render.sentence_templates import Number, fill, names
from cartl_core.report.checks import Check, CheckName, Finding

_MORE, _P = "_breaks_more", "_adjusted_p"


def check_title(check: Check) -> str:
    """What it shows if it passes."""
    return TITLES[check.name]


def check_words(check: Check) -> str:
    """What its outcome means; of one that was not run, why it was not."""
    numbers = {**check.details, **check.evidence}
    variants = wordings(check.name, check.finding, numbers)
    return fill(next(words for words in variants if names(words) <= numbers.keys()), numbers)


def check_advice(check: Check) -> str | None:
    """What to do about a check that failed or was not run; None where there is nothing to do."""
    advice = SENTENCES[check.name][check.finding].advice
    return None if advice is None else fill(advice, {**check.details, **check.evidence})


def wordings(name: CheckName, finding: Finding, numbers: Mapping[str, Number]) -> tuple[str, ...]:
    """Templates of what an outcome means, the places for lists of attacks spelled out as far as known."""
    return tuple(_spelled_out(words, numbers) for words in SENTENCES[name][finding].words)


def attack_and_points(label: str) -> str:
    """Template of an attack that the check of masking made a comparison with: ``loss dlr +1.5``."""
    return f"{_attack(label)} {{{label}{_MORE}:points}}"


def compared(numbers: Mapping[str, Number]) -> list[str]:
    """Labels of the attacks that the check of masking compared, in the order in which it took them."""
    labels = [name.removesuffix(_P) for name in numbers if name.endswith(_P)]
    return sorted(labels, key=lambda label: int(numbers.get(f"{label}_place", len(labels))))


def _attack(label: str) -> str:
    if label == RESCALED:
        return "cross-entropy of rescaled logits"
    if label == STRAIGHT:
        return "gradients straight through what hides them"
    if label == BLACK_BOX:
        return f"{label} with {{{label}_queries:plain}} queries"
    if label.startswith(TRANSFER):
        return f"transfer from {label.removeprefix(TRANSFER)}"
    return label.removeprefix(OF_JOB) if label.startswith(OF_JOB) else f"loss {label}"


def _listed(labels: Iterable[str], numbers: Mapping[str, Number]) -> str:
    """What breaks most comes first."""
    ordered = sorted(labels, key=lambda label: -float(numbers[f"{label}{_MORE}"]))
    return ", ".join(map(attack_and_points, ordered))


def _others(numbers: Mapping[str, Number]) -> str:
    return _listed(compared(numbers), numbers)


def _stronger(numbers: Mapping[str, Number]) -> str:
    """By more than is allowed, and more than chance allows."""
    allowed, alpha = float(numbers["allowed"]), float(numbers["alpha"])
    return _listed(
        (
            label
            for label in compared(numbers)
            if float(numbers[f"{label}{_MORE}"]) > allowed and float(numbers[f"{label}{_P}"]) < alpha
        ),
        numbers,
    )


def _normalisation(numbers: Mapping[str, Number]) -> str:
    normalises = numbers["first_layer_normalises"] == "yes"
    return "the first layer normalises" if normalises else "no normalisation comes first"


_SPELLED_OUT: dict[str, Callable[[Mapping[str, Number]], str]] = {
    "{others}": _others,
    "{stronger}": _stronger,
    "{normalisation}": _normalisation,
}


def _spelled_out(template: str, numbers: Mapping[str, Number]) -> str:
    return re.sub("|".join(_SPELLED_OUT), lambda place: _SPELLED_OUT[place[0]](numbers), template)
