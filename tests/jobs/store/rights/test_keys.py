from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.errors import KeyNotFound
from jobs.store.rights.keys import (
    USE_SECONDS,
    Role,
    any_key,
    keys_of,
    make_key,
    note_use,
    revoke,
    rotate,
    verify,
)
from jobs.tables import ApiKey


@pytest.fixture
def key(factory: sessionmaker[Session]) -> Callable[..., str]:
    def make(owner: str = "ann", role: Role = "submitter", **options: Any) -> str:
        plain, row = make_key(owner, "test", role, **options)
        with transaction(factory) as session:
            session.add(row)
        return plain

    return make


def test_a_key_opens_as_its_owner(factory: sessionmaker[Session], key: Any) -> None:
    plain = key("ann", "viewer")
    with reading(factory) as session:
        found = verify(session, plain)
        assert found is not None and (found.owner_id, found.role) == ("ann", "viewer")
        assert found.created_at is not None


def test_a_key_has_256_random_bits_and_is_not_stored() -> None:
    plain, row = make_key("ann", "test", "viewer")
    secret = plain.split("_", 2)[2]
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert secret not in str(vars(row)) and len(row.hash) == 64
    assert len({make_key("ann", "test", "viewer")[0] for _ in range(50)}) == 50


def test_wrong_keys_open_nothing(factory: sessionmaker[Session], key: Any) -> None:
    plain, other = key(), key("bob")
    prefix, key_id, secret = plain.split("_", 2)
    with reading(factory) as session:
        for wrong in (
            "",
            "_",
            "__",
            "cartl__",
            plain[:-1],
            plain + "x",
            f"{prefix}_{other.split('_')[1]}_{secret}",
            f"{prefix}_{key_id}_",
            f"other_{key_id}_{secret}",
            f"{prefix}_{key_id}\x00_{secret}",
            f"{prefix}_{'a' * 10_000}_{secret}",
        ):
            assert verify(session, wrong) is None


def test_a_revoked_key_counts_no_more(factory: sessionmaker[Session], key: Any) -> None:
    with reading(factory) as session:
        assert not any_key(session)
    plain = key()
    with transaction(factory) as session:
        assert any_key(session)
        (row,) = keys_of(session, "ann")
        assert not revoke(session, row.id, owner="bob")
        assert revoke(session, row.id)
        assert not revoke(session, row.id)
    with reading(factory) as session:
        assert verify(session, plain) is None
        assert keys_of(session) == [] and not any_key(session)


@pytest.mark.parametrize("role", ["", "root", "read"])
def test_roles_are_known_ones(role: Any) -> None:
    with pytest.raises(ValueError, match="viewer, submitter, operator"):
        make_key("ann", "test", role)


def test_an_expired_key_counts_no_more(factory: sessionmaker[Session], key: Any) -> None:
    lasting, ended = key("ann", lifetime_seconds=3600.0), key("ann", lifetime_seconds=-1.0)
    with reading(factory) as session:
        assert verify(session, lasting) is not None and verify(session, ended) is None
        assert [row.id for row in keys_of(session)] == [lasting.split("_")[1]] and any_key(session)


def test_after_a_rotation_the_old_secret_counts_for_its_grace(
    factory: sessionmaker[Session], key: Any
) -> None:
    first = key()
    key_id = first.split("_")[1]
    with transaction(factory) as session:
        second, _ = rotate(session, key_id, 3600.0)
    with transaction(factory) as session:
        assert verify(session, first) is not None and verify(session, second) is not None
        session.execute(update(ApiKey).values(previous_until=FromNow(-1)))
    with transaction(factory) as session:
        assert verify(session, first) is None and verify(session, second) is not None
        third, _ = rotate(session, key_id, 0.0)
    with transaction(factory) as session:
        assert verify(session, second) is None and verify(session, third) is not None
        for missing in (("0" * 16, None), (key_id, "bob")):
            with pytest.raises(KeyNotFound):
                rotate(session, missing[0], 0.0, missing[1])


def test_the_last_use_is_noted_once_a_minute(factory: sessionmaker[Session], key: Any) -> None:
    plain = key()
    key_id = plain.split("_")[1]

    def used() -> Any:
        with transaction(factory) as session:
            note_use(session, key_id)
            return session.scalars(select(ApiKey.last_used_at)).one()

    with reading(factory) as session:
        assert verify(session, plain).use_is_due  # type: ignore[union-attr]
    first = used()
    assert used() == first is not None
    with transaction(factory) as session:
        assert not verify(session, plain).use_is_due  # type: ignore[union-attr]
        session.execute(update(ApiKey).values(last_used_at=FromNow(-USE_SECONDS)))
        assert verify(session, plain).use_is_due  # type: ignore[union-attr]
    assert used() >= first
