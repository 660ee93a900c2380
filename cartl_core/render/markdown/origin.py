"""Where the figures come from: what was held fixed, evidence, digests, versions, times."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.catalog import METHODS
from cartl_core.render import exports as given_back
from cartl_core.render import phrases, selection_phrases, sentences
from cartl_core.render.evidence import document
from cartl_core.render.markdown.methods import arms_of
from cartl_core.render.markdown.tables import table
from cartl_core.render.numbers import threads
from cartl_core.report import ArmReport, Report
from cartl_core.spec import JobSpec


def held_fixed(report: Report) -> Iterator[str]:
    """What each method did not tune."""
    arms = [arm for arm in arms_of(report) if arm.frozen]
    if not arms:
        return
    yield "## What was held fixed"
    yield ""
    for arm in arms:
        yield f"- {phrases.arm(arm)}: {'; '.join(sentences.frozen(arm))}."
    yield ""


def learned(report: Report) -> Iterator[str]:
    """What each method learned from that plain tuning does not have."""
    arms = [arm for arm in arms_of(report) if arm.learned]
    if not arms:
        return
    yield "## What was learned from besides"
    yield ""
    for arm in arms:
        yield f"- {phrases.arm(arm)}: {'; '.join(sentences.learned(arm))}."
    yield ""


def norms(report: Report) -> Iterator[str]:
    """How large the tuned layers' weights are, and what that does not say."""
    norms = report.student.tuned_layer_norms if report.student else {}
    arm = report.own_arm
    if not norms or arm is None or not METHODS[arm.method].nonexpansive:
        return
    yield "## Norms of the tuned layers"
    yield ""
    yield phrases.layer_norms(norms, arm.transfer)
    yield ""


def exports(report: Report) -> Iterator[str]:
    """The forms in which the student was given back."""
    if not report.exports:
        return
    yield "## The student, to take home"
    yield ""
    yield given_back.NOTE
    yield ""
    yield from table(
        given_back.COLUMNS,
        (
            (
                f"[{row.name}]({row.link})" if row.link else row.name,
                row.format,
                row.difference,
                row.robust,
                row.n,
            )
            for row in given_back.rows(report)
        ),
    )


def evidence(report: Report) -> Iterator[str]:
    """For auditors, in short; all of it is in ``evidence.json``."""
    block = document(report)
    if block is None:
        return
    yield "## Evidence for auditors"
    yield ""
    yield f"{block.statement} All of it, with figures and pointers: `evidence.json`."
    yield ""
    yield from table(
        ("tested", "basis", "found", "limits", "speaks to"),
        (
            (item.title, item.basis, item.found, " ".join(item.limits), phrases.references(item.references))
            for item in block.items
        ),
    )
    yield "This report says nothing of:"
    yield ""
    yield from (f"- {gap.subject} ({phrases.references(gap.references)}): {gap.words}" for gap in block.gaps)
    yield ""


def how_it_was_made(report: Report) -> Iterator[str]:
    """All that is needed to make the same report again."""
    spec, runtime = report.spec, report.runtime
    yield "## How this was made"
    yield ""
    yield f"- Spec digest `{report.spec_digest}`, preset `{spec.preset}`, seed {spec.seed}."
    yield (
        f"- Network {spec.model.name}, stem stride {spec.model.stem_stride}, input "
        f"{spec.model.channels} x {spec.model.image_size} x {spec.model.image_size}; the adversary changes "
        "the network's input after resizing, each channel on its own."
    )
    if isinstance(spec, JobSpec):
        chosen = selection_phrases.chosen_on(report)
        yield f"- {chosen} on validation images; the test images were read once, for this report."
    for arm in arms_of(report):
        yield f"- {phrases.arm(arm)}: {_making(arm)}."
        if arm.figures:
            yield f"  Test images fingerprint `{arm.figures.data_fingerprint[:12]}`."
    if runtime:
        yield (
            f"- {phrases.code(runtime)}, torch {runtime.torch}, torchvision {runtime.torchvision}, Python "
            f"{runtime.python}; {runtime.device} ({runtime.device_name}, {runtime.machine}), "
            f"{threads(runtime.threads, runtime.stages_at_once)}, {phrases.precisions(runtime)}."
        )
    if report.seconds:
        yield f"- Time: {phrases.times(report.seconds, runtime.stages_at_once if runtime else 1)}."


def _making(arm: ArmReport) -> str:
    own = (arm.student_digest or phrases.UNKNOWN)[:12]
    if arm.teacher_digest is None:
        return f"its file's SHA-256 begins with `{own}`"
    epoch = arm.selected_epoch or phrases.UNKNOWN
    return f"teacher `{arm.teacher_digest[:12]}`, student `{own}`, epoch {epoch} kept"
