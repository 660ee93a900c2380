"""Reports of schema 1, as the code of that time wrote them, say the same when they are read today."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cartl_core.render import markdown, phrases, sentences
from cartl_core.render.schema_1 import read_report, read_report_text
from cartl_core.report import Report
from cartl_core.report.notices import OtherNotice
from tests.fixtures.choosing import choosing_report
from tests.fixtures.reports import full_report

DATA = Path(__file__).parent / "data" / "schema_1"
NAMES = sorted(path.stem for path in DATA.glob("*.json"))


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return found


def test_there_is_one_of_each_kind() -> None:
    assert NAMES == ["auto", "choice", "evaluation", "transfer", "warnings"]


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_as_it_did(name: str) -> None:
    report = read_report(stored(name))
    assert report.schema_version == 2
    assert read_report_text((DATA / f"{name}.json").read_text()) == report
    assert markdown.render(report) == (DATA / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_its_sentences_are_found_again_without_being_kept(name: str) -> None:
    old, report = stored(name), read_report(stored(name))
    assert sentences.headline(report) == old["headline"]
    of_baselines = tuple(f"A check of {phrases.arm(arm)} failed" for arm in report.baselines)
    # Since then the checks that failed for baselines alone come last.
    assert sentences.read_first(report) == tuple(
        sorted(old["warnings"], key=lambda said: said.startswith(of_baselines))
    )
    assert "other" not in {found.code for found in report.warnings}
    written = [old["student"], *old["baselines"]]
    for arm, was in zip((report.student, *report.baselines), written, strict=True):
        assert arm is not None
        assert sentences.frozen(arm) == tuple(was["frozen"])
        assert sentences.learned(arm) == tuple(was["learned"])
        assert sentences.retention(arm) == (was["kept"] or {}).get("words")
        assert report.student is not None
        said = [sentences.comparison(found, report.student, arm) for found in arm.comparisons]
        assert said == [found["words"] for found in was["comparisons"]]
    choice = old["selection"]
    if choice is not None:
        assert report.selection is not None
        assert sentences.selection_rule(report.selection) == choice["rule"]
        assert sentences.selection_outcome(report) == choice["words"]
        assert sentences.promise(report) == choice["promise"]["words"]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_read_is_a_report_of_today(name: str) -> None:
    report = read_report(stored(name))
    assert read_report(json.loads(report.model_dump_json())) == report
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_every_warning_of_schema_1_has_its_code() -> None:
    assert {found.code for found in read_report(stored("warnings")).warnings} == {
        "runtime_changed",
        "images_left_out",
        "teacher_not_robust",
        "teacher_without_attack",
        "weak_teacher",
        "attack_beyond_teacher",
        "partial_data",
        "resized",
        "unsure_epoch",
        "split_batches",
    }


def test_a_sentence_that_nothing_says_today_is_kept_word_for_word() -> None:
    old = stored("choice")
    old["warnings"].insert(0, "The moon was full.")
    old["student"]["frozen"].append("the colour of the walls")
    old["baselines"][0]["learned"].append("hearsay")
    words = old["selection"]["words"]
    old["selection"]["words"] = words.replace("0.035 takes", "A little more takes")
    report = read_report(old)
    kept = [found.text for found in report.warnings if isinstance(found, OtherNotice)]
    assert kept[:3] == [
        "The moon was full.",
        "CARTL (transfer.beta 0.6), held fixed: the colour of the walls.",
        "Plain transfer, learned from: hearsay.",
    ]
    assert kept[3].startswith("A wider margin takes what is more robust: A little more takes")
    page = markdown.render(report)
    assert all(text in page for text in kept)


def test_a_report_that_the_run_had_not_finished_is_read_too() -> None:
    old = stored("choice")
    old |= {"complete": False, "headline": None, "student": None, "baselines": [], "evidence": None}
    choice = old["selection"]
    choice |= {"chosen": None, "best_plain": None, "words": None, "promise": None}
    old["warnings"] = old["warnings"][3:]
    report = read_report(old)
    of_baselines = tuple(f"A check of {phrases.arm(arm)} failed" for arm in report.baselines)
    # Since then the checks that failed for baselines alone come last.
    assert sentences.read_first(report) == tuple(
        sorted(old["warnings"], key=lambda said: said.startswith(of_baselines))
    )
    assert sentences.selection_outcome(report) is None


def test_nothing_is_changed_in_what_was_given() -> None:
    old = stored("choice")
    before = copy.deepcopy(old)
    read_report(old)
    assert old == before


@pytest.mark.parametrize("report", [full_report(), choosing_report("broken")])
def test_a_report_of_today_is_taken_as_it_is(report: Report) -> None:
    assert read_report(json.loads(report.model_dump_json())) == report
    assert read_report_text(report.model_dump_json()) == report


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ValidationError):
        read_report({"schema_version": 3, "complete": True})
    with pytest.raises(ValidationError):
        read_report_text('{"complete": true}')
