"""The sentences of a report: the headline, how a student was made, each notice, in their order."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from cartl_core.analysis.comparisons import compare
from cartl_core.render import html, markdown, phrases, sentences
from cartl_core.render.checks.sentences import check_advice
from cartl_core.report import ArmReport, Report
from cartl_core.report.checks import Check
from cartl_core.report.making import FrozenPart, frozen_parts, learned_from
from cartl_core.report.notices import (
    NetworkName,
    Notice,
    OneAnswer,
    OtherNotice,
    OutputsNotFinite,
    Resized,
    RuntimeChanged,
    WeakTeacher,
)
from cartl_core.spec import AttackSpec, TransferSpec
from cartl_core.spec.measures.attack import ATTACKS
from cartl_core.statistics.proportions import wilson
from tests.fixtures.choosing import choosing_report
from tests.fixtures.reports import arm_of, figures_of, full_report


def outcomes(*runs: tuple[bool, int]) -> tuple[bool, ...]:
    return tuple(value for value, count in runs for _ in range(count))


def measured(method: str, robust: int, clean: int, **more: Any) -> ArmReport:
    return arm_of(method, figures_of(clean, robust, n=100), **more)


def report_of(student: ArmReport, *baselines: ArmReport) -> Report:
    return full_report().model_copy(update={"student": student, "baselines": baselines})


def test_the_headline_answers_the_question() -> None:
    job, baseline = outcomes((True, 70), (False, 30)), outcomes((True, 40), (False, 60))
    robust, clean = compare("worst_case", job, baseline), compare("clean", job, job)
    rival = measured("vanilla", 40, 90).model_copy(update={"comparisons": (robust, clean)})
    said = sentences.headline(report_of(measured("cartl", 70, 90), rival))
    assert said is not None
    assert said.startswith("CARTL keeps 70.0 % robust accuracy at 90.0 % clean accuracy (n = 100)")
    assert "30.0 points more robust accuracy than plain transfer" in said
    assert "within noise" in said
    alone = sentences.headline(report_of(measured("cartl", 70, 90)))
    assert alone == "CARTL keeps 70.0 % robust accuracy at 90.0 % clean accuracy (n = 100)."


def against(method: str, robust: int, clean: int, *, student: tuple[int, int] = (60, 90)) -> ArmReport:
    """A baseline of 100 images beside a student with so many robust and right ones, nested in each other."""

    def held(count: int) -> tuple[bool, ...]:
        return outcomes((True, count), (False, 100 - count))

    found = (
        compare("worst_case", held(student[0]), held(robust)),
        compare("clean", held(student[1]), held(clean)),
    )
    return measured(method, robust, clean).model_copy(update={"comparisons": found})


def test_every_baseline_that_is_ahead_is_named_in_the_headline() -> None:
    """The strongest that is no less clean first; not the one that is behind, nor the one within noise."""
    student = measured("consistent", 60, 90)
    baselines = [
        against("vanilla", 40, 90),
        against("adversarial", 80, 80),
        against("cartl", 70, 90),
        against("lwf", 62, 90),
        against("neft", 60, 97),
    ]
    said = sentences.headline(report_of(student, *baselines))
    assert said is not None
    answer, _, ahead = said.partition(" Ahead of it: ")
    assert "20.0 points more robust accuracy than plain transfer" in answer
    names = [phrases.method(name) for name in ("cartl", "neft", "adversarial")]
    assert [ahead.find(name) for name in names] == sorted(ahead.find(name) for name in names)
    assert "10.0 points more robust accuracy (95 % interval +" in ahead
    assert ahead.index(names[0]) == 0 and "10.0 points less clean accuracy" in ahead
    assert "as robust within noise at 7.0 points more clean accuracy" in ahead
    assert phrases.method("lwf") not in ahead and "plain transfer" not in ahead
    assert "Ahead" not in str(sentences.headline(report_of(student, *baselines[:1])))


def test_a_first_baseline_that_is_ahead_is_named_once() -> None:
    said = sentences.headline(report_of(measured("cartl", 60, 90), against("vanilla", 80, 90)))
    assert said is not None and "20.0 points less robust accuracy than plain transfer" in said
    assert "Ahead" not in said


def test_a_baseline_that_answers_with_one_class_is_not_compared_with_but_named_first() -> None:
    name = NetworkName(role="baseline", method="vanilla", settings=None, objective=None, freeze_depth=None)
    notice = OneAnswer(network=name, answer="owl", share=wilson(100, 100))
    report = report_of(measured("cartl", 20, 90), against("vanilla", 60, 60, student=(20, 90)))
    said = sentences.headline(report.model_copy(update={"warnings": (notice,)}))
    assert said is not None and said.startswith("The baseline plain transfer answers owl to 100.0 %")
    assert said.endswith("CARTL keeps 20.0 % robust accuracy at 90.0 % clean accuracy (n = 100).")


def test_a_student_without_finite_outputs_has_no_other_headline() -> None:
    name = NetworkName(role="student", method="cartl", settings=None, objective=None, freeze_depth=None)
    notice = OutputsNotFinite(network=name, not_finite=3, n=100)
    report = report_of(measured("cartl", 60, 90)).model_copy(update={"warnings": (notice,)})
    said = sentences.headline(report)
    assert said is not None and said.startswith("CARTL gives outputs that are infinite or not a number on 3")
    assert "keeps" not in said and "robust accuracy" not in said
    assert sentences.read_first(report)[0] == said
    for face in (html.render, markdown.render):
        assert face(report.model_copy(update={"evidence": None})).count("infinite or not a number") == 1


def test_a_check_that_failed_for_a_baseline_alone_comes_last() -> None:
    failed = Check(name="masking", status="failed", finding="gradients_masked", evidence=MASKED)
    baseline = against("vanilla", 40, 90).model_copy(update={"checks": (failed,)})
    other = OtherNotice(text="Something else.")
    report = report_of(measured("cartl", 60, 90), baseline).model_copy(update={"warnings": (other,)})
    first, last = sentences.read_first(report)
    assert first == "Something else." and last.startswith("A check of plain transfer failed")
    page = html.render(report.model_copy(update={"evidence": None}))
    assert "Checks failed" not in page and "A check failed" not in page
    assert page.index("Something else.") < page.index("A check of plain transfer failed")


MASKED = {"reference": "pgd20", "allowed": 0.01, "alpha": 0.05}


def test_there_is_no_headline_before_the_student_was_attacked() -> None:
    assert sentences.headline(report_of(arm_of("cartl", None))) is None
    assert sentences.headline(full_report().model_copy(update={"student": None, "baselines": ()})) is None


def test_a_chosen_student_is_said_to_be_one_of_many() -> None:
    said = sentences.headline(choosing_report())
    assert said is not None
    assert said.startswith("CARTL, chosen among 4 candidates, keeps 60.0 % robust accuracy")


def frozen(transfer: TransferSpec, freeze_depth: int) -> tuple[str, ...]:
    parts = frozen_parts(freeze_depth, transfer)
    return sentences.frozen(arm_of("cartl", None, frozen=parts, freeze_depth=freeze_depth))


def test_what_was_frozen_is_said(job: Any) -> None:
    said = frozen(job().transfer, 2)
    assert said[0].startswith("all weights of the stem and blocks 1 to 2 of 5")
    assert any("affine (gamma, beta) of the tail" in line for line in said)
    assert frozen(job().transfer, 1)[0].startswith("all weights of the stem and block 1 of 5")
    lwf = job(method="lwf", freeze_depth=0).transfer
    assert frozen(lwf, 0) == ()


def test_every_part_that_can_be_frozen_has_a_clause_of_its_own() -> None:
    parts = get_args(FrozenPart)
    said = sentences.frozen(arm_of("cartl", None, frozen=parts))
    assert len(set(said)) == len(parts)


def learned(transfer: TransferSpec) -> tuple[str, ...]:
    found = [source.model_dump() for source in learned_from(transfer)]
    return sentences.learned(arm_of("cartl", None, learned=found))


def test_what_was_learned_from_besides_is_said(job: Any) -> None:
    assert learned(job().transfer) == ()
    moved = job(transfer={"displacement": {"eps": 8 / 255, "copies": 2, "steps": 3, "weight": 0.5}}).transfer
    (said,) = learned(moved)
    assert said.startswith(
        "displaced features, their cross-entropy beside that of the clean ones, weight 0.5"
    )
    (alike,) = learned(job(transfer={"displacement": {"loss": "consistency"}}).transfer)
    assert "the divergence of their answers" in alike
    assert alike.endswith("found once through the trunk")
    (turned,) = learned(job(transfer={"displacement": {"direction": "tail", "reach": 0.25}}).transfer)
    assert "each number moves 0.25 times as far, to where the tail's cross-entropy climbs" in turned
    (short,) = learned(job(transfer={"displacement": {"reach": 0.5}}).transfer)
    assert short.endswith("through the trunk, 0.5 times as far")
    assert "2 copies" in said
    assert "eps 8/255 (linf, 3 steps of 2/255)" in said
    held = job(transfer={"lwf_weight": 0.1, "lwf_head_epochs": 2, "anchor_weight": 0.01}).transfer
    head, near, anchored = learned(held)
    assert head == "for 2 epochs the head alone was tuned"
    assert "weight 0.1" in near
    assert "decays by 0.01" in anchored
    (lwf, _) = learned(job(method="lwf", freeze_depth=0).transfer)
    assert lwf.startswith("for the first epoch the head")
    for count, said in ((1, "one altered view"), (8, "8 altered views")):
        views = job(method="vanilla", transfer={"augmentation": "crop_flip", "cached_views": count})
        assert learned(views.transfer) == (f"{said} of each image (crop_flip), drawn before the first epoch",)


WEAK = WeakTeacher(objective="at", robust=wilson(19, 100))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (WEAK, "The at teacher is weak: 19.0 % robust accuracy on its own source."),
        (RuntimeChanged(changed=("device_name", "torch")), "other versions (device_name, torch differ), so"),
        (
            Resized(role="target", data_size=28, input_size=28, data_channels=1, input_channels=3),
            "The target's images are given 3 channels instead of 1; the adversary",
        ),
        (OtherNotice(text="As it was."), "As it was."),
    ],
)
def test_a_notice_is_said_with_its_numbers(found: Notice, said: str) -> None:
    assert said in sentences.notice(found)


def test_the_promise_comes_first_then_failed_checks_then_the_notices_each_once() -> None:
    broken = choosing_report("broken")
    broken = broken.model_copy(update={"warnings": (WEAK, OtherNotice(text="Told."), WEAK)})
    promise, check, *rest = sentences.read_first(broken)
    assert promise == sentences.promise(broken)
    assert (check,) == phrases.failed_checks([broken.student] if broken.student else [])
    assert rest == [sentences.notice(WEAK), "Told."]


@pytest.mark.parametrize(
    ("verdict", "told"), [("broken", True), ("unclear", True), ("kept", False), ("plain_itself", False)]
)
def test_only_a_promise_that_was_not_surely_kept_is_to_be_read_first(verdict: Any, told: bool) -> None:
    report = choosing_report(verdict)
    assert (sentences.promise(report) in sentences.read_first(report)) is told


def test_a_network_that_answers_at_random_is_told_by_which_field_it_is_attacked() -> None:
    evidence = {"images": 200, "differing": 1.0, "other_class": 0.1, "largest_relative_difference": 0.2}
    check = Check(name="randomness", status="failed", finding="outputs_differ", evidence=evidence)
    advice = check_advice(check) or ""
    samples = re.search(r"`samples` (\d+)", advice)
    assert samples is not None
    assert {name for name in ATTACKS if re.search(rf"\b{name}\b", advice)} == {
        name for name, facts in ATTACKS.items() if facts.averages
    }
    attack = AttackSpec(label="a", name="apgd", eps=0.1, steps=5, samples=int(samples[1]))
    assert attack.samples > 1
