"""How figures are said: percentages, intervals, radii, durations. One place, so that faces agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from cartl_core.catalog import DATASETS, METHODS
from cartl_core.report import AttackResult, Interval
from cartl_core.spec import DataSpec, JobSpec, Method

MAX_NAMED_CLASSES = 10
UNKNOWN = "not yet known"
LONGEST_TIMES = 5


def percent(value: float) -> str:
    """``0.6667`` -> ``66.7 %``."""
    return f"{100 * value:.1f} %"


def interval(figure: Interval) -> str:
    """``66.7 % (63.7 to 69.5)``: the value and its interval, in percent."""
    if figure.n == 0:
        return "not measured"
    return f"{percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def radius(eps: float) -> str:
    """A radius in pixel units; as n/255 where it is one."""
    levels = eps * 255
    if 1 <= levels <= 255 and abs(levels - round(levels)) < 1e-6:
        return f"{round(levels)}/255"
    return f"{eps:.4g}"


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count(number: int) -> str:
    """Thousands set apart: ``10,000``."""
    return f"{number:,}"


def data(spec: DataSpec) -> str:
    """``Fashion-MNIST, classes Sneaker, Bag``."""
    facts = DATASETS[spec.name]
    if spec.classes is None:
        return f"{facts.title}, all {len(facts.classes)} classes"
    if len(spec.classes) > MAX_NAMED_CLASSES:
        return f"{facts.title}, {len(spec.classes)} of {len(facts.classes)} classes"
    return f"{facts.title}, classes {', '.join(facts.classes[label] for label in spec.classes)}"


def method(name: Method) -> str:
    """A method's name in prose."""
    return METHODS[name].title


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
    return (
        f"{result.name.upper()}, {result.norm}, loss {result.loss}, eps {radius(result.eps)}, {step}, "
        f"{steps}, {restarts}, {start}, seed {result.seed}"
    )


def listed(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def layer_norms(norms: Mapping[str, float], spec: JobSpec) -> str:
    """The tuned layers' reshaped norms, and what they do not say. ``norms`` has at least one layer."""
    low, high = min(norms.values()), max(norms.values())
    return (
        f"Largest singular value of each of the {len(norms)} tuned layers' reshaped weights: {low:.4f} to "
        f"{high:.4f} (asked: {spec.transfer.beta}). This is not the norm of the convolution as an "
        "operator, which can be up to 3 times larger for a 3x3 kernel, and batch norm is not bounded by it: "
        "the tail is not proven non-expansive."
    )


def times(seconds: Mapping[str, float]) -> str:
    """All time, and what took longest."""
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:LONGEST_TIMES]
    shares = ", ".join(f"{label} {duration(taken)}" for label, taken in longest)
    return f"{duration(sum(seconds.values()))}; the longest: {shares}"
