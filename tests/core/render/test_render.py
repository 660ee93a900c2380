"""The Markdown face: every figure with its n and interval, and nothing invented."""

from __future__ import annotations

import pytest

from cartl_core.render import histories, numbers, phrases
from cartl_core.render.event_lines import event_line
from cartl_core.render.markdown import render
from cartl_core.report import Report
from cartl_core.spec import DataSpec, JobSpec, digest
from cartl_core.statistics.proportions import wilson
from tests.factories import make_runtime
from tests.fixtures.reports import arm_of, attack_of, full_report, spec_of, training_of
from tests.fixtures.requests import transfer_of


@pytest.fixture
def spec() -> JobSpec:
    return spec_of()


@pytest.fixture
def report() -> Report:
    return full_report()


def test_every_accuracy_is_shown_with_its_interval_and_n(report: Report) -> None:
    text = render(report)
    for figure in (wilson(180, 200), wilson(120, 200), wilson(184, 200), wilson(100, 200)):
        assert numbers.interval(figure) in text
    assert "The same 200 test images" in text
    assert "eps 8/255, step 2/255, 20 steps, 2 restarts, random start, seed 7" in text


def test_only_norms_that_are_proven_are_called_so(spec: JobSpec) -> None:
    by_operator = spec.model_copy(
        update={"transfer": transfer_of(spec).model_copy(update={"norm": "operator"})}
    )
    assert "not proven non-expansive" in phrases.layer_norms({"head": 0.6}, transfer_of(spec))
    assert "every tuned block is non-expansive" in phrases.layer_norms(
        {"head": 0.6}, transfer_of(by_operator)
    )


def test_warnings_come_before_any_figure(report: Report) -> None:
    text = render(report)
    assert text.index("400 of about 719 training images of the source") < text.index("## ")


def test_what_the_paired_comparison_says_is_printed_as_it_was_found(report: Report) -> None:
    text = render(report)
    assert "- CARTL keeps 10.0 points more robust accuracy than plain transfer (95 % interval +4.0" in text
    assert "+10.0 (+4.0 to +16.0)" in text
    assert "0.0022" in text


def test_a_cell_cannot_break_the_table(report: Report) -> None:
    assert "| a\\|b | 100 |" in render(report)


def test_a_report_with_nothing_known_says_that_it_is_not_complete(spec: JobSpec) -> None:
    text = render(Report(complete=False, spec=spec, spec_digest=digest(spec)))
    assert "Not complete" in text
    assert "accuracy" not in text


def test_a_student_without_figures_is_not_given_any(spec: JobSpec) -> None:
    partial = Report(complete=False, spec=spec, spec_digest=digest(spec), student=arm_of("cartl", None))
    assert "not yet known | not yet known" in render(partial)


@pytest.mark.parametrize(
    ("eps", "said"), [(8 / 255, "8/255"), (0.1, "0.1"), (0.0, "0"), (1.0, "255/255"), (0.5 / 255, "0.001961")]
)
def test_a_radius_is_said_in_levels_where_it_is_one(eps: float, said: str) -> None:
    assert numbers.radius(eps) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert numbers.duration(seconds) == said


def test_many_classes_are_counted_not_listed() -> None:
    assert phrases.data(DataSpec(name="cifar100", classes=tuple(range(50)))) == "CIFAR-100, 50 of 100 classes"


def test_attacks_that_differ_in_their_steps_share_a_phrase() -> None:
    twenty, hundred = attack_of(5, 10), attack_of(4, 10, "pgd100", 100)
    said = phrases.attacks((twenty, hundred))
    assert said.startswith("pgd20 and pgd100: PGD, linf, loss ce, eps 8/255, step 2/255, 20 and 100 steps")
    other = twenty.model_copy(update={"norm": "l2", "label": "far"})
    assert phrases.attacks((twenty, other)).count("seed 7") == 2
    assert phrases.attacks(()) == "none"


def test_in_which_precision_an_attack_began_is_told_where_it_was_not_fp32() -> None:
    hundred = attack_of(4, 10, "pgd100", 100)
    low = hundred.model_copy(update={"begun_in": "bf16"})
    assert phrases.attack(low) == f"{phrases.attack(hundred)}, begun in bf16 and finished in fp32"
    plain, runtime = make_runtime(), make_runtime(attack_precision="bf16")
    assert phrases.precisions(plain) == "training in fp32, evaluation in fp32"
    assert phrases.precisions(runtime).endswith(", PGD of 100 steps or more begun in bf16")
    told = [
        {"type": "runtime_resolved", "runtime": made.model_dump(mode="json")} for made in (plain, runtime)
    ]
    assert [str(event_line(event)).endswith(", long attacks begin in bf16") for event in told] == [
        False,
        True,
    ]


def test_every_part_has_its_heading_and_its_figures(report: Report) -> None:
    text = render(report)
    for heading, figures in {
        "The methods side by side": ["| CARTL | 2 of 5 blocks | 3 | 90.0 % (85.1 to 93.4) |"],
        "What was kept of the teacher's robustness": ["across data sets", "| CARTL | 1.09 (0.93 to 1.28) |"],
        "Would we notice if the figures were wrong?": ["\u2717 failed", "breaks 3.1 points more"],
        "Robust accuracy over eps": ["61.0 % (55.0 to 67.0) over eps 0 to 16/255", "| 12/255 | 30.0 %"],
        "The worst images": ["no. 17 | 5 | 93.0 % | 7 | 81.0 %", "eps 8/255"],
        "Under common corruptions": ["| gaussian noise, severity 3 | 75.0 %", "mean over all"],
        "How far the tail can stretch": ["| block3.conv1 | convolution | 0.6 | 0.913 | 0.921 |", "no bound"],
        "Certified by randomised smoothing": ["| 0.125 | 40.0 %", "Abstained: 7.0 %"],
        "On the way: validation figures by epoch": [
            "80 validation images, 64 of them attacked (PGD-10, eps 8/255)",
            "| CARTL | 3 | 87.5 % (78.5 to 93.1) | 64.1 % (51.8 to 74.7) | kept, on the front |",
            "| CARTL | 5 | 88.8 % (80.0 to 94.0) | 51.6 % (39.6 to 63.4) |  |",
        ],
        "Evidence for auditors": ["Evidence, not a verdict", "EU AI Act, Article 15(5)", "MEASURE 2.7"],
    }.items():
        part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        for figure in figures:
            assert figure in part


def test_of_a_long_training_only_telling_epochs_have_a_row(report: Report) -> None:
    rows = [(min(80, 30 + epoch), min(epoch, 60 - epoch)) for epoch in range(1, 41)]
    long = training_of(*rows, selected_epoch=33, validated=(80, 64))
    assert long.front == tuple(range(30, 41))
    assert [row.epoch for row in histories.shown(long)] == [1, *range(30, 41)]


def test_a_median_beyond_the_curve_is_said_so(report: Report) -> None:
    assert "0.0275 (0.0235 to beyond the curve), n = 180" in render(report)
