"""What numbers mean: thresholds and outcomes of the checks, without a network, and how they are said."""

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
from cartl_core.analysis.checks.attack_strength import ALPHA, convergence, eps_one, rising_eps
from cartl_core.analysis.checks.gradient_masking import ComparedAttack, Kind, black_box, masking
from cartl_core.analysis.checks.network import gradients, input_range, logits, randomness
from cartl_core.analysis.metrics import AttackRecord, Outputs
from cartl_core.catalog.check_attacks import EPS_ONE, own_attacks
from cartl_core.render.check_sentences import check_advice, check_words
from cartl_core.report.checks import FINDINGS, Band, Check, CheckAttack, Checked
from cartl_core.spec import AttackSpec
from cartl_core.spec.diagnostics import ChecksSpec
from cartl_core.statistics.proportions import mcnemar_above, wilson

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


# Each verdict on either side of its threshold.


def test_gradients() -> None:
    assert gradients(right=0, vanished=0, flat=0).status == "not_run"
    assert gradients(right=N, vanished=2, flat=2).status == "passed"
    blind = gradients(right=N, vanished=3, flat=0)
    assert (blind.status, blind.finding, blind.evidence["vanished"]) == (
        "failed",
        "cross_entropy_vanishes",
        0.015,
    )
    assert "dlr" in str(check_advice(blind))
    flat = gradients(right=N, vanished=N, flat=N)
    assert flat.finding == "no_gradient"
    assert "no loss" in check_words(flat)
    assert "square" in str(check_advice(flat))


def test_logits() -> None:
    assert logits(images=N, probable=100, lowest=0.0, highest=1.0).status == "passed"
    assert logits(images=N, probable=101, lowest=0.0, highest=1.0).status == "failed"


def test_randomness() -> None:
    assert randomness(images=N, differing=0, redecided=0, largest=1e-7).status == "passed"
    found = randomness(images=N, differing=1, redecided=0, largest=1e-3)
    assert (found.status, found.evidence["differing"]) == ("failed", 1 / N)


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({}, "passed", "hears"),
        ({"lowest": -0.1}, "failed", "not within"),
        ({"highest": 255.0}, "failed", "not within"),
        ({"highest": 1 / 255}, "failed", "only"),
        ({"bands": [(0.0, 0.5, 20, 11), (0.5, 1.0, 20, 0)]}, "failed", "between 0.0 and 0.5"),
        ({"bands": [(0.0, 0.5, 20, 10), (0.5, 1.0, 20, 0)]}, "passed", "hears"),
        ({"bands": [(-0.2, 0.0, 20, 20), (0.0, 1.0, 20, 0), (1.0, 1.2, 0, 0)]}, "passed", "hears"),
    ],
)
def test_input_range(changes: dict[str, Any], status: str, word: str) -> None:
    usual: dict[str, Any] = {
        "images": N,
        "lowest": 0.0,
        "highest": 1.0,
        "normalised": True,
        "bands": [(0.0, 1.0, 20, 0)],
    }
    check = input_range(**(usual | changes))
    assert check.status == status
    assert word in check_words(check)


def test_convergence_compares_the_two_longest_of_what_differs_in_steps_alone() -> None:
    short, middle, long = (
        robust(f"pgd{steps}", first(count), steps=steps) for steps, count in ((10, 90), (20, 84), (100, 82))
    )
    other = robust("l2", first(20), norm="l2", steps=100)
    assert convergence([short, other]).status == "not_run"
    assert convergence([robust("square", first(90), name="square", loss="margin")]).status == "not_run"
    passed = convergence([long, short, middle, other])
    assert passed.status == "passed"
    assert passed.evidence["fewer_steps"] == 20
    assert passed.evidence["more_broken"] == pytest.approx(0.01)
    failed = convergence([long, short, other])
    assert failed.status == "failed"
    assert "pgd100 breaks 4.0 points more of the same 200 images than pgd10" in check_words(failed)
    assert "400 steps and 5 restarts" in str(check_advice(failed))


def test_convergence_judges_the_worst_pair() -> None:
    pairs = [robust("a20", first(90)), robust("a40", first(90), steps=40)]
    pairs += [robust("b20", first(90), loss="dlr"), robust("b40", first(70), loss="dlr", steps=40)]
    assert convergence(pairs).evidence["more_broken"] == pytest.approx(0.1)


def test_rising_eps() -> None:
    assert rising_eps([(0.1, first(80, 199)), (0.2, first(90, 199))]).status == "not_run"
    assert rising_eps([(0.1, first(80))]).status == "not_run"
    assert rising_eps([(0.1, first(80)), (0.2, first(84))]).status == "passed", "four may be chance"
    found = rising_eps([(0.2, first(90)), (0.1, first(80)), (0.4, first(10))])
    assert found.status == "failed"
    assert "From eps 0.1 to 51/255 robust accuracy rises by +5.0 points" in check_words(found)
    assert found.evidence["robust_at_0.2"] == 0.45


def test_eps_one() -> None:
    assert eps_one(right=0, standing=0, settings={}).status == "not_run"
    assert eps_one(right=N, standing=0, settings={"steps": 40}).status == "passed"
    found = eps_one(right=N, standing=1, settings={"steps": 40})
    assert (found.status, found.evidence) == ("failed", {"images": N, "standing": 1 / N, "steps": 40})


def compared(stands: int, reference: int, climbed: int, kind: Kind = "loss", n: int = N) -> ComparedAttack:
    return ComparedAttack(kind, first(stands, n), first(reference, n), first(climbed, n), kind)


def test_black_box() -> None:
    assert black_box([]).status == "not_run"
    assert black_box([compared(10, 90, 90, "loss"), compared(10, 90, 90, "transfer")]).status == "not_run"
    assert black_box([compared(88, 90, 90, "black_box")]).status == "passed"
    found = black_box([compared(87, 90, 90, "black_box")])
    assert (found.status, found.evidence["broken_by_black_box_only"]) == ("failed", 0.015)
    assert black_box([compared(87, 90, 87, "black_box")]).status == "passed", "another loss breaks them too"


def test_masking_needs_more_than_a_point_and_more_than_chance() -> None:
    assert masking([], "pgd100").status == "not_run"
    assert masking([compared(86, 90, 90)], "pgd100").status == "passed", "two points, p = 1/16"
    assert masking([compared(85, 90, 90)], "pgd100").status == "failed", "p = 1/32"
    thousand = [compared(990, 1000, 1000, n=2000)]
    assert mcnemar_above(10, 0) < ALPHA
    assert masking(thousand, "pgd100").status == "passed", "half a point"
    many = [compared(85, 90, 90), *[compared(90, 90, 90)] * 3]
    assert masking(many, "pgd100").status == "passed", "one of four tests: p = 4/32"


def test_masking_tells_the_loss_from_the_gradient() -> None:
    loss = masking([compared(70, 90, 70), compared(80, 90, 70, "black_box")], "pgd100")
    assert loss.finding == "cross_entropy_masked"
    assert "size of the logits" in check_words(loss)
    gradient = masking([compared(90, 90, 90), compared(70, 90, 90, "transfer")], "pgd100")
    assert gradient.finding == "gradients_masked"
    assert "masking is likely" in check_words(gradient)
    for found in (loss, gradient):
        assert "The worst case counts those images." in check_words(found)


# All of them together.

ASKED = ChecksSpec(attack=AttackSpec(label="checks", eps=0.1, step=0.025, steps=50))
OWN = own_attacks(ASKED, 10, "vanilla")


def observations(n: int = 4, /, **outcomes: Sequence[bool]) -> CheckObservations:
    """The checks' attacks leave three of four images, at eps 1 none, unless told otherwise."""
    by_label = {attack.label: first(3, n) for attack in OWN} | {EPS_ONE.label: first(0, n)}
    by_label |= {label.replace("_", "-"): tuple(found) for label, found in outcomes.items()}
    attacks = tuple(
        CheckAttack(
            **attack.model_dump(exclude={"random_start"}),
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


def test_the_jobs_own_rivals_count_on_all_images() -> None:
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
        assert ("square" in labels) == (norm != "l1")
        assert ("dlr" in labels) == (classes > 2)
        assert max(one.eps for one in attacks if one.norm == "linf") <= 1
