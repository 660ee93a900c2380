from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import reading, transaction
from jobs.store.rights.keys import any_key, keys_of, make_key, revoke, verify


@pytest.fixture
def key(factory: sessionmaker[Session]) -> Callable[..., str]:
    def make(owner: str = "ann", scopes: tuple[str, ...] = ("read", "submit")) -> str:
        plain, row = make_key(owner, "test", scopes)
        with transaction(factory) as session:
            session.add(row)
        return plain

    return make


def test_a_key_opens_as_its_owner(factory: sessionmaker[Session], key: Any) -> None:
    plain = key("ann", ("submit", "read", "read"))
    with reading(factory) as session:
        found = verify(session, plain)
        assert found is not None and (found.owner_id, found.scopes) == ("ann", ["read", "submit"])
        assert found.created_at is not None


def test_a_key_has_256_random_bits_and_is_not_stored() -> None:
    plain, row = make_key("ann", "test", ["read"])
    secret = plain.split("_", 2)[2]
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert secret not in str(vars(row)) and len(row.hash) == 64
    assert len({make_key("ann", "test", ["read"])[0] for _ in range(50)}) == 50


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


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "write"]])
def test_scopes_are_known_ones(scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="read, submit, admin"):
        make_key("ann", "test", scopes)
