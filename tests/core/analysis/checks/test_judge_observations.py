"""Everything that the checks observed, judged together on the images that they looked at."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from pydantic import ValidationError

from cartl_core.analysis.checks import CheckObservations, judge
from cartl_core.analysis.checks.network import input_range, logits
from cartl_core.analysis.metrics import AttackRecord, Outputs
from cartl_core.catalog.check_attacks import EPS_ONE, own_attacks
from cartl_core.render.checks.sentences import check_advice, check_words
from cartl_core.report.checks import FINDINGS, Band, Check, CheckAttack, Checked, Inference
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec
from cartl_core.statistics.proportions import wilson

N = 200


def first(count: int, n: int = N) -> tuple[bool, ...]:
    """The first ``count`` of n images hold."""
    return (True,) * count + (False,) * (n - count)


def robust(label: str, outcomes: Sequence[bool], **settings: Any) -> AttackRecord:
    facts = {"eps": 0.1, "step": 0.025, "steps": 20}
    if settings.get("name") in ("apgd", "square"):
        facts["step"] = None  # type: ignore[assignment]
    return AttackRecord(
        AttackSpec.model_validate({"label": label, **facts, **settings}), tuple(outcomes), 1.0
    )


ASKED = ChecksSpec(attack=AttackSpec(label="checks", eps=0.1, step=0.025, steps=50))
OWN = own_attacks(ASKED, 10, "vanilla")


def observations(n: int = 4, /, **outcomes: Sequence[bool]) -> CheckObservations:
    """The checks' attacks leave three of four images, at eps 1 none, unless told otherwise."""
    by_label = {attack.label: first(3, n) for attack in OWN} | {EPS_ONE.label: first(0, n)}
    by_label |= {label.replace("_", "-"): tuple(found) for label, found in outcomes.items()}
    attacks = tuple(
        CheckAttack(
            **attack.model_dump(include=set(CheckAttack.model_fields) & set(AttackSpec.model_fields)),
            seed=0,
            n=n,
            robust=wilson(sum(by_label[attack.label]), n),
        )
        for attack in OWN
    )
    checked = Checked(
        n=n,
        right=3,
        vanished=0,
        flat=0,
        probable=0,
        not_finite=0,
        lowest_output=-3.0,
        highest_output=4.0,
        differing=0,
        redecided=0,
        largest_difference=0.0,
        lowest_pixel=0.0,
        highest_pixel=1.0,
        normalises_first=True,
        bands=(Band(low=0.0, high=1.0, images=n, deaf=0),),
        jumping=0,
        unexplained=0.01,
        inference=Inference(takes_gradients=False, changes_itself=False, layer_runs=1, neighbours=0),
        attacks=attacks,
    )
    return CheckObservations(checked, ASKED.attack, by_label, positions=(7, 1, 0, 5))


def test_every_check_is_told_whatever_was_run() -> None:
    nothing = judge(None, [], None)
    assert [check.name for check in nothing] == list(FINDINGS)
    assert {check.status for check in nothing} == {"not_run"}
    everything = judge(
        observations(),
        [robust("pgd20", first(8, 8)), robust("pgd100", first(8, 8), steps=100)],
        Outputs(first(8, 8)),
    )
    assert [check.name for check in everything] == list(FINDINGS)
    by_name = {check.name: check.status for check in everything}
    assert by_name.pop("rising_eps") == "not_run", "four images are not enough"
    assert set(by_name.values()) <= {"passed", "failed"}
    for check in (*nothing, *everything):
        assert FINDINGS[check.name][check.finding] == check.status
        assert check_words(check)
        assert (check_advice(check) is not None) or check.status != "failed"
        assert Check.model_validate_json(check.model_dump_json()) == check


@pytest.mark.parametrize(
    ("outputs", "attacked", "reason"),
    [
        (Outputs(first(8, 8), frozenset({3})), frozenset(), "outputs_not_finite"),
        (Outputs(first(8, 8)), frozenset({5}), "outputs_not_finite"),
        (Outputs(first(0, 8), frozenset(range(8))), frozenset(range(8)), "outputs_not_finite"),
        (Outputs(first(0, 8)), frozenset(), "no_image_right"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_no_check_passes_where_there_is_nothing_to_judge(
    outputs: Outputs, attacked: frozenset[int], reason: str, asked: bool
) -> None:
    attacks = [robust("pgd20", outputs.right), robust("pgd100", outputs.right, steps=100)]
    attacks = [dataclasses.replace(record, not_finite=attacked) for record in attacks]
    found = {check.name: check for check in judge(observations() if asked else None, attacks, outputs)}
    finite = found.pop("finite_outputs")
    assert finite.status == ("failed" if reason == "outputs_not_finite" else "passed")
    assert {(check.status, check.finding) for check in found.values()} == {("not_run", reason)}
    assert all(check_words(check) for check in (finite, *found.values()))


def test_outputs_that_the_checks_alone_saw_not_finite_count() -> None:
    seen = observations()
    seen = dataclasses.replace(seen, checked=seen.checked.model_copy(update={"not_finite": 1}))
    assert {check.finding for check in judge(seen, [], Outputs(first(8, 8)))} == {
        "not_finite",
        "outputs_not_finite",
    }


def test_images_of_the_checks_that_are_all_wrong_say_nothing() -> None:
    """Of the job's images one is right, of the checks' none: their own attacks have nothing to break."""
    seen = observations(**{attack.label.replace("-", "_"): first(0, 4) for attack in OWN})
    seen = dataclasses.replace(seen, checked=seen.checked.model_copy(update={"right": 0}))
    outputs = Outputs((False, False, True, *(False,) * 5))
    attacks = [robust("pgd20", outputs.right), robust("pgd100", outputs.right, steps=100)]
    found = {check.name: check.finding for check in judge(seen, attacks, outputs)}
    assert {found[name] for name in ("gradients", "logits", "rising_eps", "eps_one")} == {"no_image_right"}
    assert (found["black_box"], found["masking"]) == ("no_black_box", "no_other_attack")
    assert found["convergence"] == "converged"


def test_a_range_that_no_image_was_moved_to_is_not_judged() -> None:
    nowhere = input_range(images=1, lowest=0.0, highest=1.0, normalised=True, bands=[(-0.2, 0.0, 1, 0)])
    assert (nowhere.status, nowhere.finding) == ("not_run", "no_image_in_range")
    dark = input_range(images=1, lowest=0.0, highest=0.1, normalised=True, bands=[(-0.2, 0.0, 1, 0)])
    assert dark.status == "failed"


def test_an_outcome_of_another_check_or_status_is_refused() -> None:
    known = logits(images=N, probable=0, lowest=0.0, highest=1.0).model_dump()
    for wrong in ({"finding": "converged"}, {"status": "failed"}, {"finding": "made up"}):
        with pytest.raises(ValidationError):
            Check.model_validate(known | wrong)


def test_outcomes_are_compared_on_the_images_that_the_checks_looked_at() -> None:
    """Their four images are at 7, 1, 0 and 5 of the job's test images."""
    stands = [False] * 8
    for at in (7, 1):
        stands[at] = True
    found = {
        check.name: check for check in judge(observations(), [robust("pgd100", stands, steps=100)], None)
    }
    # Of images 7, 1, 0, 5 the reference leaves 7 and 1; the rivals 7, 1 and 0.
    assert found["masking"].evidence["dlr_breaks_more"] == -0.25
    assert found["masking"].evidence["dlr_images"] == 4
    assert found["black_box"].evidence["broken_by_white_box_only"] == 0.25
    assert set(found["masking"].evidence) >= {
        f"{label}_breaks_more" for label in ("square", "dlr", "rescaled", "transfer-from-vanilla")
    }


def test_attacks_of_the_job_itself_are_compared_on_all_images() -> None:
    attacks = [
        robust("pgd100", first(90), steps=100),
        robust("weaker", first(99)),
        robust("apgd-dlr", first(70), name="apgd", loss="dlr", steps=50),
        robust("square", first(80), name="square", loss="margin", steps=5000),
        robust("elsewhere", first(0), norm="l2", loss="dlr"),
    ]
    found = {check.name: check for check in judge(None, attacks, None)}
    assert found["masking"].status == "failed"
    assert found["masking"].evidence["reference"] == "pgd100"
    assert found["masking"].evidence["job-apgd-dlr_breaks_more"] == 0.1
    assert not any("elsewhere" in key for key in found["masking"].evidence)
    assert found["black_box"].status == "passed", "apgd breaks those too"
    assert found["gradients"].status == "not_run"


def test_an_attack_that_tries_much_harder_says_nothing_about_masking() -> None:
    """Nine targets of 100 steps break a few more of honest networks; their images still count as climbed."""
    targeted = {"name": "apgd", "loss": "targeted_dlr", "steps": 100}
    attacks = [robust("pgd100", first(90), steps=100), robust("apgd-t", first(70), **targeted)]
    attacks.append(robust("square", first(80), name="square", loss="margin", steps=5000))
    found = {check.name: check for check in judge(None, attacks, None)}
    assert not any("apgd-t" in key for key in found["masking"].evidence)
    assert found["black_box"].evidence["broken_by_black_box_only"] == 0


def test_without_an_attack_on_the_cross_entropy_there_is_nothing_to_compare_with() -> None:
    found = {
        check.name: check for check in judge(observations(), [robust("dlr", first(8, 8), loss="dlr")], None)
    }
    assert {found[name].status for name in ("masking", "black_box", "convergence")} == {"not_run"}
    assert found["gradients"].status == "passed"


def test_where_images_fell_counts_at_the_smallest_radius_that_broke_them() -> None:
    """Of eight test images, those at 7, 1, 0 and 5 were looked at."""
    stands = {attack.label.replace("-", "_"): first(4, 4) for attack in OWN}
    places = observations(**stands).minimal_radii(8)
    assert places.norm == "linf"
    assert places.radii == (inf, inf, None, None, None, inf, None, inf)
    found = observations(
        **{
            **stands,
            "radius_0.2": (True, False, False, True),
            "radius_0.05": (True, True, False, True),
            "square": (False, True, True, True),
            "eps_one": first(0, 4),
        }
    ).minimal_radii(8)
    assert found.radii == (0.05, 0.2, None, None, None, 1.0, None, 0.1)
    assert found.robust_at(0.1) == (False, True, True, True, True, True, True, False)


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import cartl_core.analysis.checks, cartl_core.report.checks"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_of_the_checks_attacks_are_distinct_and_valid() -> None:
    for classes, norm in itertools.product((2, 10), ("linf", "l2", "l1")):
        attack = AttackSpec.model_validate({"label": "x", "norm": norm, "eps": 0.5, "step": 0.1, "steps": 5})
        attacks = own_attacks(ChecksSpec(attack=attack), classes, "vanilla")
        labels = [one.label for one in attacks]
        assert len(set(labels)) == len(labels)
        assert [AttackSpec.model_validate(one.model_dump()) for one in attacks] == list(attacks)
        assert "square" in labels
        assert ("dlr" in labels) == (classes > 2)
        assert max(one.eps for one in attacks if one.norm == "linf") <= 1
