"""The teacher that a job was given or measures, in pairs of a term and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import numbers
from cartl_core.report.given_teacher import GivenTeacher
from cartl_core.spec.resources.teacher import MeasuredShare, TrainedAt

TITLE = "The teacher that was given"


def about(found: GivenTeacher) -> Iterator[tuple[str, str]]:
    """What it is, what was measured of it, and how it was used."""
    yield "teacher", f"{found.name}, {found.network}, brought in the layout {found.layout}"
    yield "digest", found.digest
    yield "trained against", _trained_at(found.trained_at)
    if found.eps is not None:
        yield "taken to hold within", _radius(found, found.eps)
    yield "verified", _verified(found)
    yield "used", _used(found)
    if found.licence is not None:
        yield "licence", f"{found.licence}, as its owner says"


def _trained_at(attack: TrainedAt | None) -> str:
    if attack is None:
        return "not said"
    return f"{attack.norm}, eps {numbers.radius(attack.eps)}, as its owner says"


def _radius(found: GivenTeacher, eps: float) -> str:
    source = "of its own training" if found.eps_from == "trained_at" else "by default that of the evaluation"
    return f"linf, eps {numbers.radius(eps)}, {source}"


def _verified(found: GivenTeacher) -> str:
    measured = found.verification
    if measured is None:
        return "unverified: nothing was measured of it when it was brought"
    return (
        f"on {numbers.count(measured.n)} test images of {measured.dataset}: {_share(measured.clean)} clean "
        f"accuracy, {_share(measured.robust)} robust accuracy under {measured.attack}"
    )


def _share(figure: MeasuredShare) -> str:
    """``84.5 % (83.0 to 85.9)``."""
    return f"{numbers.percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _used(found: GivenTeacher) -> str:
    if found.used == "measured":
        return "it is the network that this job measures"
    if found.used == "as_it_is":
        return "as it is: no teacher was trained, so there is no source"
    epochs = "1 epoch" if found.fdm_epochs == 1 else f"{found.fdm_epochs} epochs"
    return (
        f"by methods that want the feature distance after {epochs} of that training from its weights, on the "
        "source; by all others as it is"
    )
