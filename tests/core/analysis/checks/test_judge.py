"""What numbers mean: thresholds and outcomes of the checks, without a network, and how they are said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cartl_core.analysis.checks.attack_strength import ALPHA, convergence, eps_one, rising_eps
from cartl_core.analysis.checks.gradient_masking import ComparedAttack, Kind, black_box, masking
from cartl_core.analysis.checks.network import gradients, inference, input_range, jumps, logits, randomness
from cartl_core.analysis.metrics import AttackRecord
from cartl_core.render.checks.sentences import check_advice, check_words
from cartl_core.report.checks import Inference
from cartl_core.spec import AttackSpec
from cartl_core.statistics.proportions import mcnemar_above

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


def test_gradients_fail_when_they_vanish_on_more_than_a_point_of_the_images() -> None:
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


def test_logits_fail_when_more_than_half_of_the_outputs_are_probabilities() -> None:
    assert logits(images=N, probable=100, lowest=0.0, highest=1.0).status == "passed"
    assert logits(images=N, probable=101, lowest=0.0, highest=1.0).status == "failed"


def test_randomness_fails_at_one_image_whose_output_differs() -> None:
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
def test_input_range_is_judged_by_what_the_network_was_given(
    changes: dict[str, Any], status: str, word: str
) -> None:
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


def test_rising_eps_fails_when_a_larger_radius_breaks_fewer_images() -> None:
    assert rising_eps([(0.1, first(80, 199)), (0.2, first(90, 199))]).status == "not_run"
    assert rising_eps([(0.1, first(80))]).status == "not_run"
    assert rising_eps([(0.1, first(80)), (0.2, first(84))]).status == "passed", "four may be chance"
    found = rising_eps([(0.2, first(90)), (0.1, first(80)), (0.4, first(10))])
    assert found.status == "failed"
    assert "From eps 0.1 to 51/255 robust accuracy rises by +5.0 points" in check_words(found)
    assert found.evidence["robust_at_0.2"] == 0.45


def test_eps_one_fails_when_one_image_withstands_it() -> None:
    assert eps_one(right=0, standing=0, settings={}).status == "not_run"
    assert eps_one(right=N, standing=0, settings={"steps": 40}).status == "passed"
    found = eps_one(right=N, standing=1, settings={"steps": 40})
    assert (found.status, found.evidence) == ("failed", {"images": N, "standing": 1 / N, "steps": 40})


def compared(stands: int, reference: int, climbed: int, kind: Kind = "loss", n: int = N) -> ComparedAttack:
    return ComparedAttack(kind, first(stands, n), first(reference, n), first(climbed, n), kind)


def test_black_box_fails_when_it_breaks_more_than_a_point_that_no_gradient_attack_breaks() -> None:
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


def test_jumps_fail_when_most_right_images_change_by_what_no_gradient_tells() -> None:
    assert jumps(right=100, jumping=50, unexplained=0.19).status == "passed"
    failed = jumps(right=100, jumping=51, unexplained=0.21)
    assert (failed.status, failed.finding) == ("failed", "jumps")
    assert failed.evidence == {"images": 100, "jumping": 0.51, "unexplained": 0.21}


@pytest.mark.parametrize(
    ("change", "random", "finding"),
    [
        ({}, False, "one_pass"),
        ({"layer_runs": 4, "neighbours": 1}, False, "one_pass"),
        ({"layer_runs": 5}, False, "runs_layers_again"),
        ({"neighbours": 2}, False, "neighbours_matter"),
        ({"neighbours": 100}, True, "one_pass"),
        ({"changes_itself": True, "layer_runs": 5}, False, "changes_itself"),
        ({"takes_gradients": True, "changes_itself": True}, False, "takes_gradients"),
    ],
)
def test_inference_is_one_pass_on_one_image(change: dict[str, Any], random: bool, finding: str) -> None:
    plain = {"takes_gradients": False, "changes_itself": False, "layer_runs": 1, "neighbours": 0}
    check = inference(images=100, seen=Inference.model_validate(plain | change), random=random)
    assert check.finding == finding
    assert check.status == ("passed" if finding == "one_pass" else "failed")
