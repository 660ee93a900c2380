"""Pages: every one in every state of a job, for its owner alone, with a stranger's text as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import EpochFinished, Progress, RuntimeResolved, StageFinished, StageStarted
from jobs import store
from jobs.devices import ONE_CPU, Slot
from jobs.settings import Settings
from tests.api.conftest import Worker, local_client
from tests.api.resources import accept_dataset, announce, send
from tests.factories import make_runtime, submit_job

PAGES = ("", "/robustness", "/report", "/files", "/log", "/specification")
HTML = {"Accept": "text/html"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    with local_client(settings, follow_redirects=False) as client:
        client.headers.update(HTML)
        yield client


def begun(worker: Worker) -> None:
    worker.tell(
        worker.claim(),
        StageStarted(stage="pretrain", label="teacher (at)", digest="d" * 64, resumed_at=None),
        EpochFinished(
            stage="pretrain", label="teacher (at)", digest="d" * 64, epoch=1, epochs=2, metrics={"loss": 1.5}
        ),
        Progress(stage="pretrain", label="teacher (at)", fraction=0.25, seconds_left=90.0),
        StageFinished(stage="pretrain", label="teacher (at)", digest="d" * 64, seconds=3.0, reused=False),
    )


def test_an_empty_service_says_what_to_do(browser: TestClient) -> None:
    assert "You have no jobs yet." in browser.get("/ui/jobs").text
    assert "No worker is running" in browser.get("/ui/jobs").text
    assert "You have no sweeps yet." in browser.get("/ui/sweeps").text
    assert "No worker has been heard of." in browser.get("/ui/workers").text
    assert "No job is chosen." in browser.get("/ui/compare").text


def test_every_page_of_a_job_in_every_state(
    browser: TestClient, worker: Worker, factory: sessionmaker[Session]
) -> None:
    queued, running = submit_job(factory, "local"), ""
    for job_id in (queued,):
        for page in PAGES:
            assert browser.get(f"/ui/jobs/{job_id}{page}").status_code == 200
    assert "Waits for a worker: none is running." in browser.get(f"/ui/jobs/{queued}").text
    begun(worker)
    running = browser.get(f"/ui/jobs/{queued}").text
    assert "25 %" in running
    assert "1 min 30 s left" in running
    assert "epoch 1 of 2" in running
    assert "done in 3 s" in running
    for page in PAGES:
        assert browser.get(f"/ui/jobs/{queued}{page}").status_code == 200
    claim_of = submit_job(factory, "local")
    worker.fail(worker.claim(), "loss_not_finite", "the loss is nan; try a lower learning rate")
    failed = browser.get(f"/ui/jobs/{claim_of}").text
    assert "try a lower learning rate" in failed
    assert f'data-post="/jobs/{claim_of}/retry"' in failed


def test_names_of_strangers_are_text(browser: TestClient, small: dict[str, Any]) -> None:
    made = browser.post("/jobs", json=small | {"name": HOSTILE}).json()["id"]
    for path in ("/ui/jobs", f"/ui/jobs/{made}", f"/ui/jobs/new?from={made}", f"/ui/compare?job={made}"):
        tags = Tags(browser.get(path).text).found
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert all("src" in one or one.get("type") == "application/json" for one in scripts), path
        assert not any(name.startswith("on") or name == "style" for _, one in tags for name in one), path
        assert not any(tag == "img" for tag, _ in tags)


def test_jobs_of_others_have_no_page(
    settings: Settings, new_key: Callable[..., dict[str, str]], factory: sessionmaker[Session]
) -> None:
    theirs = submit_job(factory, "bob")
    headers = new_key("ada") | HTML
    with local_client(settings, follow_redirects=False) as client:
        for page in PAGES:
            answer = client.get(f"/ui/jobs/{theirs}{page}", headers=headers)
            assert (answer.status_code, "There is nothing here" in answer.text) == (404, True), page
        assert theirs not in client.get(f"/ui/compare?job={theirs}", headers=headers).text
        assert theirs not in client.get("/ui/jobs", headers=headers).text
        assert client.get(f"/ui/jobs/new?from={theirs}", headers=headers).status_code == 200


def test_pages_load_nothing_from_elsewhere_and_run_only_our_scripts(
    browser: TestClient, factory: sessionmaker[Session]
) -> None:
    job_id = submit_job(factory, "local")
    for path in ("/ui/jobs", "/ui/jobs/new", f"/ui/jobs/{job_id}", "/ui/workers", "/ui/sign-in"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag, attributes in Tags(answer.text).found:
            for name in ("src", "href", "action"):
                target = attributes.get(name) or "/"
                assert target.startswith(("/", "#", "data:,")), (path, tag, target)


def test_a_page_that_has_not_changed_is_not_sent_again(
    browser: TestClient, worker: Worker, factory: sessionmaker[Session]
) -> None:
    job_id = submit_job(factory, "local")
    first = browser.get(f"/ui/jobs/{job_id}")
    again = browser.get(f"/ui/jobs/{job_id}", headers={"X-Live": first.headers["x-live"]})
    assert (again.status_code, again.content) == (204, b"")
    begun(worker)
    changed = browser.get(f"/ui/jobs/{job_id}", headers={"X-Live": first.headers["x-live"]})
    assert (changed.status_code, changed.headers["x-live"] != first.headers["x-live"]) == (200, True)


@pytest.mark.parametrize(
    "query", ["state=no", "method=%00", "tag=%3Cscript%3E", "cursor=zzz", "shared=true", "state=running"]
)
def test_filters_that_mean_nothing_filter_nothing(browser: TestClient, query: str) -> None:
    assert browser.get(f"/ui/jobs?{query}").status_code in (200, 422)


def test_the_form_begins_with_the_request_of_a_job(browser: TestClient, small: dict[str, Any]) -> None:
    asked = small | {
        "seed": 7,
        "transfer": {"lr": 0.5},
        "baselines": [{"method": "vanilla", "freeze_depth": 1}],
    }
    made = browser.post("/jobs", json=asked).json()["id"]
    text = browser.get(f"/ui/jobs/new?from={made}").text
    inputs = {
        one["data-path"]: one.get("value")
        for tag, one in Tags(text).found
        if tag == "input" and "data-path" in one
    }
    assert inputs["seed"] == "7"
    assert inputs["transfer.lr"] == "0.5"
    start = text.index('id="more"')
    more = text[text.index(">", start) + 1 : text.index("</textarea>", start)]
    left = {"baselines": asked["baselines"], "exports": asked["exports"]}
    assert json.loads(more.replace("&#34;", '"')) == left


def test_a_browser_that_asks_for_the_service_gets_pages_and_a_program_json(
    browser: TestClient, small: dict[str, Any]
) -> None:
    job_id = browser.post("/jobs", json=small).json()["id"]
    for path in ("/", "/jobs", f"/jobs/{job_id}"):
        sent = browser.get(path, headers={"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"})
        assert (sent.status_code, sent.headers["location"].startswith("/ui/jobs")) == (303, True), path
        assert browser.get(path, headers={"Accept": "*/*"}).json()
        assert browser.get(path, headers={"Accept": "application/json"}).json()


def test_samples_are_a_picture_of_the_pack_for_those_who_may_see_it(
    browser: TestClient, settings: Settings, factory: sessionmaker[Session]
) -> None:
    path = announce(browser, "datasets")
    send(browser, path)
    accept_dataset(factory, path)
    assert browser.get(f"{path}/samples").status_code == 404
    assert "Some training images" not in browser.get(f"/ui{path}").text
    pack = settings.artifacts_dir / path.lstrip("/") / "pack"
    pack.mkdir()
    (pack / "samples.png").write_bytes(b"\x89PNG")
    answer = browser.get(f"{path}/samples")
    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    tag = {"If-None-Match": answer.headers["etag"]}
    assert browser.get(f"{path}/samples", headers=tag).status_code == 304
    assert f'href="{path}/samples"' in browser.get(f"/ui{path}").text
    assert browser.get("/datasets/digits/samples").status_code == 404


def test_workers_are_shown_with_what_they_do_and_what_jobs_ran_on(
    browser: TestClient, worker: Worker, factory: sessionmaker[Session]
) -> None:
    for commit, precision in (("a", "fp32"), ("b", "bf16")):
        submit_job(factory, "local")
        claim = worker.claim()
        runtime = make_runtime(device_name="A card of ours", commit=commit * 40, attack_precision=precision)
        worker.tell(claim, RuntimeResolved(runtime=runtime))
    with factory.begin() as session:
        store.worker_started(
            session, worker_id=claim.worker_id, host="host", pid=1, slots=(Slot(0, ONE_CPU[0]),), version="1"
        )
    page = browser.get("/ui/workers").text
    for words in ("cpu:0", "free", "A card of ours", "host"):
        assert words in page
    assert page.count("A card of ours") == 1, "whichever commit computed on it, however attacks began"


def test_jobs_are_filtered_by_their_data(browser: TestClient, factory: sessionmaker[Session]) -> None:
    job_id = submit_job(factory, "local")
    assert job_id in browser.get("/ui/jobs?dataset=digits").text
    assert job_id not in browser.get("/ui/jobs?dataset=mnist").text
