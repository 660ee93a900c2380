"""The choice on both faces: every candidate, the rule, and the promise, kept or not."""

from __future__ import annotations

import pytest

from cartl_core.render import html, markdown, sentences
from cartl_core.render.plots import draw
from cartl_core.report import Report
from cartl_core.report.selection import Verdict, WiderMargin
from tests.fixtures.choosing import choosing_report
from tests.fixtures.reports import full_report


def test_markdown_has_every_candidate() -> None:
    page = markdown.render(choosing_report())
    assert page.startswith("# Robustness report: CARTL, digits to digits")
    start = page.index("## How the method was chosen")
    part = page[start : page.index("\n## ", start + 3)]
    assert (
        "**Of 4 candidates CARTL (transfer.beta 0.6) with 3 tuned blocks (number 2) was chosen: 95.0" in part
    )
    assert "never worse than plain transfer was kept on the test images: against the best plain" in part
    assert "Compared on 180 validation images" in part
    rows = [line for line in part.splitlines() if line.startswith(("| 1 ", "| 2 ", "| 3 ", "| 4 "))]
    assert len(rows) == 4
    assert "CARTL (transfer.beta 0.4)" in rows[0]
    assert rows[0].endswith("| no | yes | yes |  |")
    assert rows[1].endswith("| yes | yes | yes | chosen |")
    assert rows[2].endswith("| yes | - | yes | best plain |")
    assert rows[3].endswith("| no | - | no |  |")
    assert "95.0 % (90.8 to 97.3)" in rows[1]
    assert "Epochs and the candidate were chosen on validation images" in page


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [("kept", "unfinished"), ("unclear", "care"), ("broken", "bad"), ("plain_itself", "unfinished")],
)
def test_html_says_how_the_promise_ended(verdict: Verdict, tone: str) -> None:
    report = choosing_report(verdict)
    page = html.render(report, {picture.name: picture for picture in draw(report)})
    assert f'class="first {tone}"' in page
    said = sentences.promise(report)
    assert said is not None
    assert f"<p>{said}</p>" in page
    assert (
        "Clean against robust accuracy of 4 candidates. On the Pareto front: 1, 2 and 3. Chosen: 2." in page
    )
    assert page.count("best plain</span>") == 1


def test_before_the_choice_the_report_says_what_is_still_open() -> None:
    report = choosing_report()
    assert report.selection is not None
    rows = [
        row.model_copy(
            update={
                "clean": None,
                "robust": None,
                "selected_epoch": None,
                "within_margin": None,
                "leads": None,
                "on_front": None,
                "chosen": False,
                "best_plain": False,
            }
        )
        for row in report.selection.candidates
    ]
    open_ = report.selection.model_copy(
        update={
            "candidates": tuple(rows),
            "n": 0,
            "chosen": None,
            "best_plain": None,
            "promise": None,
        }
    )
    known = report.model_copy(
        update={
            "selection": open_,
            "student": None,
            "baselines": (),
            "complete": False,
            "evidence": None,
        }
    )
    assert known.own_arm is None
    for page in (markdown.render(known), html.render(known)):
        assert "automatic choice" in page.lower()
        assert "not yet known" in page
    assert draw(known) == ()


def test_a_report_without_a_choice_has_no_such_part() -> None:
    for page in (markdown.render(full_report()), html.render(full_report())):
        assert "How the method was chosen" not in page


def test_the_selection_survives_json() -> None:
    report = choosing_report()
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert report.own_arm is not None
    assert report.own_arm.transfer.beta == 0.6


def outcome_of(**changes: object) -> str:
    """What is said of the choice, some of it changed."""
    report = choosing_report()
    assert report.selection is not None
    changed = report.selection.model_copy(update=changes)
    said = sentences.selection_outcome(report.model_copy(update={"selection": changed}))
    assert said is not None
    return said


def test_a_wider_margin_is_told_with_what_it_takes_and_none_is_not() -> None:
    told = outcome_of(wider=(WiderMargin(margin=0.035, number=1),))
    assert "0.035 takes CARTL (transfer.beta 0.4) with 3 tuned blocks (number 1), 88.9 % clean" in told
    assert told.endswith("`auto.margin` trains nothing anew.")
    assert "margin" not in outcome_of()


def test_who_was_passed_over_for_what_may_be_chance_is_told() -> None:
    found = choosing_report().selection
    assert found is not None
    rows = list(found.candidates)
    assert "Passed over" not in outcome_of()
    rows[1] = rows[1].model_copy(update={"leads": False})
    told = outcome_of(candidates=tuple(rows), chosen=3)
    assert (
        "Passed over: CARTL (transfer.beta 0.6) with 3 tuned blocks (number 2), 95.0 % clean and 44.4 % "
        "robust accuracy" in told
    )
    assert "`auto.lead`" in told
    rows[1] = rows[1].model_copy(update={"within_margin": False})
    unclean = outcome_of(candidates=tuple(rows), chosen=3)
    assert "Passed over" not in unclean, "it was not clean enough anyway"
