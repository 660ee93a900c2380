"""Pages of webhooks: a list with a form where they are allowed, and what was sent to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from api.routes.ui import webhooks
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.webhooks.deliveries import Outcome, claim_delivery, record_outcome
from tests.api.conftest import local_client

HTML = {"Accept": "text/html"}
HOOK = {"url": "https://example.org/?a=<b>"}
FORM, DELETE = "data-webhook-form", 'data-method="DELETE"'


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    """A service whose operator allows webhooks."""
    with local_client(settings.model_copy(update={"webhooks": True}), follow_redirects=False) as client:
        client.headers.update(HTML)
        yield client


def test_the_list_has_a_form_and_no_secret(browser: TestClient) -> None:
    empty = browser.get("/ui/webhooks").text
    assert "You have no webhooks yet." in empty and FORM in empty and DELETE not in empty
    made = browser.post("/webhooks", json=HOOK).json()
    listed = browser.get("/ui/webhooks").text
    assert "https://example.org/?a=&lt;b&gt;" in listed and f'data-post="/webhooks/{made["id"]}"' in listed
    one = browser.get(f"/ui/webhooks/{made['id']}").text
    assert "Nothing was sent to it yet." in one
    assert made["secret"] not in listed + one
    assert '<a href="/ui/webhooks" aria-current="page">' in listed


def test_what_came_of_each_message_is_shown_page_by_page(
    browser: TestClient,
    small: dict[str, Any],
    factory: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = browser.post("/webhooks", json=HOOK).json()["id"]
    jobs = [browser.post("/jobs", json=small).json()["id"] for _ in range(2)]
    for job in jobs:
        browser.post(f"/jobs/{job}/cancel")
    with transaction(factory) as session:
        sending = claim_delivery(session, 60.0)
        assert sending is not None
        record_outcome(session, sending, Outcome(error="the <host> is not known"))
    page = browser.get(f"/ui/webhooks/{hook}").text
    assert "the &lt;host&gt; is not known" in page and "Older messages" not in page
    assert all(f'href="/ui/jobs/{job}"' in page for job in jobs)
    monkeypatch.setattr(webhooks, "PAGE", 1)
    newest = browser.get(f"/ui/webhooks/{hook}").text
    older = browser.get(newest.partition('rel="next" href="')[2].partition('"')[0]).text
    assert (jobs[1] in newest, jobs[0] in newest, jobs[0] in older) == (True, False, True)


def test_without_the_operators_leave_there_is_no_form(settings: Settings) -> None:
    with local_client(settings) as client:
        page = client.get("/ui/webhooks", headers=HTML).text
    assert "CARTL_WEBHOOKS=true" in page and FORM not in page


def test_a_reader_adds_and_deletes_none_and_others_see_none(
    browser: TestClient, new_key: Callable[..., dict[str, str]]
) -> None:
    ada, eve, reader = new_key("ada"), new_key("eve"), new_key("ada", "viewer")
    hook = browser.post("/webhooks", json=HOOK, headers=ada).json()["id"]
    for path in ("/ui/webhooks", f"/ui/webhooks/{hook}"):
        assert DELETE in browser.get(path, headers=ada | HTML).text
        seen = browser.get(path, headers=reader | HTML).text
        assert "example.org" in seen and DELETE not in seen and FORM not in seen
    assert "example.org" not in browser.get("/ui/webhooks", headers=eve | HTML).text
    assert browser.get(f"/ui/webhooks/{hook}", headers=eve | HTML).status_code == 404
