from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import SpecError
from jobs import store
from jobs.admission.estimate import estimate
from jobs.admission.limits import check_size
from jobs.database.engine import transaction
from jobs.errors import TooManyJobs
from jobs.quotas import Limits
from jobs.settings import Settings
from jobs.store import Claim
from tests.factories import make_spec

ATTACK = {"label": "many", "eps": 0.03, "step": 0.01, "steps": 10, "restarts": 1}


@pytest.mark.parametrize(
    ("setting", "wanted", "field", "allowed"),
    [
        ({"max_epochs": 7}, {"pretrain": {"epochs": 8}}, "pretrain.epochs", "1 to 7"),
        ({"max_epochs": 7}, {"transfer": {"epochs": 8}}, "transfer.epochs", "1 to 7"),
        (
            {"max_epochs": 7},
            {"baselines": [{"method": "vanilla", "transfer": {"epochs": 9}}]},
            "baselines.0.transfer.epochs",
            "1 to 7",
        ),
        ({"max_batch_size": 256}, {"transfer": {"batch_size": 257}}, "transfer.batch_size", "2 to 256"),
        ({"max_batch_size": 256}, {"evaluate": {"batch_size": 300}}, "evaluate.batch_size", "1 to 256"),
        (
            {"max_attack_steps": 20},
            {"evaluate": {"attacks": [ATTACK | {"steps": 21}]}},
            "evaluate.attacks.0.steps",
            "1 to 20",
        ),
        ({"max_attack_steps": 5}, {"pretrain": {"attack": {"steps": 6}}}, "pretrain.attack.steps", "1 to 5"),
        (
            {"max_restarts": 2},
            {"evaluate": {"attacks": [ATTACK, ATTACK | {"label": "more", "restarts": 3}]}},
            "evaluate.attacks.1.restarts",
            "1 to 2",
        ),
    ],
)
def test_the_field_and_its_range_are_named(
    setting: dict[str, Any], wanted: dict[str, Any], field: str, allowed: str, tmp_path: Path
) -> None:
    spec = make_spec(**wanted)
    with pytest.raises(SpecError) as refused:
        check_size(spec, estimate(spec), Settings(data_dir=tmp_path, **setting))
    assert (refused.value.field, refused.value.allowed) == (field, allowed)
    check_size(spec, estimate(spec), Settings(data_dir=tmp_path))


def test_the_whole_work_is_bounded(tmp_path: Path) -> None:
    spec = make_spec()
    check_size(spec, estimate(spec), Settings(data_dir=tmp_path))
    with pytest.raises(SpecError, match="EFLOP") as refused:
        check_size(spec, estimate(spec), Settings(data_dir=tmp_path, max_job_exaflop=1e-9))
    assert refused.value.allowed == "at most 1e-09 EFLOP"


def test_displaced_inputs_must_fit_the_scratch_space(tmp_path: Path) -> None:
    spec = make_spec(method="consistent")
    check_size(spec, estimate(spec), Settings(data_dir=tmp_path))
    with pytest.raises(SpecError, match="scratch space") as refused:
        check_size(spec, estimate(spec), Settings(data_dir=tmp_path, scratch_bytes=100_000))
    assert refused.value.field == "dataset.train_limit"
    plain = make_spec(method="vanilla", baselines=[])
    check_size(plain, estimate(plain), Settings(data_dir=tmp_path, scratch_bytes=0))


@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
@pytest.mark.parametrize("model", ["wrn-34-10", "wrn-28-4", "resnet50"])
def test_every_preset_fits_the_defaults(preset: str, model: str, tmp_path: Path) -> None:
    spec = make_spec(dataset="cifar100", source="cifar10", model=model, preset=preset)
    check_size(spec, estimate(spec), Settings(data_dir=tmp_path))


def test_running_jobs_of_one_owner_are_limited_at_the_claim(
    submit: Any, do: Callable[..., Any], row: Callable[[str], Any]
) -> None:
    for _ in range(4):
        submit(owner="ann", priority=5)
    submit(owner="bob")
    options = {"worker_id": "w", "lease_seconds": 45.0, "limits": Limits(running=2)}
    owners = [claim.owner for _ in range(5) if (claim := do(store.claim, **options)) is not None]
    assert owners == ["ann", "bob", "ann"]
    assert do(store.claimable_count, Limits(running=2)) == 0
    assert do(store.claimable_count, Limits(running=3)) == 1
    assert do(store.claimable_count) == 2


def test_a_slot_below_the_limit_is_used_again(submit: Any, do: Callable[..., Any]) -> None:
    for _ in range(2):
        submit()
    first: Claim = do(store.claim, worker_id="w", lease_seconds=45, limits=Limits(running=1))
    assert do(store.claim, worker_id="w", lease_seconds=45, limits=Limits(running=1)) is None
    do(store.complete, first)
    assert do(store.claim, worker_id="w", lease_seconds=45, limits=Limits(running=1)) is not None


@pytest.mark.parametrize("backend", ["postgresql"])
def test_two_claims_at_once_do_not_pass_the_limit(factory: sessionmaker[Session], submit: Any) -> None:
    for _ in range(2):
        submit()
    with transaction(factory) as slow:
        assert store.claim(slow, worker_id="slow", lease_seconds=45, limits=Limits(running=1)) is not None
        with transaction(factory) as quick:
            assert store.claim(quick, worker_id="quick", lease_seconds=45, limits=Limits(running=1)) is None


def test_a_retry_counts_against_the_limit_of_the_queue(submit: Any, do: Callable[..., Any]) -> None:
    ended = submit()
    do(store.request_cancel, ended)
    submit()
    with pytest.raises(TooManyJobs, match="1 jobs are queued; allowed: at most 1"):
        do(store.retry, ended, limits=Limits(queued=1))
    assert do(store.retry, ended, limits=Limits(queued=2)).state == "queued"
