"""Where the figures come from: what was held fixed, digests, versions, times."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.catalog import METHODS
from cartl_core.render import numbers, phrases, selection_phrases, sentences
from cartl_core.render.html.elements import Child, Html, join, section, tag
from cartl_core.render.html.methods import arms_of
from cartl_core.report import ArmReport, Report
from cartl_core.spec import JobSpec

SHORT = 12


def held_fixed(report: Report) -> Html | None:
    """What each method did not tune."""
    said = [(arm, sentences.frozen(arm)) for arm in arms_of(report) if arm.frozen]
    return section("fixed", "What was held fixed", _by_method(said)) if said else None


def learned(report: Report) -> Html | None:
    """What each method learned from that plain tuning does not have."""
    said = [(arm, sentences.learned(arm)) for arm in arms_of(report) if arm.learned]
    return section("learned", "What was learned from besides", _by_method(said)) if said else None


def _by_method(said: list[tuple[ArmReport, tuple[str, ...]]]) -> Html:
    items = (
        tag("li", tag("strong", numbers.capital(phrases.arm(arm))), ": ", "; ".join(clauses), ".")
        for arm, clauses in said
    )
    return tag("ul", *items)


def norms(report: Report) -> Html | None:
    """How large the tuned layers' weights are, and what that does not say."""
    found = report.student.tuned_layer_norms if report.student else {}
    arm = report.own_arm
    if not found or arm is None or not METHODS[arm.method].nonexpansive:
        return None
    return section("norms", "Norms of the tuned layers", tag("p", phrases.layer_norms(found, arm.transfer)))


def how_it_was_made(report: Report) -> Html:
    """All that is needed to make the same report again."""
    facts: list[Html] = []
    for name, value in _facts(report):
        facts += [tag("dt", name), tag("dd", value)]
    return join((section("made", "How this was made", tag("dl", *facts)),))


def _facts(report: Report) -> Iterator[tuple[str, Child]]:
    spec, runtime = report.spec, report.runtime
    yield (
        "specification",
        join((tag("code", report.spec_digest), f", preset {spec.preset}, seed {spec.seed}")),
    )
    yield (
        "network",
        f"{spec.model.name}, stem stride {spec.model.stem_stride}, input {spec.model.channels} x "
        f"{spec.model.image_size} x {spec.model.image_size}. The adversary changes the network's input after "
        "resizing, each channel on its own.",
    )
    if isinstance(spec, JobSpec):
        yield (
            "images",
            f"{selection_phrases.chosen_on(report)} on validation images; test images were read for this "
            "report only.",
        )
    for arm in arms_of(report):
        yield (
            phrases.arm(arm),
            join(
                (
                    *_making(arm),
                    ", test images " if arm.figures else None,
                    tag("code", arm.figures.data_fingerprint[:SHORT]) if arm.figures else None,
                )
            ),
        )
    if runtime:
        yield (
            "versions",
            f"cartl {runtime.cartl}, torch {runtime.torch}, torchvision {runtime.torchvision}, Python "
            f"{runtime.python}",
        )
        yield (
            "machine",
            f"{runtime.device} ({runtime.device_name}, {runtime.machine}), {runtime.threads} threads, "
            f"training in {runtime.precision}, evaluation in fp32",
        )
    if report.seconds:
        yield "time", phrases.times(report.seconds)


def _making(arm: ArmReport) -> tuple[Child, ...]:
    own = tag("code", (arm.student_digest or phrases.UNKNOWN)[:SHORT])
    if arm.teacher_digest is None:
        return "its file's SHA-256 begins with ", own
    epoch = f", epoch {arm.selected_epoch or phrases.UNKNOWN} kept"
    return "teacher ", tag("code", arm.teacher_digest[:SHORT]), ", student ", own, epoch
