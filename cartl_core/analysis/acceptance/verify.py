"""A complete report beside the outcomes that its run stored: its figures and verdicts computed again.

Computed again are, of the student and every baseline, accuracies with their intervals, the classes', the
comparisons and the verdicts. What needs the network (checks, audit, certificates) is believed as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isclose
from typing import Any

from cartl_core.analysis.acceptance.judge import Outcomes, a_check_failed, judge_acceptance, plain_comparison
from cartl_core.analysis.acceptance.outcomes_file import StoredOutcomes
from cartl_core.analysis.checks import CheckObservations
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.metrics import AttackRecord, MinimalRadii, TestSet, figures, worst_case
from cartl_core.report import ArmReport, CriterionVerdict, Figures, PairedComparison, Report
from cartl_core.spec import EvaluateSpec, digest

Stored = Callable[[str], StoredOutcomes]
"""The outcomes of a network by its subject, e.g. ``student``."""

CLOSE = 1e-9
"""Relative, between the same figure on two machines."""


class NotVerifiable(ValueError):
    """The report is not complete, or its outcomes are not those of its specification."""


@dataclass(frozen=True)
class Difference:
    """What a report says and what its outcomes give."""

    where: str
    reported: object
    found: object


@dataclass(frozen=True)
class Verification:
    """What came of it; the verdicts are those that were computed again."""

    differences: tuple[Difference, ...]
    verdicts: tuple[CriterionVerdict, ...]

    @property
    def accepted(self) -> bool:
        """The report is what its outcomes give, and all criteria, one at least, are passed."""
        passed = [verdict.status == "passed" for verdict in self.verdicts]
        return not self.differences and bool(passed) and all(passed)


def verify(report: Report, stored: Stored) -> Verification:
    """Compute again what a report says.

    Raises:
        NotVerifiable: there is nothing to compute again.
        OutcomesInvalid: a file of outcomes is damaged.
        OSError: a file of outcomes cannot be read.
    """
    if not report.complete or report.student is None or report.student.figures is None:
        raise NotVerifiable("the report is not complete")
    evaluate, seed = report.spec.evaluate, report.spec.seed
    arms = dict(zip(subjects(report), (report.student, *report.baselines), strict=True))
    networks = {subject: _network(arm, subject, stored(subject), evaluate) for subject, arm in arms.items()}
    own = networks["student"]
    found = [*_differences("spec_digest", report.spec_digest, digest(report.spec))]
    for place, (subject, arm) in enumerate(arms.items()):
        where = f"baselines.{place - 1}" if place else "student"
        found += _figures(f"{where}.figures", arm.figures, networks[subject], seed)
        if place:
            fresh = _comparisons(own, networks[subject], evaluate)
            found += _differences(f"{where}.comparisons", _plain(arm.comparisons), _plain(fresh))
    if report.threat_models:  # earlier versions did not say it
        said, follow = _plain(report.threat_models), _plain(evaluate.threat_models)
        found += _differences("threat_models", said, follow)
    verdicts = _verdicts(report, own, networks)
    found += _differences("acceptance", _plain(report.acceptance), _plain(verdicts))
    return Verification(tuple(found), verdicts)


def subjects(report: Report) -> Iterator[str]:
    """What each network is called in the names of files: as the plan of its run called it."""
    yield "student"
    seen: list[str] = []
    for arm in report.baselines:
        method = str(arm.method)
        yield f"{method}-{seen.count(method) + 1}" if method in seen else method
        seen.append(method)


@dataclass(frozen=True)
class _Network:
    """Outcomes as the functions of a run take them."""

    stored: StoredOutcomes
    attacks: list[AttackRecord]
    radii: dict[str, MinimalRadii]


def _network(arm: ArmReport, subject: str, stored: StoredOutcomes, evaluate: EvaluateSpec) -> _Network:
    labels = [attack.label for attack in evaluate.attacks]
    if stored.robust.keys() != set(labels):
        raise NotVerifiable(f"the outcomes of {subject} are of other attacks than the report's")
    seconds = {result.label: result.seconds for result in (arm.figures.attacks if arm.figures else ())}
    attacks = [
        AttackRecord(attack, stored.robust[attack.label], seconds.get(attack.label, 0.0))
        for attack in evaluate.attacks
    ]
    return _Network(stored, attacks, dict(_radii(arm, subject, stored, evaluate)))


def _radii(
    arm: ArmReport, subject: str, stored: StoredOutcomes, evaluate: EvaluateSpec
) -> Iterator[tuple[str, MinimalRadii]]:
    """What the curve and the attacks of the checks found."""
    if evaluate.curve is not None:
        if stored.radii is None:
            raise NotVerifiable(f"the outcomes of {subject} have no curve")
        radii = tuple(stored.radii.get(position) for position in stored.index)
        yield "curve", MinimalRadii(evaluate.curve.norm, radii)
    checked = arm.figures.checks if arm.figures else None
    if evaluate.checks is None or checked is None:
        return
    if any(attack.label not in stored.held for attack in checked.attacks):
        raise NotVerifiable(f"the outcomes of {subject} lack an attack of the checks")
    place = {position: at for at, position in enumerate(stored.index)}
    positions = tuple(place[position] for position in stored.checked)
    observations = CheckObservations(checked, evaluate.checks.attack, stored.held, positions)
    yield "checks", observations.minimal_radii(len(stored.index))


def _figures(where: str, reported: Figures | None, network: _Network, seed: int) -> Iterator[Difference]:
    if reported is None:
        yield Difference(where, None, "outcomes")
        return
    stored = network.stored
    names = tuple(row.name for row in reported.per_class)
    if names and max(stored.labels, default=0) >= len(names):
        raise NotVerifiable("the outcomes have a label that is no class of the report")
    test = TestSet(reported.data, reported.data_fingerprint, stored.labels, names)
    fresh = figures(test, stored.clean, network.attacks, seed, tuple(network.radii.values()))
    of_classes = ("per_class", "clean_over_classes", "worst_case_over_classes") if names else ()
    for name in ("n", "clean", "worst_case", "autoattack", *of_classes):
        yield from _differences(
            f"{where}.{name}", _plain(getattr(reported, name)), _plain(getattr(fresh, name))
        )
    # Not the times: how many images were done in a second is no outcome.
    said, found = (
        [result.model_dump(mode="json", exclude={"seconds", "images_per_second"}) for result in one.attacks]
        for one in (reported, fresh)
    )
    yield from _differences(f"{where}.attacks", said, found)


def _comparisons(own: _Network, other: _Network, evaluate: EvaluateSpec) -> tuple[PairedComparison, ...]:
    if own.stored.index != other.stored.index:
        raise NotVerifiable("the outcomes of two networks are of different images")
    plain = compare("clean", own.stored.clean, other.stored.clean)
    if not evaluate.attacks:
        return (plain,)
    both = own.radii.keys() & other.radii.keys()
    robust = [
        worst_case(one.stored.clean, one.attacks, [one.radii[name] for name in both]) for one in (own, other)
    ]
    return (compare("worst_case", *robust), plain)


def _verdicts(report: Report, own: _Network, networks: dict[str, _Network]) -> tuple[CriterionVerdict, ...]:
    accept = report.spec.accept
    if accept is None:
        return ()
    fresh = {
        "baselines": tuple(
            arm.model_copy(update={"comparisons": _comparisons(own, networks[subject], report.spec.evaluate)})
            for subject, arm in zip(list(networks)[1:], report.baselines, strict=True)
        )
    }
    found = Outcomes(
        own.stored.clean,
        own.attacks,
        tuple(own.radii.values()),
        plain_comparison(report.model_copy(update=fresh)),
        a_check_failed(report),
    )
    return judge_acceptance(accept, found)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _differences(where: str, reported: Any, found: Any) -> Iterator[Difference]:
    if isinstance(reported, dict) and isinstance(found, dict) and reported.keys() == found.keys():
        for key in reported:
            yield from _differences(f"{where}.{key}", reported[key], found[key])
    elif isinstance(reported, list) and isinstance(found, list) and len(reported) == len(found):
        for at, pair in enumerate(zip(reported, found, strict=True)):
            yield from _differences(f"{where}.{at}", *pair)
    elif isinstance(reported, float) and isinstance(found, float):
        if not isclose(reported, found, rel_tol=CLOSE, abs_tol=CLOSE):
            yield Difference(where, reported, found)
    elif reported != found:
        yield Difference(where, reported, found)
