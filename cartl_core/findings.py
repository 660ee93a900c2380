"""What the figures say, in plain English: comparisons, the headline, and what to be wary of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from cartl_core.catalog import DATASETS, share_of_classes
from cartl_core.caveats import is_not_robust, not_robust, unsure_choices
from cartl_core.evaluate_spec import EvaluateJobSpec
from cartl_core.render import words
from cartl_core.report import ArmReport, PairedComparison, Teacher
from cartl_core.report_selection import Selection
from cartl_core.spec import JobSpec
from cartl_core.statistics import mcnemar, paired_difference

ALPHA = 0.05
WEAK_TEACHER = 0.2
_MEASURED = {"worst_case": "robust accuracy", "clean": "clean accuracy"}


def compare(
    what: Literal["worst_case", "clean"],
    job: tuple[str, Sequence[bool]],
    baseline: tuple[str, Sequence[bool]],
) -> PairedComparison:
    """The job's student against a baseline's, each with its name, on the same images, image by image.

    The verdict is "within_noise" unless McNemar's exact test gives p < 0.05.
    """
    pairs = list(zip(job[1], baseline[1], strict=True))
    counts = {
        cell: pairs.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    }
    only_job, only_baseline = counts[True, False], counts[False, True]
    difference, low, high = paired_difference(only_job, only_baseline, len(pairs))
    p_value = mcnemar(only_job, only_baseline)
    verdict: Literal["better", "worse", "within_noise"] = "within_noise"
    if p_value < ALPHA:
        verdict = "better" if difference > 0 else "worse"
    return PairedComparison(
        what=what,
        n=len(pairs),
        both=counts[True, True],
        only_job=only_job,
        only_baseline=only_baseline,
        neither=counts[False, False],
        difference=difference,
        low=low,
        high=high,
        p_value=p_value,
        verdict=verdict,
        words=_in_words(what, job[0], baseline[0], (difference, low, high), p_value, verdict),
    )


def headline(
    student: ArmReport, baselines: Sequence[ArmReport], chosen: Selection | None = None
) -> str | None:
    """One sentence that answers: how much robustness was kept, against the first baseline, at what price?

    Args:
        chosen: how the student was chosen, where the run chose it.
    """
    if student.figures is None or student.figures.worst_case is None:
        return None
    own, robust, clean = words.arm(student), student.figures.worst_case, student.figures.clean
    among = f", chosen among {len(chosen.candidates)} candidates," if chosen else ""
    alone = (
        f"{words.capital(own)}{among} keeps {words.percent(robust.value)} robust accuracy "
        f"at {words.percent(clean.value)} clean accuracy (n = {words.count(robust.n)})"
    )
    found = next((_both(baseline) for baseline in baselines if _both(baseline)), None)
    if found is None:
        return f"{alone}."
    rival, worst, plain = found
    return f"{alone}: {_robust_clause(worst, rival)}, {_clean_clause(plain)}."


def broken_promise(chosen: Selection | None) -> tuple[str, ...]:
    """What a run promised and did not keep, or may not have kept."""
    found = chosen.promise if chosen else None
    return (found.words,) if found and found.verdict in ("broken", "unclear") else ()


def warnings(
    spec: JobSpec | EvaluateJobSpec,
    teachers: Sequence[Teacher],
    arms: Sequence[ArmReport] = (),
    parts: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """What a reader must know before believing the figures.

    Args:
        arms: the students that are known.
        parts: into how many parts batches had to be cut for memory, by the training's label.
    """
    found = [
        *(_of_a_transfer(spec, teachers) if isinstance(spec, JobSpec) else ()),
        *_resized(spec),
        *unsure_choices(arms),
        *_in_parts(parts or {}),
    ]
    return tuple(dict.fromkeys(found))


def failed_checks(arms: Sequence[ArmReport]) -> tuple[str, ...]:
    """Of every method, what suggests that its figures deceive."""
    return tuple(
        f"A check of {words.arm(arm)} failed ({check.title}): {check.words} {check.advice or ''}".strip()
        for arm in arms
        for check in arm.checks
        if check.status == "failed"
    )


def _in_words(
    what: str,
    own: str,
    rival: str,
    interval: tuple[float, float, float],
    p_value: float,
    verdict: str,
) -> str:
    difference, low, high = interval
    measured = _MEASURED[what]
    evidence = f"95 % interval {words.points(low)} to {words.points(high)} points, McNemar p {_p(p_value)}"
    if verdict == "within_noise":
        return (
            f"The difference in {measured} between {own} and {rival} is within noise "
            f"({words.points(difference)} points, {evidence})."
        )
    side = "more" if verdict == "better" else "less"
    gained = f"{abs(100 * difference):.1f} points {side} {measured}"
    return f"{words.capital(own)} keeps {gained} than {rival} ({evidence})."


def _robust_clause(comparison: PairedComparison, rival: str) -> str:
    if comparison.verdict == "within_noise":
        return f"against {rival} the difference in robust accuracy is within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return (
        f"{abs(100 * comparison.difference):.1f} points {side} robust accuracy than {rival} "
        f"(95 % interval {words.points(comparison.low)} to {words.points(comparison.high)}, "
        f"p {_p(comparison.p_value)})"
    )


def _clean_clause(comparison: PairedComparison) -> str:
    if comparison.verdict == "within_noise":
        return "at a clean accuracy that is the same within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return f"at {abs(100 * comparison.difference):.1f} points {side} clean accuracy"


def _both(baseline: ArmReport) -> tuple[str, PairedComparison, PairedComparison] | None:
    by_what = {comparison.what: comparison for comparison in baseline.comparisons}
    if baseline.method is None or "worst_case" not in by_what or "clean" not in by_what:
        return None
    return words.arm(baseline), by_what["worst_case"], by_what["clean"]


def _of_a_transfer(spec: JobSpec, teachers: Sequence[Teacher]) -> Iterator[str]:
    yield from not_robust(spec, teachers)
    yield from _weak([teacher for teacher in teachers if not is_not_robust(spec, teacher)])
    yield from _beyond_the_teacher(spec)
    yield from _partial_data(spec)


def _beyond_the_teacher(spec: JobSpec) -> Iterator[str]:
    for arm in spec.arms:
        trained = arm.pretrain.attack.eps * max(arm.pretrain.radii)
        for attack in (*spec.evaluate.attacks, *spec.evaluate.source_attacks):
            if attack.norm == "linf" and attack.eps > trained * (1 + 1e-9):
                yield (
                    f"Attack {attack.label} has eps {words.radius(attack.eps)}, more than the "
                    f"{words.radius(trained)} that the teacher was trained at: beyond its teacher's radius "
                    "a student can be less robust than plain transfer."
                )


def _partial_data(spec: JobSpec) -> Iterator[str]:
    """Said where the limit leaves images out; a data set that has fewer is used whole."""
    for role, data in (("source", spec.source), ("target", spec.dataset)):
        there = share_of_classes(data, DATASETS[data.name].train_images)
        if data.train_limit is not None and data.train_limit < there:
            yield (
                f"{words.count(data.train_limit)} of {'' if data.classes is None else 'about '}"
                f"{words.count(there)} training images of the {role} were used (train_limit), validation "
                "images included."
            )


def _resized(spec: JobSpec | EvaluateJobSpec) -> Iterator[str]:
    model = spec.model
    source = [("source", spec.source)] if isinstance(spec, JobSpec) else []
    for role, data in (*source, ("target", spec.dataset)):
        facts = DATASETS[data.name]
        changes = []
        if facts.image_size != model.image_size:
            changes.append(f"resized from {facts.image_size} to {model.image_size} pixels")
        if facts.channels != model.channels:
            changes.append(f"given {model.channels} channels instead of {facts.channels}")
        if changes:
            yield (
                f"The {role}'s images are {' and '.join(changes)}; the adversary perturbs the network's "
                "input after that, all channels independently."
            )


def _weak(teachers: Sequence[Teacher]) -> Iterator[str]:
    for teacher in teachers:
        worst = teacher.figures.worst_case if teacher.figures else None
        if worst is not None and worst.value < WEAK_TEACHER:
            yield (
                f"The {teacher.objective} teacher is weak: {words.percent(worst.value)} robust accuracy on "
                "its own source. There is little robustness to keep, and comparisons say little."
            )


def _in_parts(parts: Mapping[str, int]) -> Iterator[str]:
    for label, count in parts.items():
        if count > 1:
            yield (
                f"While {label} was trained a whole batch did not fit into memory, so from then on gradients "
                f"were added up over {count} parts of each batch. Batch norm that goes by the batch took its "
                "statistics from the parts, so a larger device gives other numbers for this specification."
            )


def _p(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"
