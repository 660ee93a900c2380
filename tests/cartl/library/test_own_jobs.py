"""What owners do with their jobs and keys: priority, deletion, dry runs, revoking."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cartl import AsyncClient, Client, NotUsable, ServiceError
from tests.cartl.library.record_worker import Worker
from tests.factories import SMALL


def test_a_job_is_put_first_and_deleted(client: Client, worker: Worker) -> None:
    first, second = client.submit(SMALL), client.submit(SMALL, priority=-1)
    assert second.job.priority == -1
    assert client.set_priority(second.id, 3).job.queue_position == 1
    assert first.set_priority(-2).job.priority == -2
    with pytest.raises(ServiceError, match="cancel it first"):
        client.delete(first.id)
    first.cancel().delete()
    client.delete(second.cancel().id)
    assert list(client.jobs()) == []


def test_a_dry_run_tells_what_is_needed(client: Client) -> None:
    told = client.dry_run(dataset="digits", freeze_depth=3)
    assert [(one.field, one.name, one.state) for one in told.data] == [
        ("source", "mnist", "download"),
        ("dataset", "digits", "present"),
    ]
    assert told.data[0].size and told.data[0].host and "fetch mnist" in (told.data[0].command or "")
    assert client.submit(SMALL).job.data and list(client.keys()) == []


def test_keys_are_listed_and_revoked(script: Any, scripted: Any, kind: str) -> None:
    key = {"id": "k1", "owner": "ada", "name": "notebook", "role": "viewer", "in_use": True}
    (found,) = scripted.run(kind, script((200, {"data": [key]})), "keys")
    assert (found.id, found.role, found.in_use) == ("k1", "viewer", True)
    told = script(204)
    assert scripted.run(kind, told, "revoke_key", "k1") is None
    assert (told.asked[0].method, told.asked[0].url.path) == ("DELETE", "/keys/k1")
    with pytest.raises(NotUsable):
        scripted.run(kind, script(204), "delete", "../keys")


def test_webhooks_are_registered_listed_looked_at_and_deleted(script: Any, scripted: Any, kind: str) -> None:
    hook = {"id": "h1", "url": "https://example.com/x", "events": ["job.failed"]}
    asked = script((201, {**hook, "secret": "whsec_x"}))
    made = scripted.run(kind, asked, "add_webhook", hook["url"], ["job.failed"])
    assert (made.id, made.secret, "whsec_x" in repr(made)) == ("h1", "whsec_x", False)
    assert json.loads(asked.asked[0].content) == {"url": hook["url"], "events": ["job.failed"]}
    (listed,) = scripted.run(kind, script((200, {"data": [hook]})), "webhooks")
    assert listed == scripted.run(kind, script((200, hook)), "webhook", "h1")
    pages = script(
        (200, {"data": [{"id": "msg_1", "state": "pending", "status": 503}], "next_cursor": "more"}),
        (200, {"data": [{"id": "msg_2", "state": "delivered"}], "next_cursor": None}),
    )
    sent = scripted.run(kind, pages, "deliveries", "h1")
    assert [(one.id, one.state, one.status) for one in sent] == [
        ("msg_1", "pending", 503),
        ("msg_2", "delivered", None),
    ]
    assert pages.asked[1].url.params["cursor"] == "more"
    told = script(204)
    assert scripted.run(kind, told, "delete_webhook", "h1") is None
    assert (told.asked[0].method, told.asked[0].url.path) == ("DELETE", "/webhooks/h1")


def test_with_await_a_job_is_put_first_and_deleted(awaited: Any) -> None:
    async def use(client: AsyncClient) -> list[int]:
        job = await client.submit(SMALL)
        places = [
            (await client.set_priority(job.id, 2)).job.priority,
            (await job.set_priority(1)).job.priority,
        ]
        assert (await client.dry_run(SMALL)).data
        await (await job.cancel()).delete()
        other = await (await client.submit(SMALL)).cancel()
        await client.delete(other.id)
        assert await client.keys() == ()
        return places

    assert awaited(use) == [2, 1]
