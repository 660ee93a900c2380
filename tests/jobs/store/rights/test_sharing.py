"""A job is its owner's alone until they share it, and theirs to change even then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import store
from jobs.errors import JobNotFound, TooManyShares
from jobs.store.rights import sharing

Do = Callable[..., Any]


def test_a_shared_job_is_seen_and_not_changed(submit: Any, do: Do) -> None:
    job_id = submit(owner="ann")
    do(store.share, job_id, "ann", reader="bob")
    do(store.share, job_id, "ann", reader="bob")
    do(store.share, job_id, "ann", reader="ann")
    assert do(store.readers, job_id, "ann") == ["bob"]
    assert do(store.find, job_id, "bob").id == job_id
    for act in (store.request_cancel, store.retry, store.readers):
        with pytest.raises(JobNotFound):
            do(act, job_id, "bob")
    for change in (store.share, store.unshare):
        with pytest.raises(JobNotFound):
            do(change, job_id, "bob", reader="eve")
    with pytest.raises(JobNotFound):
        do(store.find, job_id, "eve")
    do(store.unshare, job_id, "ann", reader="bob")
    do(store.unshare, job_id, "ann", reader="bob")
    with pytest.raises(JobNotFound):
        do(store.find, job_id, "bob")


def test_lists_keep_ones_own_and_what_is_shared_apart(submit: Any, do: Do) -> None:
    own, shared, hidden = submit(owner="bob"), submit(owner="ann"), submit(owner="ann")
    do(store.share, shared, "ann", reader="bob")

    def listed(**wanted: Any) -> list[str]:
        jobs, _ = do(store.list_jobs, "bob", **wanted)
        return [job.id for job in jobs]

    assert listed() == [own]
    assert listed(shared=True) == [shared]
    assert do(store.state_counts, "bob")["queued"] == 1
    assert hidden not in listed() + listed(shared=True)


def test_an_idempotency_key_never_gives_a_shared_job(submit: Any, do: Do) -> None:
    job_id = submit(owner="ann")
    do(store.share, job_id, "ann", reader="bob")
    job = do(store.find, job_id, "ann")
    do(store.remember, owner="ann", key="k", body_digest="b", job=job)
    assert do(store.replayed, owner="bob", key="k", body_digest="b") is None


def test_so_many_may_look(submit: Any, do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_SHARES", 2)
    job_id = submit(owner="ann")
    for reader in ("bob", "eve", "bob"):
        do(store.share, job_id, "ann", reader=reader)
    with pytest.raises(TooManyShares, match="at most 2"):
        do(store.share, job_id, "ann", reader="mel")
