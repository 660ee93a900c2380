"""The table of frameworks: what is in it fits together, and a fault is named with its place."""

from __future__ import annotations

from importlib.resources import files
from typing import get_args

import pytest

from cartl_core.render import frameworks, html, markdown
from cartl_core.render.checks.titles import TITLES
from cartl_core.report import Report
from cartl_core.report.evidence import Reference
from cartl_core.report.frameworks import FILE, TABLE, about, read_table
from cartl_core.spec import AttackSpec
from cartl_core.spec.threat_model import threat_models
from tests.fixtures.reports import full_report

TEXT = files("cartl_core.report").joinpath(FILE).read_text(encoding="utf-8")

ATTACKS = (
    AttackSpec(label="far", eps=16 / 255, step=0.01, steps=5),
    AttackSpec(label="squares", name="square", norm="l2", eps=0.5, steps=5),
    AttackSpec(label="near", eps=8 / 255, step=0.01, steps=5),
    AttackSpec(label="blind", name="square", eps=8 / 255, steps=5),
)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('"crafted", "evasion"]', '"crafted", "evasoin"]', "names the place evasoin"),
        ("[gaps.system]", "[gaps.sistem]", "gaps"),
        ('record = ["security", "declared"]', "", "items must be accuracy"),
        ('check = "eps_one"', 'check = "eps_two"', "indicators.5.check"),
        ('clause = "MEASURE 2.7"\n', "", "places.security.clause"),
        ("[items]\n", "[items\n", "line"),
    ],
)
def test_a_fault_is_named(before: str, after: str, why: str) -> None:
    assert before in TEXT
    with pytest.raises(ValueError, match=why):
        read_table(TEXT.replace(before, after, 1))


def test_a_place_may_be_added_and_one_that_is_gone_says_nothing() -> None:
    more = read_table(TEXT + '\n[places.own]\nframework = "Our rules"\nclause = "7"\nabout = "testing"\n')
    assert more.places["own"].clause == "7"
    assert about(Reference(framework="Our rules", clause="7")) == ""
    assert about(Reference(framework="MITRE ATLAS", clause="AML.T0020")) == "poisoning training data"


def test_every_place_is_used() -> None:
    used = {place for places in TABLE.items.values() for place in places}
    used |= {place for gap in TABLE.gaps.values() for place in gap.places}
    assert used == set(TABLE.places)


def test_an_adversary_a_norm_knows_what_its_strongest_attack_knows() -> None:
    linf, l2 = threat_models(ATTACKS)
    assert (linf.norm, linf.radii, linf.knowledge) == ("linf", (8 / 255, 16 / 255), "white_box")
    assert linf.attacks == ("far", "near", "blind")
    assert (l2.norm, l2.radii, l2.knowledge) == ("l2", (0.5,), "scores")
    assert threat_models(()) == ()


def test_the_six_indicators_are_answered_by_name() -> None:
    report = full_report()
    rows = {row.name: row.answered for row in frameworks.indicators(report)}
    assert list(rows) == [
        "unavailable gradients",
        "unstable predictions",
        "silent success",
        "incomplete optimization",
        "transfer failure",
        "unconstrained attack failure",
    ]
    assert rows["silent success"] == "no check"
    assert rows["incomplete optimization"] == f"{TITLES['convergence']}: \u2717 failed"
    assert report.student is not None
    missing = set(get_args(type(report.student.checks[0]).model_fields["name"].annotation))
    missing -= {check.name for check in report.student.checks}
    assert any(row.check in missing for row in TABLE.indicators)
    assert any(answered.endswith(": not checked") for answered in rows.values())


def test_a_report_says_whom_its_attacks_stand_for() -> None:
    report: Report = full_report(threat_models=threat_models(ATTACKS))
    for page in (markdown.render(report), html.render(report)):
        assert frameworks.ADVERSARY in page
        assert "In linf: it changes the pixels that the network gets" in page
        assert "by at most 8/255 and 16/255; it knows the network" in page
        assert "sees the outputs of queries alone" in page
        assert "unstable predictions" in page
    assert frameworks.ADVERSARY not in markdown.render(full_report())
