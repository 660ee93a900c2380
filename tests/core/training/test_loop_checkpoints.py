"""Training that is stopped and resumed from its checkpoints ends in the same bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from cartl_core.errors import Interrupted, ResumeMismatch
from cartl_core.events import EpochFinished
from cartl_core.execution.checkpoint import read, write
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.checkpoint_files import in_order
from cartl_core.training.loop import TrainingTask, fit
from tests.core.training.loop_runs import Score, bits, data, noisy, settings, small_network, train
from tests.fixtures.runs import in_training_mode


@pytest.mark.parametrize("stops", [[1], [3], [4], [6], [8], [1, 1, 1], [2, 3, 2]])
@pytest.mark.parametrize(("select", "kept"), [("last", 3), ("best_clean", 2), ("pareto", 1)])
def test_a_resumed_run_has_the_same_bits(workspace: Any, stops: list[int], select: str, kept: int) -> None:
    """In the run of ``pareto`` the first epoch and the second contend to the end."""
    training = settings(select=select, select_margin=0.1)
    scores: list[Score] = [(0.8, 0.5), (0.9, 0.4), (0.85, 0.3)]
    whole, fitted = train(workspace("whole").context(), training, scores=scores)
    pieces = workspace("pieces")
    for stop in stops:
        done = sum(isinstance(event, EpochFinished) for event in pieces.events)
        with pytest.raises(Interrupted):
            train(pieces.context(stop_after=stop), training, scores=scores[done:])
    done = sum(isinstance(event, EpochFinished) for event in pieces.events)
    resumed, again = train(pieces.context(), training, scores=scores[done:])
    assert bits(resumed) == bits(whole)
    assert again == fitted
    assert fitted.selected_epoch == kept


def test_a_run_stopped_while_it_validates_goes_on_with_the_same_bits(workspace: Any) -> None:
    whole, fitted = train(workspace("whole").context(), settings())
    pieces = workspace("pieces")
    ctx = pieces.context()

    def stopped() -> dict[str, float]:
        ctx.stop.request("interrupted")
        ctx.stop.check()
        raise AssertionError

    network = small_network()
    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=noisy(network),
        begin_epoch=in_training_mode(network),
        validate=stopped,
        inputs=lambda: data(),
    )
    with pytest.raises(Interrupted):
        fit(task, settings(), seed=3, ctx=ctx)
    resumed, again = train(pieces.context(), settings())
    assert bits(resumed) == bits(whole)
    assert again == fitted


def test_a_truncated_checkpoint_falls_back_and_ends_in_the_same_bits(workspace: Any) -> None:
    whole, _ = train(workspace("whole").context(), settings())
    pieces = workspace("pieces")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=5), settings())
    newest = in_order(pieces.directory)[-1]
    newest.write_bytes(newest.read_bytes()[:-40])
    resumed, _ = train(pieces.context(), settings())
    assert bits(resumed) == bits(whole)


def test_a_checkpoint_keeps_only_what_moves_of_epochs_that_contend(workspace: Any) -> None:
    pieces, network = workspace("a"), small_network()
    head = {name: value for name, value in network.named_parameters() if name.startswith("3.")}
    scores: list[Score] = [(0.5, 0.9), (0.8, 0.5), (0.85, 0.4)]
    ctx = pieces.context()
    task = TrainingTask(
        network=network,
        tuned=head,
        objective=noisy(network),
        begin_epoch=in_training_mode(network),
        validate=lambda: dict(zip((CLEAN, ROBUST), scores.pop(0), strict=True)),
        inputs=lambda: data(),
    )
    fit(task, settings(select="pareto", select_margin=0.1), seed=3, ctx=ctx)
    saved = pieces.context().saved
    kept = {name for name in saved.tensors if name.startswith("epoch-")}
    moving = {*head, *dict(network.named_buffers())}
    assert kept == {f"epoch-{epoch}/{name}" for epoch in (2, 3) for name in moving}


def test_checkpoints_at_epoch_ends_and_by_the_clock(workspace: Any) -> None:
    at_ends = workspace("ends")
    train(at_ends.context(), settings())
    assert at_ends.saved_at == pytest.approx([1 / 3, 2 / 3, 1])
    always = workspace("always")
    train(always.context(every_seconds=0.0), settings())
    assert len(always.saved_at) == 3 * 3 + 3


def test_a_checkpoint_of_another_network_is_refused(workspace: Any) -> None:
    pieces = workspace("a")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=2), settings())
    with pytest.raises(ResumeMismatch):
        train(pieces.context(), settings(), nn.Sequential(nn.Linear(3, 2)))


def test_a_checkpoint_of_another_version_is_refused(workspace: Any) -> None:
    pieces = workspace("a")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=2), settings())
    newest = in_order(pieces.directory)[-1]
    saved = read(newest)
    write(newest, replace(saved, state={**saved.state, "best_score": 0.5}))
    with pytest.raises(ResumeMismatch, match="best_score"):
        train(pieces.context(), settings())
