"""What a checkpoint says of where a training is: names that stored checkpoints have, read back as written."""

from __future__ import annotations

import pytest

from cartl_core.errors import ResumeMismatch
from cartl_core.training.state import Position

STORED = {
    "epoch": 2,
    "step": 1,
    "seen": 64,
    "sums": {"loss": 96.0},
    "history": [{"loss": 2.0}, {"loss": 1.75}],
    "parts": 2,
}


def test_the_names_in_a_checkpoint_stay_what_they_were() -> None:
    position = Position(2, 1, 64, {"loss": 96.0}, [{"loss": 2.0}, {"loss": 1.75}], accumulation_steps=2)
    assert position.stored() == STORED
    assert Position.from_stored(STORED) == position


def test_a_position_of_another_version_is_refused() -> None:
    with pytest.raises(ResumeMismatch, match="best_score"):
        Position.from_stored({**STORED, "best_score": 0.5})


def test_metrics_are_means_over_images_and_start_anew_with_an_epoch() -> None:
    position = Position()
    position.note({"loss": 1.0}, 30)
    position.note({"loss": 4.0}, 10)
    assert position.means() == {"loss": 1.75}
    position.step = 2
    assert position.fraction(steps=4, epochs=2) == 0.25
    position.finish_epoch({"loss": 1.75})
    assert (position.epoch, position.step, position.history) == (1, 0, [{"loss": 1.75}])
    assert position.fraction(steps=4, epochs=2) == 0.5
    position.note({"loss": 2.0}, 5)
    assert position.means() == {"loss": 2.0}
