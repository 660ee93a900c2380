"""What an owner does on the pages: buttons of priority and deletion, keys to revoke, what a form says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import transaction
from jobs.store import set_priority
from tests.api.ui.test_pages import HOSTILE, Tags
from tests.factories import submit_job

NewKey = Callable[..., dict[str, str]]
HTML = {"Accept": "text/html"}


def buttons(text: str, path: str) -> list[dict[str, str | None]]:
    """The buttons of a page that ask for a path."""
    return [found for tag, found in Tags(text).found if tag == "button" and found.get("data-post") == path]


def test_buttons_of_a_job_follow_its_state(
    client: TestClient, factory: sessionmaker[Session], small: dict[str, Any]
) -> None:
    job_id = client.post("/jobs", json=small | {"name": HOSTILE}).json()["id"]
    path = f"/jobs/{job_id}"
    for page in ("/ui/jobs", f"/ui/jobs/{job_id}"):
        down, up = buttons(client.get(page, headers=HTML).text, path)
        assert [found["data-method"] for found in (down, up)] == ["PATCH", "PATCH"]
        assert [json.loads(found["data-body"] or "") for found in (down, up)] == [
            {"priority": -1},
            {"priority": 1},
        ]
        assert up["aria-label"] and "disabled" not in up
    with transaction(factory) as session:
        set_priority(session, job_id, "local", 10)
    down, up = buttons(client.get("/ui/jobs", headers=HTML).text, path)
    assert "disabled" in up and "disabled" not in down
    client.post(f"{path}/cancel")
    for page, then in (("/ui/jobs", None), (f"/ui/jobs/{job_id}", "/ui/jobs")):
        (found,) = buttons(client.get(page, headers=HTML).text, path)
        assert (found["data-method"], found.get("data-then")) == ("DELETE", then)
        assert "cannot be undone" in (found["data-sure"] or "")


def test_what_others_share_has_no_such_buttons(
    client: TestClient, new_key: NewKey, factory: sessionmaker[Session]
) -> None:
    ada, bob = new_key("ada"), new_key("bob")
    job_id = submit_job(factory, "ada")
    client.put(f"/jobs/{job_id}/shares/bob", headers=ada)
    page = f"/ui/jobs/{job_id}"
    assert len(buttons(client.get(page, headers=ada | HTML).text, f"/jobs/{job_id}")) == 2
    assert buttons(client.get(page, headers=bob | HTML).text, f"/jobs/{job_id}") == []


def test_the_page_of_keys(client: TestClient, new_key: NewKey) -> None:
    assert "There are no keys." in client.get("/ui/keys", headers=HTML).text
    mine, other, root = new_key("ada"), new_key("ada", "viewer"), new_key("root", "operator")
    ids = [headers["Authorization"].split("_")[1] for headers in (mine, other, root)]
    page = client.get("/ui/keys", headers=mine | HTML).text
    (used,), (unused,) = (buttons(page, f"/keys/{one}") for one in ids[:2])
    assert (used["data-then"], unused.get("data-then")) == ("/ui/sign-in", None)
    assert used["data-method"] == unused["data-method"] == "DELETE" and ids[2] not in page
    everybodys = client.get("/ui/keys", headers=root | HTML).text
    assert all(one in everybodys for one in ids) and "Keys of all owners" in everybodys
    secrets = [headers["Authorization"].split("_", 2)[2] for headers in (mine, other, root)]
    assert not any(secret in page + everybodys for secret in secrets)


def test_the_form_takes_a_priority_and_has_room_for_what_is_needed(
    client: TestClient, small: dict[str, Any]
) -> None:
    made = client.post("/jobs", json=small | {"priority": 4}).json()["id"]
    text = client.get(f"/ui/jobs/new?from={made}", headers=HTML).text
    tags = Tags(text).found
    (field,) = (found for tag, found in tags if found.get("data-path") == "priority")
    assert field["value"] == "4" and "-10 to 10" in text
    assert [tag for tag, found in tags if found.get("id") == "needed"] == ["ul"]
