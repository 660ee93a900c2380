"""Steps of the walk through the pages that stand alone."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.fixtures.browser import Visitor

PATIENCE = 180_000
"""Milliseconds, for what must come however busy the machine is."""


def the_same_request_is_copied(page: Page) -> None:
    """What is copied is the request that will be sent."""
    expect(page.locator("#estimate")).to_contain_text("on disk", timeout=PATIENCE)
    copied = {}
    for kind in ("JSON", "curl", "Python"):
        page.get_by_role("button", name=f"Copy as {kind}").click()
        expect(page.get_by_text("Copied.").last).to_be_visible()
        copied[kind] = page.evaluate("navigator.clipboard.readText()")
    request = json.loads(copied["JSON"])
    assert (request["dataset"], request["freeze_depth"]) == ("shapes", 1)
    assert json.loads(copied["curl"].partition("-d '")[2].rpartition("'")[0]) == request
    asked: list[dict[str, object]] = []
    program = copied["Python"].replace("from cartl import Client", "")
    exec(program.partition("    print")[0], {"Client": _recording(asked)})  # noqa: S102 - what the page made
    assert asked == [request]


def _recording(asked: list[dict[str, object]]) -> object:
    """In the place of the client's class: notes what is submitted."""

    class Recorder:
        def __init__(self, url: str, key: str | None) -> None:
            assert url.startswith("http")

        def __enter__(self) -> Recorder:
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, request: dict[str, object]) -> None:
            asked.append(request)

    return Recorder


def an_operation_is_tried(desk: Visitor, job: str) -> None:
    """From its documentation, with the session."""
    page = desk.open("/docs#get_job")
    operation = page.locator("#get_job")
    operation.get_by_role("textbox", name="job_id").fill(job)
    operation.get_by_role("button", name="Send GET").click()
    answer = operation.locator("[data-answer]")
    expect(answer).to_contain_text("200 OK", timeout=PATIENCE)
    expect(answer.locator("pre")).to_contain_text(job)
    desk.judge("docs")


def a_webhook_is_added(desk: Visitor) -> None:
    """By the form, which says what is wrong at its field; the secret is there until the page is left."""
    page = desk.open("/ui/webhooks")
    address = page.get_by_label("Address")
    address.fill("http://127.0.0.1/")
    page.get_by_role("button", name="Add").click()
    wrong = page.locator(".field", has=address).locator(".fault")
    expect(wrong).to_contain_text("https://", timeout=PATIENCE)
    address.fill("https://hooks.invalid/cartl")
    page.get_by_label("job.started").uncheck()
    page.get_by_role("button", name="Add").click()
    secret = page.get_by_label("Secret of the new webhook")
    expect(secret).to_have_value(re.compile("^whsec_"), timeout=PATIENCE)
    row = page.locator("#webhooks tr", has_text="hooks.invalid")
    expect(row).to_contain_text("job.succeeded, job.failed, job.cancelled", timeout=PATIENCE)
    page.reload()
    expect(secret).to_be_hidden()
    row.get_by_role("link").click()
    expect(page.get_by_text("Nothing was sent to it yet.")).to_be_visible()
