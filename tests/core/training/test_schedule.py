"""The learning rate and the attack's strength against hand-computed values."""

from math import cos, pi

import pytest

from cartl_core.spec import TrainingSpec
from cartl_core.training.gradient import StepContext
from cartl_core.training.schedule import attack_strength, learning_rate


def settings(**changes: object) -> TrainingSpec:
    base = {"epochs": 10, "batch_size": 8, "lr": 0.1, "lr_schedule": "constant", "select": "last"}
    return TrainingSpec.model_validate(base | changes)


def test_a_constant_schedule_never_changes_the_rate() -> None:
    assert {learning_rate(settings(), step, 5) for step in range(50)} == {0.1}


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (3, 1), (4, 0.2), (6, 0.2), (7, 0.04), (9, 0.008)])
def test_step_loses_a_fifth_after_each_milestone(epoch: int, factor: float) -> None:
    rate = learning_rate(settings(lr_schedule="step"), epoch * 5 + 4, 5)
    assert rate == pytest.approx(0.1 * factor)


def test_the_paper_decays_after_epochs_40_70_90() -> None:
    paper = settings(lr_schedule="step", epochs=100)
    rates = [learning_rate(paper, epoch, 1) for epoch in range(100)]
    changes = [epoch for epoch in range(1, 100) if rates[epoch] != rates[epoch - 1]]
    assert changes == [40, 70, 90]


def test_cosine_falls_from_the_peak_to_zero() -> None:
    cosine = settings(lr_schedule="cosine")
    assert learning_rate(cosine, 0, 5) == pytest.approx(0.1)
    assert learning_rate(cosine, 25, 5) == pytest.approx(0.05)
    assert learning_rate(cosine, 49, 5) == pytest.approx(0.05 * (1 + cos(pi * 49 / 50)))


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    warm = settings(warmup_epochs=1.0)
    assert [learning_rate(warm, step, 4) for step in range(6)] == pytest.approx(
        [0.025, 0.05, 0.075, 0.1, 0.1, 0.1]
    )


def test_cosine_starts_where_the_warm_up_ends() -> None:
    warm = settings(lr_schedule="cosine", warmup_epochs=2.0)
    assert learning_rate(warm, 10, 5) == pytest.approx(0.1)
    assert learning_rate(warm, 30, 5) == pytest.approx(0.05)


def test_a_warm_up_longer_than_the_training_never_divides_by_zero() -> None:
    endless = settings(lr_schedule="cosine", warmup_epochs=50.0)
    rates = [learning_rate(endless, step, 1) for step in range(10)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("done", "strength"), [(0, 0), (0.25, 0), (0.375, 0.25), (0.5, 0.5), (0.7, 0.9), (0.75, 1), (1, 1)]
)
def test_the_attack_grows_from_a_quarter_to_three(done: float, strength: float) -> None:
    assert attack_strength("epsilon", done) == pytest.approx(strength)
    assert attack_strength("constant", done) == 1.0


def test_the_attack_grows_step_by_step_and_hangs_on_nothing_else() -> None:
    """8 epochs of 5 steps: nothing before the third epoch, all from the seventh, 1/20 more a step between."""
    moments = [StepContext(3, epoch, step, steps=5) for epoch in range(8) for step in range(5)]
    strengths = [attack_strength("epsilon", step.done(8)) for step in moments]
    assert strengths == pytest.approx([0.0] * 10 + [step / 20 for step in range(20)] + [1.0] * 10)
    assert {step.done(8) for step in moments} == {step / 40 for step in range(40)}
