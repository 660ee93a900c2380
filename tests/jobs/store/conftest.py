"""Helpers that compute the stages of a claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cartl_core.events import CheckpointWritten, StageStored
from jobs import store
from jobs.store import Claim, StageVerdict

Do = Callable[..., Any]
TEACHER = "7" * 64


@pytest.fixture
def acquire(do: Do) -> Callable[..., StageVerdict]:
    def ask(claim: Claim, digest: str = TEACHER, shared: bool = True, **options: Any) -> StageVerdict:
        verdict: StageVerdict = do(
            store.acquire_stage,
            claim,
            digest=digest,
            kind="pretrain" if shared else "transfer",
            label="teacher (at)",
            shared=shared,
            **options,
        )
        return verdict

    return ask


@pytest.fixture
def checkpoint(do: Do) -> Callable[..., str]:
    def write(claim: Claim, verdict: StageVerdict, number: int, digest: str = TEACHER) -> str:
        path = f"{verdict.path}/checkpoint-{number}"
        told = CheckpointWritten(stage="pretrain", digest=digest, path=path, fraction=number / 10)
        do(store.record_checkpoint, claim, told)
        return path

    return write


@pytest.fixture
def finish(do: Do) -> Callable[..., str]:
    def store_result(claim: Claim, verdict: StageVerdict, digest: str = TEACHER) -> str:
        path = f"{verdict.path}/result"
        do(store.record_stage_stored, claim, StageStored(stage="pretrain", digest=digest, path=path))
        return path

    return store_result
