"""Links to a report: they show one report, and end with their time, their key and their job."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from api.shared_links import DAYS, LinkInvalid, make_link, read_link
from jobs.database.engine import reading, transaction
from jobs.settings import Settings
from jobs.store.rights.keys import revoke
from jobs.tables import ApiKey
from tests.api.conftest import local_client
from tests.factories import submit_job

NewKey = Callable[..., dict[str, str]]


def key_id_of(factory: sessionmaker[Session], owner: str) -> str:
    with reading(factory) as session:
        return session.scalars(select(ApiKey.id).where(ApiKey.owner_id == owner)).one()


def test_a_link_shows_its_report_to_somebody_without_a_key_and_nothing_else(
    settings: Settings, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    job_id, other, headers = submit_job(factory, "ada"), submit_job(factory, "ada"), new_key("ada")
    with local_client(settings) as client:
        made = client.post(f"/ui/jobs/{job_id}/link", headers=headers).json()
        assert "Robustness report" in client.get(made["url"]).text
        assert client.get(f"/jobs/{job_id}/report").status_code == 401
        assert client.get(f"/jobs/{other}/report").status_code == 401
        assert client.post(f"/ui/jobs/{submit_job(factory, 'bob')}/link", headers=headers).status_code == 404


def test_a_link_ends_with_its_key(
    settings: Settings, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    job_id, headers = submit_job(factory, "ada"), new_key("ada")
    new_key("bob")
    with local_client(settings) as client:
        url = client.post(f"/ui/jobs/{job_id}/link", headers=headers).json()["url"]
        with transaction(factory) as session:
            revoke(session, key_id_of(factory, "ada"))
        assert client.get(url).status_code == 404


def test_a_link_ends_with_its_time(new_key: NewKey, factory: sessionmaker[Session]) -> None:
    job_id, _ = submit_job(factory, "ada"), new_key("ada")
    now = datetime.now(UTC)
    with reading(factory) as session:
        link = make_link(session, key_id_of(factory, "ada"), job_id, now=now)
        assert read_link(session, link.token, now=now + timedelta(days=DAYS, seconds=-2)) == (job_id, "ada")
        with pytest.raises(LinkInvalid):
            read_link(session, link.token, now=now + timedelta(days=DAYS, seconds=2))


def test_what_was_changed_in_a_link_makes_it_none(new_key: NewKey, factory: sessionmaker[Session]) -> None:
    job_id, other, _ = submit_job(factory, "ada"), submit_job(factory, "ada"), new_key("ada")
    new_key("bob")
    with reading(factory) as session:
        token = make_link(session, key_id_of(factory, "ada"), job_id).token
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        parts = text.split(" ")
        later = str(int(parts[2]) + 10_000_000)
        changed = [
            [other, *parts[1:]],
            [parts[0], key_id_of(factory, "bob"), *parts[2:]],
            [*parts[:2], later, parts[3]],
            [*parts[:3], "0" * 64],
            parts[:3],
            [*parts, "x"],
        ]
        for one in changed:
            forged = base64.urlsafe_b64encode(" ".join(one).encode()).decode()
            with pytest.raises(LinkInvalid):
                read_link(session, forged)
        for nonsense in ("", "x", "é", "A" * 5000, "%00"):
            with pytest.raises(LinkInvalid):
                read_link(session, nonsense)
