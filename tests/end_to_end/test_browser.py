"""A person in a browser, with keys on and PostgreSQL: bring images, submit, watch, read, compare, cancel."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.end_to_end.browser_steps import (
    PATIENCE,
    a_webhook_is_added,
    an_operation_is_tried,
    the_same_request_is_copied,
)
from tests.fixtures.browser import CHROMIUM, Visitor, browser, service, visitor

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)")

KINDS = ("bar", "cross", "ring")
EACH = 40
SMALL: dict[str, Any] = {
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "evaluate": {"test_limit": 20, "checks": None, "corruptions": None},
    "exports": [],
}
"""What keeps a job of the smallest preset short, as the form takes it: JSON for what has no input."""
ENDLESS = 1000
"""Epochs of a job that is to be cancelled: it cannot end first."""
SHOTS = Path(os.environ.get("SCREENSHOTS", ""))


def photographs(folder: Path) -> Path:
    """A folder for each class with grey images of 8 x 8."""
    draws = np.random.default_rng(0)
    for label, kind in enumerate(KINDS):
        (folder / kind).mkdir(parents=True)
        for number in range(EACH):
            pixels = draws.integers(0, 90, (8, 8), dtype=np.uint8)
            pixels[1 + 2 * label : 3 + 2 * label] = 255
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    return folder


def sign_in(window: Visitor, key: str, path: str = "/ui/jobs") -> Page:
    page = window.open(path)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    return page


def submit(page: Page, name: str) -> str:
    """The form as it is, under a name; the id of the job."""
    page.get_by_label("Name", exact=True).fill(name)
    expect(page.locator("#estimate")).to_contain_text("on disk", timeout=PATIENCE)
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/ui/jobs/[0-9a-f]{32}$"), timeout=PATIENCE)
    return page.url.rpartition("/")[2]


@pytest.mark.timeout(1200)  # a busy machine takes its time; each wait has its own end
def test_a_person_gets_from_images_to_a_report(new_postgres_database: str, tmp_path: Path) -> None:
    shots = SHOTS if SHOTS.name else tmp_path / "screenshots"
    with service(tmp_path / "data", new_postgres_database) as (base, key), browser() as chromium:
        desk, phone = visitor(chromium, base, shots), visitor(chromium, base, shots, phone=True, dark=True)
        desk.open("/ui/jobs")
        desk.judge("sign-in")
        page = sign_in(desk, key)
        expect(page.get_by_text("You have no jobs yet.")).to_be_visible()
        desk.judge("no-jobs")
        images_are_added_in_the_form(desk, photographs(tmp_path / "shapes"))
        first = a_job_is_made_by_the_form(desk)
        # Without a reload: the page keeps itself up to date.
        for state in ("running", "succeeded"):
            expect(page.locator("#head")).to_contain_text(state, timeout=PATIENCE)
        expect(page.locator(".chart canvas").first).to_be_visible(timeout=PATIENCE)
        expect(page.locator("#stages svg").first).to_be_attached()
        desk.judge("job")
        the_report_is_in_its_place(desk, first)
        files_are_taken_away(desk, first, tmp_path)
        second = again(desk, first, "second", method="neft")
        expect(page.locator("#head")).to_contain_text("succeeded", timeout=PATIENCE)
        jobs_are_compared(desk)
        third = again(desk, second, "third", also={"pretrain": {**SMALL["pretrain"], "epochs": ENDLESS}})
        a_job_is_cancelled(desk, third)
        a_job_is_deleted(desk, third)
        an_operation_is_tried(desk, first)
        a_webhook_is_added(desk)
        sign_in(phone, key)
        found = {"job": first, **made(base, key)}
        for name, path in PLACES.items():
            phone.open(path.format(**found))
            phone.page.wait_for_load_state("networkidle")
            phone.judge(f"phone-{name}")
        desk.open("/ui/jobs")
        desk.page.get_by_role("button", name="Sign out").click()
        desk.page.wait_for_url("**/ui/sign-in")
        assert desk.faults == []
        assert phone.faults == []


PLACES = {
    "jobs": "/ui/jobs",
    "new": "/ui/jobs/new",
    "job": "/ui/jobs/{job}",
    "robustness": "/ui/jobs/{job}/robustness",
    "files": "/ui/jobs/{job}/files",
    "log": "/ui/jobs/{job}/log",
    "specification": "/ui/jobs/{job}/specification",
    "compare": "/ui/compare?job={job}",
    "sweeps": "/ui/sweeps",
    "sweep": "/ui/sweeps/{sweep}",
    "datasets": "/ui/datasets",
    "dataset": "/ui/datasets/shapes",
    "catalog-dataset": "/ui/datasets/digits",
    "teachers": "/ui/teachers",
    "teacher": "/ui/teachers/{teacher}",
    "workers": "/ui/workers",
    "webhooks": "/ui/webhooks",
    "webhook": "/ui/webhooks/{webhook}",
    "nothing": "/ui/datasets/nothing",
    "docs": "/docs#create_job",
    "problems": "/problems",
}


def made(base: str, key: str) -> dict[str, str]:
    """A sweep that has not begun, the teacher that the first job has trained, the webhook of the form."""
    headers = {"Authorization": f"Bearer {key}"}
    grid = {"base": {"dataset": "digits", "preset": "smoke"}, "grid": {"freeze_depth": [1, 2]}}
    with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
        sweep = client.post("/sweeps", json=grid)
        assert sweep.status_code == 201, sweep.text
        client.post(f"/sweeps/{sweep.json()['id']}/cancel").raise_for_status()
        teachers = client.get("/teachers").json()["data"]
        hooks = client.get("/webhooks").json()["data"]
    return {"sweep": sweep.json()["id"], "teacher": teachers[0]["id"], "webhook": hooks[0]["id"]}


def images_are_added_in_the_form(desk: Visitor, folder: Path) -> None:
    page = desk.open("/ui/jobs/new")
    page.get_by_text("Add images of your own").click()
    page.get_by_label("or a folder").set_input_files(folder)
    expect(page.get_by_text(f"{EACH * len(KINDS)} files")).to_be_visible()
    expect(page.get_by_label("Name it")).to_have_value("shapes")
    page.get_by_label("Part for tests").fill("7")
    page.get_by_role("button", name="Add and choose them").click()
    field = page.locator(".field", has=page.get_by_label("Part for tests"))
    expect(field.locator(".fault")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Part for tests").fill("")
    page.get_by_role("button", name="Add and choose them").click()
    expect(page.get_by_text("shapes is ready and chosen.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("Data set (target)")).to_have_value("shapes")


def a_job_is_made_by_the_form(desk: Visitor) -> str:
    page = desk.page
    page.get_by_label("Source of the teacher").select_option("digits")
    page.get_by_label("Network", exact=True).select_option("tiny")
    page.get_by_label("Preset", exact=True).select_option("smoke")
    depth = page.get_by_label("Freeze depth", exact=True)
    depth.fill("99")
    wrong = page.locator(".field", has=depth).locator(".fault")
    expect(wrong).to_contain_text("allowed", timeout=PATIENCE)
    desk.judge("form")
    depth.fill("1")
    expect(wrong).to_have_count(0, timeout=PATIENCE)
    line = page.get_by_role("slider", name="Freeze line")
    line.press("ArrowRight")
    expect(depth).to_have_value("2")
    line.scroll_into_view_if_needed()
    place, first_block = line.bounding_box(), page.locator("#blocks button").first.bounding_box()
    assert place is not None
    assert first_block is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(first_block["x"] + 1, place["y"] + 20, steps=4)
    expect(depth).to_have_value("0")
    page.mouse.move(first_block["x"] + first_block["width"] + 3, place["y"] + 20, steps=4)
    page.mouse.up()
    expect(depth).to_have_value("1")
    page.get_by_label("cartl", exact=True).uncheck()
    page.get_by_text("Anything else, as JSON").click()
    page.get_by_label("Fields of the request that have no place above").fill(json.dumps(SMALL))
    the_same_request_is_copied(page)
    return submit(page, "first")


def again(
    desk: Visitor, job: str, name: str, *, also: Mapping[str, Any] | None = None, **changes: str
) -> str:
    """The request of another job, changed, and submitted; ``also`` is what has no place but the JSON."""
    page = desk.open(f"/ui/jobs/{job}")
    page.get_by_role("link", name="Again with changes").click()
    page.wait_for_url("**/ui/jobs/new?from=*")
    expect(page.get_by_label("Data set (target)")).to_have_value("shapes")
    for path, value in changes.items():
        page.locator(f'[data-path="{path}"]').select_option(value)
    if also is not None:
        more = page.get_by_label("Fields of the request that have no place above")
        more.fill(json.dumps({**json.loads(more.input_value()), **also}))
    return submit(page, name)


def the_report_is_in_its_place(desk: Visitor, job: str) -> None:
    page = desk.open(f"/ui/jobs/{job}/robustness")
    report = page.frame_locator("iframe.report")
    expect(report.get_by_role("heading", name="The methods side by side")).to_be_attached(timeout=PATIENCE)
    page.get_by_role("button", name="Copy a link for a colleague").click()
    expect(page.locator("#toast")).to_contain_text("Copied a link", timeout=PATIENCE)
    link = page.evaluate("navigator.clipboard.readText()")
    alone = page.context.browser.new_page()  # type: ignore[union-attr]
    alone.goto(link)
    expect(alone.get_by_role("heading", level=1)).to_be_visible()
    alone.close()
    desk.judge("robustness")


def files_are_taken_away(desk: Visitor, job: str, folder: Path) -> None:
    page = desk.open(f"/ui/jobs/{job}/files")
    with page.expect_download() as download:
        page.get_by_role("link", name="report.json").click()
    download.value.save_as(folder / "report.json")
    assert '"schema_version"' in (folder / "report.json").read_text()
    desk.judge("files")


def jobs_are_compared(desk: Visitor) -> None:
    page = desk.open("/ui/jobs")
    page.get_by_label("Compare first").check()
    page.get_by_label("Compare second").check()
    page.get_by_role("button", name="Compare chosen jobs").click()
    expect(page.get_by_text("image by image").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("points").first).to_be_visible()
    desk.judge("compare")


def a_job_is_cancelled(desk: Visitor, job: str) -> None:
    page = desk.open(f"/ui/jobs/{job}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#head")).to_contain_text("cancelled", timeout=PATIENCE)
    page = desk.open("/ui/jobs")
    desk.judge("jobs")


def a_job_is_deleted(desk: Visitor, job: str) -> None:
    """From its row, which is gone without a reload."""
    row = desk.page.locator(f"#job-{job}")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0, timeout=PATIENCE)
    assert desk.page.context.request.get(f"{desk.base}/jobs/{job}").status == 404
