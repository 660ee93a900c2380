"""A person in a browser, with keys on and PostgreSQL: sign in, submit, watch, read, compare, take away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cartl.up import free_port
from tests.fixtures.browser import CHROMIUM, Visitor, browser, visitor

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)")

PATIENCE = 180_000
"""Milliseconds, for what must come however busy the machine is."""
SHOTS = Path(os.environ.get("SCREENSHOTS", ""))


@contextmanager
def service(data_dir: Path, database_url: str) -> Iterator[tuple[str, str]]:
    """A service with keys: its address, and a key."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    settings |= {
        "CARTL_DATA_DIR": str(data_dir),
        "CARTL_DATABASE_URL": database_url,
        "CARTL_THREADS": "1",
        "CARTL_DOWNLOAD": "false",
        "PYTHONUNBUFFERED": "1",
    }
    jobs = [sys.executable, "-m", "jobs"]
    subprocess.run([*jobs, "migrate"], env=settings, check=True, capture_output=True)
    made = subprocess.run(
        [*jobs, "keys", "create", "--owner", "ada"], env=settings, check=True, capture_output=True, text=True
    )
    key = re.search(r"cartl_[0-9a-f]+_\S+", made.stdout)
    assert key is not None
    port = free_port()
    command = [sys.executable, "-m", "cartl", "up", "--data-dir", str(data_dir), "--port", str(port)]
    up = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert up.stdout is not None
    for line in up.stdout:
        if "Ctrl-C" in line:
            break
    try:
        yield f"http://127.0.0.1:{port}", key[0]
    finally:
        up.terminate()
        up.wait(120)
        up.stdout.close()


def sign_in(window: Visitor, key: str, path: str = "/ui/jobs") -> Page:
    page = window.open(path)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    return page


def submit(window: Visitor, name: str, seed: str) -> str:
    """By the form; the id of the job."""
    page = window.open("/ui/jobs/new")
    for label, choice in (("Data set (target)", "digits"), ("Source of the teacher", "digits")):
        page.get_by_label(label).select_option(choice)
    page.get_by_label("Its classes").nth(0).fill("5 6 7 8 9")
    page.get_by_label("Its classes").nth(1).fill("0 1 2 3 4")
    page.get_by_label("Network", exact=True).select_option("tiny")
    page.get_by_label("Preset", exact=True).select_option("smoke")
    page.get_by_label("Freeze depth", exact=True).fill("1")
    page.get_by_role("slider", name="Freeze line").press("ArrowRight")
    expect(page.get_by_label("Freeze depth", exact=True)).to_have_value("2")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Seed", exact=True).fill(seed)
    page.get_by_label("cartl", exact=True).uncheck()
    expect(page.locator("#estimate")).to_contain_text("of computing", timeout=PATIENCE)
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/ui/jobs/[0-9a-f]{32}$"), timeout=PATIENCE)
    return page.url.rpartition("/")[2]


def test_a_person_gets_from_data_to_a_report(new_postgres_database: str, tmp_path: Path) -> None:
    shots = SHOTS if SHOTS.name else tmp_path / "screenshots"
    with service(tmp_path / "data", new_postgres_database) as (base, key), browser() as chromium:
        desk, phone = visitor(chromium, base, shots), visitor(chromium, base, shots, phone=True, dark=True)
        desk.open("/ui/jobs")
        desk.judge("sign-in")
        page = sign_in(desk, key)
        expect(page.get_by_text("You have no jobs yet.")).to_be_visible()
        desk.judge("no-jobs")
        the_form_names_what_is_wrong_at_its_field(desk)
        # With one seed: the same test images are drawn.
        first, second = submit(desk, "first", "1"), submit(desk, "second", "1")
        page = desk.open(f"/ui/jobs/{first}")
        expect(page.locator("#head")).to_contain_text("succeeded", timeout=PATIENCE)
        expect(page.locator(".chart canvas").first).to_be_visible(timeout=PATIENCE)
        desk.judge("job")
        the_report_is_in_its_place(desk, first)
        files_are_taken_away(desk, first, tmp_path)
        page = desk.open(f"/ui/jobs/{second}")
        expect(page.locator("#head")).to_contain_text("succeeded", timeout=PATIENCE)
        jobs_are_compared(desk)
        a_job_is_cancelled(desk, submit(desk, "third", "3"))
        sign_in(phone, key)
        for name, path in PLACES.items():
            phone.open(path.format(job=first))
            phone.page.wait_for_load_state("networkidle")
            phone.judge(f"phone-{name}")
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
    "specification": "/ui/jobs/{job}/specification",
    "compare": "/ui/compare?job={job}",
    "sweeps": "/ui/sweeps",
    "datasets": "/ui/datasets",
    "dataset": "/ui/datasets/digits",
    "teachers": "/ui/teachers",
    "workers": "/ui/workers",
}


def the_form_names_what_is_wrong_at_its_field(desk: Visitor) -> None:
    page = desk.open("/ui/jobs/new")
    page.get_by_label("Data set (target)").select_option("digits")
    page.get_by_label("Freeze depth", exact=True).fill("99")
    expect(
        page.locator(".field", has=page.get_by_label("Freeze depth", exact=True)).locator(".fault")
    ).to_contain_text("allowed", timeout=PATIENCE)
    desk.judge("form")


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
    expect(page.locator("#head")).to_contain_text(re.compile("cancelled|succeeded"), timeout=PATIENCE)
    page = desk.open("/ui/jobs")
    desk.judge("jobs")
