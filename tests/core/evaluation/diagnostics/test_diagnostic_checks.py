"""The checks as a diagnostic of a stored network: batched, interrupted, read back, settled by resolving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.errors import Interrupted, SpecError
from cartl_core.evaluation.diagnostic_stage import read_rows, read_value, run_diagnostic
from cartl_core.evaluation.diagnostics.checks import observations_of
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.estimates.costs import diagnostic_cost, measurement_cost
from cartl_core.report.checks import Checked
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec
from cartl_core.storage.stage_result import NETWORK

ASKED = ChecksSpec(attack=AttackSpec(label="checks", eps=0.05, step=0.0125, steps=4), queries=6)


@pytest.fixture
def networks(tiny: Any, tmp_path: Path) -> tuple[Path, Path]:
    places = (tmp_path / "own", tmp_path / "other")
    for number, ctx in enumerate(places):
        save_network(ctx / NETWORK, build_network(tiny, 4, (0.3,), (0.4,), generator(number, "network")))
    return places


def check(networks: tuple[Path, Path], images: Any, here: Any, *, alone: bool = False, **how: Any) -> Checked:
    run_diagnostic(
        "checks",
        ASKED,
        networks[0],
        images,
        freeze_depth=1,
        others={} if alone else {"vanilla": networks[1]},
        seed=0,
        batch_size=how.pop("size", 6),
        ctx=here.context(**how),
    )
    found = read_value("checks", here.directory)
    assert isinstance(found, Checked)
    return found


def test_batches_and_interruptions_change_nothing(networks: Any, task: Any, workspace: Any) -> None:
    images, whole, pieces = task().test, workspace("whole"), workspace("pieces")
    at_once = check(networks, images, whole, size=20)
    for _ in range(2):
        with pytest.raises(Interrupted):
            check(networks, images, pieces, stop_after=2)
    assert pieces.saved_at == [6 / 20, 12 / 20]
    resumed = check(networks, images, pieces)
    assert resumed.attacks == at_once.attacks
    assert resumed.normalises_first
    kept, expected = read_rows(pieces.directory), read_rows(whole.directory)
    for name in kept:
        assert torch.allclose(kept[name].double(), expected[name].double(), atol=1e-5), name


def test_what_is_read_back_is_by_image(networks: Any, task: Any, workspace: Any) -> None:
    """The positions of the images that were looked at among all test images."""
    here, images = workspace("some"), task().test
    found = check(networks, images, here, size=20)
    everything = torch.arange(30).flip(0)
    observations = observations_of(found, ASKED, read_rows(here.directory), everything)
    assert observations.positions == tuple(29 - at for at in images.index.tolist())
    assert {attack.label: attack.robust.successes for attack in found.attacks} == {
        label: sum(robust) for label, robust in observations.robust.items()
    }
    assert [attack.label for attack in found.attacks][-1] == "transfer-from-vanilla"


def test_without_another_student_nothing_is_transferred(networks: Any, task: Any, workspace: Any) -> None:
    found = check(networks, task().test, workspace("alone"), alone=True, size=20)
    assert [attack.label for attack in found.attacks][-1] == "rescaled"


def test_the_attack_is_made_like_the_jobs_hardest_on_the_cross_entropy(job: Any) -> None:
    def attack(*attacks: dict[str, Any], **checks: Any) -> AttackSpec:
        asked = job(evaluate={"attacks": attacks, "checks": checks}).evaluate.checks
        assert asked is not None
        result: AttackSpec = asked.attack
        return result

    short = {"label": "a", "eps": 0.1, "step": 0.02, "steps": 40}
    long = {"label": "b", "norm": "l2", "eps": 0.5, "step": 0.2, "steps": 80}
    other = {"label": "c", "name": "apgd", "loss": "dlr", "eps": 0.3, "steps": 100}
    found = attack(short, long, other)
    assert (found.norm, found.eps, found.step, found.steps) == ("l2", 0.5, 0.2, 50)
    assert attack(short, other).steps == 40
    unsized = attack({"label": "d", "name": "apgd", "loss": "ce", "eps": 0.2, "steps": 60})
    assert (unsized.name, unsized.step) == ("pgd", 0.05)
    usual = attack(other)
    assert (usual.loss, usual.eps, usual.steps) == ("ce", 0.15, 50)
    assert attack({**short, "eps": 0.0}).eps == 0.15
    own = {"label": "mine", "eps": 0.2, "step": 0.1, "steps": 3}
    assert attack(short, attack=own) == AttackSpec.model_validate(own)


def test_checks_can_be_changed_or_left_out(job: Any) -> None:
    assert job(evaluate={"checks": None}).evaluate.checks is None
    assert job(evaluate={"preset": "quick"}).evaluate.checks is None
    assert job(evaluate={"checks": {"images": 17}}).evaluate.checks.images == 17
    assert job(preset="quick").evaluate.checks.images == 200
    resolved = job(evaluate={"checks": {"queries": 3}})
    again = job(evaluate=resolved.evaluate.model_dump(mode="json"))
    assert again.evaluate == resolved.evaluate
    unsuitable = {"label": "x", "eps": 0.1, "steps": 3, "name": "apgd", "loss": "dlr"}
    with pytest.raises(SpecError, match="pgd, loss ce") as raised:
        job(evaluate={"checks": {"attack": unsuitable}})
    assert raised.value.field == "evaluate.checks.attack"


def test_the_checks_of_preset_quick_cost_less_than_pgd100(job: Any) -> None:
    evaluate = job(preset="quick").evaluate
    longest = max(evaluate.attacks, key=lambda attack: attack.steps)
    assert longest.label == "pgd100"
    assert diagnostic_cost("checks", evaluate.checks, 1000) < measurement_cost(longest, 1000)
    assert DIAGNOSTIC_FACTS["checks"].uses_others
