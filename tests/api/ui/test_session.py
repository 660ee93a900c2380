"""Browsers: a key becomes a session, which changes nothing without its token and ends with the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from api.http.cookies import COOKIE, csrf_token
from jobs.database.engine import reading, transaction
from jobs.settings import Settings
from jobs.store.rights.keys import revoke
from jobs.tables import ApiKey, WebSession
from tests.api.conftest import local_client

NewKey = Callable[..., dict[str, str]]
PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    with local_client(settings, follow_redirects=False) as client:
        client.headers.update(PAGE)
        yield client


def secret_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


def sign_in(browser: TestClient, key: str, target: str = "/ui/jobs") -> Any:
    return browser.post("/ui/sign-in", data={"key": key, "next": target})


def token_of(browser: TestClient) -> str:
    token = browser.cookies.get(COOKIE)
    assert token is not None
    return str(token)


def test_who_is_not_signed_in_is_asked_to_and_comes_back(browser: TestClient, new_key: NewKey) -> None:
    key = secret_of(new_key())
    sent = browser.get("/ui/workers")
    assert (sent.status_code, sent.headers["location"]) == (303, "/ui/sign-in?next=%2Fui%2Fworkers")
    assert 'value="/ui/workers"' in browser.get(sent.headers["location"]).text
    signed = sign_in(browser, key, "/ui/workers")
    assert (signed.status_code, signed.headers["location"]) == (303, "/ui/workers")
    assert browser.get("/ui/workers").status_code == 200


def test_the_cookie_is_no_script_s_and_no_other_site_s_and_the_key_is_not_in_it(
    browser: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    key = secret_of(new_key())
    cookie = sign_in(browser, key).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert key not in cookie
    with reading(factory) as session:
        kept = session.scalars(select(WebSession.hash)).all()
    assert len(kept) == 1
    assert token_of(browser) not in kept


@pytest.mark.parametrize("key", ["", "cartl_00_wrong", "x" * 1000, "<script>"])
def test_a_wrong_key_is_refused_in_words(browser: TestClient, new_key: NewKey, key: str) -> None:
    new_key()
    answer = sign_in(browser, key)
    assert (answer.status_code, COOKIE in browser.cookies) == (401, False)
    assert "not known, has expired or was revoked" in answer.text
    assert "<script>" not in answer.text.partition("<body>")[2]


@pytest.mark.parametrize(
    "target",
    ["//evil.example/ui/", "https://evil.example", "/ui/../jobs//x", "/\\evil", "javascript:alert(1)"],
)
def test_after_signing_in_nobody_is_sent_elsewhere(browser: TestClient, new_key: NewKey, target: str) -> None:
    assert sign_in(browser, secret_of(new_key()), target).headers["location"] == "/ui/jobs"


def test_a_session_reads_but_changes_nothing_without_its_token(
    browser: TestClient, new_key: NewKey, small: dict[str, Any]
) -> None:
    sign_in(browser, secret_of(new_key()))
    assert browser.get("/jobs", headers={"Accept": "application/json"}).status_code == 200
    right = {"X-CSRF-Token": csrf_token(token_of(browser))}
    assert browser.post("/jobs", json=small).status_code == 403
    assert browser.post("/jobs", json=small, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert browser.post("/jobs", json=small, headers={**right, **foreign}).status_code == 403
    assert browser.get("/jobs", headers={"Accept": "application/json"}).json()["data"] == []
    assert browser.post("/jobs", json=small, headers=right).status_code == 201


def test_another_site_cannot_sign_somebody_in(browser: TestClient, new_key: NewKey) -> None:
    key = secret_of(new_key())
    answer = browser.post("/ui/sign-in", data={"key": key}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, COOKIE in browser.cookies) == (403, False)


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(
    browser: TestClient, new_key: NewKey
) -> None:
    sign_in(browser, secret_of(new_key()))
    token = token_of(browser)
    assert browser.post("/ui/sign-out").status_code == 403
    assert browser.post("/ui/sign-out", headers={"X-CSRF-Token": csrf_token(token)}).status_code == 204
    browser.cookies.set(COOKIE, token)
    assert browser.get("/ui/jobs").status_code == 303


def test_a_revoked_key_and_the_end_of_its_time_end_a_session(
    browser: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    sign_in(browser, secret_of(new_key()))
    with transaction(factory) as session:
        revoke(session, session.scalars(select(ApiKey.id)).one())
    assert browser.get("/ui/jobs").status_code == 303
    sign_in(browser, secret_of(new_key()))
    assert browser.get("/ui/jobs").status_code == 200
    with transaction(factory) as session:
        session.execute(update(WebSession).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert browser.get("/ui/jobs").status_code == 303


def test_a_session_is_not_more_than_its_key(
    browser: TestClient, new_key: NewKey, small: dict[str, Any]
) -> None:
    sign_in(browser, secret_of(new_key("ada", "viewer")))
    headers = {"X-CSRF-Token": csrf_token(token_of(browser))}
    assert browser.post("/jobs", json=small, headers=headers).status_code == 403
    made = browser.post("/keys", json={"owner": "ada"}, headers=headers)
    assert made.status_code == 403


def test_static_files_are_those_of_the_list(browser: TestClient, new_key: NewKey) -> None:
    new_key()
    page = browser.get("/ui/sign-in").text
    style = next(part for part in page.split('"') if part.endswith("/app.css"))
    answer = browser.get(style)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert browser.get(style, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    for name in ("../templates/layout.html", "app.cs", "vendor", "%2e%2e/render.py"):
        assert browser.get(style.replace("app.css", name)).status_code == 404
