"""Phrases for figures, attacks and methods; every format of a report uses the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from cartl_core.catalog import METHODS, facts_of
from cartl_core.catalog.low_precision import LEAST_STEPS
from cartl_core.render import phrases
from cartl_core.render.checks.sentences import check_advice, check_title, check_words
from cartl_core.render.numbers import capital, count, duration, interval, listed, number, percent, radius
from cartl_core.report import ArmReport, AttackResult, Figures, Teacher
from cartl_core.report.certificates import Displacement, SmoothingResult
from cartl_core.report.checks import Check, CheckAttack
from cartl_core.report.comparisons import AttackPair
from cartl_core.report.curves import (
    CorruptionResults,
    ExpectedRobustness,
    Mean,
    MedianDistance,
    RobustnessCurve,
)
from cartl_core.report.evidence import Reference
from cartl_core.spec import AttackSpec, DataSpec, JobSpec, Method, Runtime, TransferSpec

MAX_NAMED_CLASSES = 10
UNKNOWN = "not yet known"
NOT_TRAINED = "not trained here"
LONGEST_TIMES = 5
SHOWN = 12
"""Of the digits of a commit or a digest."""
WORST_CASE = (
    "An image counts as robust when no iterate of any restart fools the network. The worst case counts what "
    "every attack broke, and what fell on the curve or in the checks within their radius."
)
AUTOATTACK = "the four attacks of AutoAttack's standard version together, image by image"
CURVES = (
    "Each image is attacked at one radius after the other and stays fallen once it fell. Expected robustness "
    "is the mean of robust accuracy over eps from 0 to the radius named; the median distance is that of the "
    "images right without an attack to the nearest wrong one found, in pixel units."
)
KEPT = (
    "Robust accuracy on the target over the teacher's own on the source, under the attacks that both stood. "
    "This is a ratio across data sets: other images and other classes. It tells how much of a level was "
    "carried over; it does not compare two networks. Koopman's 95 % interval for two independent proportions."
)


def code(runtime: Runtime) -> str:
    """Version and commit of the code, and the image that it lay in, as far as they are known."""
    commit = f", commit {runtime.commit[:SHOWN]}" if runtime.commit else ""
    changed = " and changes to it" if runtime.tree_changed else ""
    image = f", image {runtime.image[:SHOWN]}" if runtime.image else ""
    return f"cartl {runtime.cartl}{commit}{changed}{image}"


def data(spec: DataSpec) -> str:
    """``Fashion-MNIST, classes Sneaker, Bag``."""
    facts = facts_of(spec)
    if spec.classes is None:
        return f"{facts.title}, all {len(facts.classes)} classes"
    if len(spec.classes) > MAX_NAMED_CLASSES:
        return f"{facts.title}, {len(spec.classes)} of {len(facts.classes)} classes"
    return f"{facts.title}, classes {', '.join(facts.classes[label] for label in spec.classes)}"


def start(spec: JobSpec) -> str:
    """What a transfer starts from, in short: its source's name, or its teacher's where it has none."""
    if spec.source is not None:
        return spec.source.name
    return f"teacher {spec.teacher.name}" if spec.teacher else "no source"


def method(name: Method | None) -> str:
    """A method's name in prose; None is a network that was given."""
    return METHODS[name].title if name else "the given network"


def arm(found: ArmReport) -> str:
    """A student's method, and the settings in which it differs from others of that method."""
    return named(found.method, found.settings)


def named(of: Method | None, settings: str | None) -> str:
    """``plain transfer (pretrain.radii 1.5)``."""
    return f"{method(of)} ({settings})" if settings else method(of)


def teacher(found: Teacher) -> str:
    """``fdm teacher, depth 4``."""
    depth = "" if found.freeze_depth is None else f", depth {found.freeze_depth}"
    return f"{found.objective} teacher{depth}"


def frozen(arm: ArmReport) -> str:
    """How much of a network was held fixed."""
    return NOT_TRAINED if arm.freeze_depth is None else f"{arm.freeze_depth} of {arm.blocks} blocks"


def tuned(arm: ArmReport) -> str:
    """How many blocks were tuned: the paper's k."""
    return NOT_TRAINED if arm.k is None else str(arm.k)


def attack(result: AttackResult) -> str:
    """Everything needed to repeat an attack, in one phrase."""
    return _recipe(result, f"{result.steps} steps")


def attacks(results: Sequence[AttackResult]) -> str:
    """The same of several; those that differ only in their steps share a phrase."""
    phrases = []
    for _, group in groupby(results, key=lambda result: _recipe(result, "")):
        alike = list(group)
        steps = listed([str(result.steps) for result in alike])
        phrases.append(f"{listed([result.label for result in alike])}: {_recipe(alike[0], f'{steps} steps')}")
    return "; ".join(phrases) or "none"


def _recipe(result: AttackResult, steps: str) -> str:
    start = "random start" if result.random_start else "no random start"
    restarts = f"{result.restarts} restart{'s' if result.restarts != 1 else ''}"
    step = "steps of its own size" if result.step is None else f"step {radius(result.step)}"
    begun = "" if result.begun_in == "fp32" else f", begun in {result.begun_in} and finished in fp32"
    return (
        f"{result.name.upper()}, {result.norm}, loss {result.loss}, eps {radius(result.eps)}, {step}, "
        f"{steps}, {restarts}, {start}, seed {result.seed}{begun}"
    )


def precisions(runtime: Runtime) -> str:
    """In which precision a run trained and measured."""
    low = runtime.attack_precision
    attacks = "" if low == "fp32" else f", PGD of {LEAST_STEPS} steps or more begun in {low}"
    return f"training in {runtime.precision}, evaluation in fp32{attacks}"


def layer_norms(norms: Mapping[str, float], transfer: TransferSpec) -> str:
    """The tuned layers' reshaped norms, and what they do not say. ``norms`` has at least one layer."""
    low, high = min(norms.values()), max(norms.values())
    if transfer.norm == "operator":
        return (
            f"Each of the {len(norms)} tuned layers is proven to have a norm of at most "
            f"{transfer.beta:g} as an operator on its own feature maps, and batch norm a gain of at "
            "most 1: every tuned block is non-expansive. The largest singular values of the reshaped "
            f"weights are {low:.4f} to {high:.4f}."
        )
    return (
        f"Largest singular value of each of the {len(norms)} tuned layers' reshaped weights: {low:.4f} to "
        f"{high:.4f} (asked: {transfer.beta}). This is not the norm of the convolution as an "
        "operator, which can be up to 3 times larger for a 3x3 kernel, and batch norm is not bounded by it: "
        "the tail is not proven non-expansive."
    )


def times(seconds: Mapping[str, float], at_once: int = 1) -> str:
    """All time of stages, so many of which were computed ``at_once``, and what took longest."""
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:LONGEST_TIMES]
    shares = ", ".join(f"{label} {duration(taken)}" for label, taken in longest)
    together = "" if at_once == 1 else f" of stages, {at_once} at a time"
    return f"{duration(sum(seconds.values()))}{together}; the longest: {shares}"


def worst_case(figures: Figures) -> str:
    """All that the worst case of these figures is over; empty where nothing was attacked."""
    if not figures.attacks:
        return ""
    over = f"worst case per image over {attacks(figures.attacks)}"
    norms = {result.norm for result in figures.attacks}
    within = {norm: max(result.eps for result in figures.attacks if result.norm == norm) for norm in norms}
    if figures.curve and figures.curve.norm in within:
        over += f"; over the curve within that radius (n = {count(figures.curve.n)}): {curve(figures.curve)}"
    made = figures.checks.attacks if figures.checks else ()
    counted = [attack.label for attack in made if attack.eps <= within.get(attack.norm, -1.0)]
    if figures.checks and counted:
        labels = listed(counted)
        over += f"; and over the attacks of the checks within it (n = {count(figures.checks.n)}): {labels}"
    return over


def check_attack(made: CheckAttack) -> str:
    """Everything needed to repeat an attack of the checks, in one phrase."""
    return tried(made, made.seed)


def tried(made: CheckAttack | AttackSpec, seed: int) -> str:
    """Likewise, of any attack with a seed."""
    step = "steps of its own size" if made.step is None else f"step {radius(made.step)}"
    restarts = f"{made.restarts} restart{'s' if made.restarts != 1 else ''}"
    return (
        f"{made.name.upper()}, {made.norm}, loss {made.loss}, eps {radius(made.eps)}, {step}, {made.steps} "
        f"steps, {restarts}, seed {seed}"
    )


def curve(found: RobustnessCurve) -> str:
    """Everything needed to repeat a curve, in one phrase."""
    restarts = f"{found.restarts} random start{'s' if found.restarts != 1 else ''}"
    return (
        f"PGD at {len(found.points) - 1} rising radii to {radius(found.points[-1].eps)}, loss {found.loss}, "
        f"step {found.step_of_eps:.3g} of eps, {found.steps} steps, {restarts} at each and one "
        f"from the radius before, seed {found.seed}"
    )


def median_distance(found: MedianDistance) -> str:
    """The median distance with its interval: ``0.12 (0.11 to 0.13), n = 480``."""
    low, high = _distance(found.low), _distance(found.high)
    if found.n == 0:
        return "not measured"
    return f"{_distance(found.value)} ({low} to {high}), n = {count(found.n)}"


def _distance(value: float | None) -> str:
    return "beyond the curve" if value is None else f"{value:.3g}"


def mean(figure: Mean) -> str:
    """A mean of fractions with its interval, as ``interval``."""
    over = f" over eps 0 to {radius(figure.to_eps)}" if isinstance(figure, ExpectedRobustness) else ""
    return f"{percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f}){over}"


def corruptions(found: CorruptionResults) -> str:
    """What the corruptions are and are not."""
    return (
        "Accuracy on test images with noise, blur and the like, which nobody chose to do harm: natural "
        f"robustness, no attack. Severities 1 to 5; seed {found.seed}. {capital(found.source)}."
    )


def corruption(name: str, severity: int) -> str:
    """``gaussian noise, severity 3``."""
    return f"{name.replace('_', ' ')}, severity {severity}"


def pairs(found: Sequence[AttackPair]) -> str:
    """Attacks that were made on the target and on the source, with the radius on each."""
    return "; ".join(
        f"{pair.target} at eps {radius(pair.target_eps)} on the target, {radius(pair.source_eps)} on the "
        "source"
        for pair in found
    )


def reference(found: Reference) -> str:
    """``EU AI Act, Article 15(5)``."""
    return f"{found.framework.partition(',')[0]}, {found.clause}"


def references(found: Sequence[Reference]) -> str:
    """All of them in a row."""
    return "; ".join(map(reference, found))


def displacement(moved: Displacement | None) -> str:
    """How far the attack moved the features, over how far apart they are anyway."""
    if moved is None:
        return "not measured: features are not finite"
    if moved.relative is None:
        return "all features are the same"
    return (
        f"median {number(moved.relative.median)}, 95 % below {number(moved.relative.p95)}, largest "
        f"{number(moved.relative.max)} (n = {count(moved.relative.n)}, {moved.attack}, eps "
        f"{radius(moved.eps)})"
    )


def smoothing(found: SmoothingResult) -> str:
    """How the smoothed classifier was certified."""
    return (
        f"Cohen et al. 2019: noise of deviation {number(found.sigma)}, {count(found.n0)} draws to guess and "
        f"{count(found.n)} to certify, each certificate wrong with probability {number(found.alpha)} at "
        f"most, no radius above {number(found.largest_radius)} possible. Abstained: "
        f"{interval(found.abstained)}, n = {count(found.abstained.n)}. 95 % Wilson intervals over images."
    )


def status(found: str) -> str:
    """``not_run`` -> ``not run``."""
    return {"passed": "\u2713 passed", "failed": "\u2717 failed"}.get(found, "not run")


def failed_checks(arms: Sequence[ArmReport]) -> tuple[str, ...]:
    """Of every method, what suggests that its figures deceive."""
    return tuple(said for arm in arms for said in failed(phrases.arm(arm), arm.checks))


def failed(name: str, checks: Sequence[Check]) -> Iterator[str]:
    """Of the network that is called so, each check that failed."""
    for check in checks:
        if check.status == "failed":
            said = f"A check of {name} failed ({check_title(check)}): {check_words(check)}"
            yield f"{said} {check_advice(check) or ''}".strip()
