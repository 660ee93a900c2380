"""Both clients against the real application: jobs are moved along by the record, as workers do it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from cartl import AsyncClient, Client, FileDamaged, JobUnfinished, NotUsable, ServiceError, compare
from cartl_core.spec import JobRequest
from jobs.store import Claim
from tests.cartl.library.record_worker import Worker
from tests.factories import SMALL
from tests.fixtures.reports import full_report

REQUESTS = {
    "mapping": lambda client: client.submit(SMALL),
    "fields": lambda client: client.submit(**SMALL),
    "both": lambda client: client.submit({**SMALL, "seed": 1}, seed=0),
    "request": lambda client: client.submit(JobRequest.model_validate(SMALL)),
}


@pytest.mark.parametrize("how", REQUESTS)
def test_a_job_is_submitted_in_every_way_that_a_request_is_written(client: Client, how: str) -> None:
    job = REQUESTS[how](client)
    assert (job.state, job.job.queue_position) == ("queued", 1)
    assert job.job.spec["seed"] == 0 and job.job.spec["model"]["name"] == "tiny"
    assert job.estimate is not None and (job.estimate.seconds or 0) >= 0
    assert client.job(job.id).job == job.job


def test_one_key_makes_one_job(client: Client) -> None:
    first, again = (client.submit(SMALL, idempotency_key="mine") for _ in range(2))
    assert first.id == again.id
    assert [job.id for job in client.jobs(state="queued")] == [first.id]
    assert client.submit(SMALL).id != first.id


def test_an_estimate_stores_nothing(client: Client) -> None:
    assert client.estimate(SMALL).disk_bytes is not None
    assert list(client.jobs()) == []


def test_jobs_come_page_by_page(client: Client) -> None:
    made = [client.submit(SMALL).id for _ in range(3)]
    assert [job.id for job in client.jobs(limit=2)] == made[::-1]


def test_what_is_wrong_is_named(client: Client) -> None:
    with pytest.raises(ServiceError, match="freeze_depth") as caught:
        client.submit(SMALL, freeze_depth=99)
    assert caught.value.status == 422


@pytest.mark.parametrize("fields", [{"seed": float("nan")}, {"seed": {1}}, {"name": "\ud800"}])
def test_what_json_cannot_say_is_refused_before_anybody_is_asked(
    client: Client, fields: dict[str, Any]
) -> None:
    with pytest.raises(NotUsable):
        client.submit(SMALL, **fields)


@pytest.mark.parametrize("key", [" ", "a b", "a\n", "\u00e4", "x" * 256])
def test_an_idempotency_key_that_no_header_holds_is_refused(client: Client, key: str) -> None:
    with pytest.raises(NotUsable, match="1 to 255 printable"):
        client.submit(SMALL, idempotency_key=key)


def test_waiting_ends_with_the_job(client: Client, worker: Worker, time: Any) -> None:
    job = client.submit(SMALL)
    story = iter([worker.claim, None, worker.complete])
    claims: list[Claim] = []

    def go_on() -> None:
        step = next(story)
        if step == worker.claim:
            claims.append(worker.claim())
        elif step:
            worker.complete(claims[0])

    time.while_asleep = go_on
    assert job.wait(progress=True) is job
    assert (job.state, time.slept) == ("succeeded", [1.0, 1.0, 1.0])


def test_waiting_has_an_end_of_its_own(client: Client, time: Any) -> None:
    job = client.submit(SMALL)
    with pytest.raises(JobUnfinished, match="queued after 5 seconds"):
        job.wait(timeout=5)
    assert time.slept == [1.0] * 5


def test_cancel_and_retry(client: Client) -> None:
    job = client.submit(SMALL)
    assert job.cancel().state == "cancelled"
    assert job.retry().state == "queued"
    with pytest.raises(ServiceError, match="state"):
        job.retry()


def test_a_job_that_failed_says_why(client: Client, worker: Worker) -> None:
    job = client.submit(SMALL)
    worker.fail(worker.claim())
    assert job.wait().state == "failed"
    assert (job.job.reason, job.job.message) == ("out_of_memory", "it was too large")


def test_events_come_in_order_until_the_end(client: Client, worker: Worker, time: Any) -> None:
    job = client.submit(SMALL)
    claim = worker.claim()
    there = list(job.events(follow=False))
    assert [event.number for event in there] == list(range(1, len(there) + 1))
    time.while_asleep = lambda: worker.complete(claim)
    rest = list(job.events(after=there[-1].number))
    assert rest[0].number == there[-1].number + 1
    assert list(job.events()) == [*there, *rest]
    assert time.slept == [1.0]


def test_the_report_is_typed_and_has_its_sentences(client: Client, worker: Worker) -> None:
    job = client.submit(SMALL, name="mine")
    assert (job.report().complete, job.report().headline, job.report().rows) == (False, None, ())
    worker.report(worker.claim())
    report, expected = job.report(), full_report()
    assert report.student == expected.student and report.spec == expected.spec
    assert report.warnings == expected.warnings
    assert report.headline == job.report_json()["text"]["headline"] is not None
    assert report.text.warnings and job.report_markdown().startswith("# Robustness report")
    assert [row.robust for row in report.rows] == [
        arm.figures and arm.figures.worst_case for arm in (expected.student, *expected.baselines) if arm
    ]


@pytest.fixture
def files() -> dict[str, bytes]:
    return {"report.md": b"# text\n", "student.safetensors": bytes(range(256)) * 5000}


def test_files_are_downloaded_whole(
    client: Client, worker: Worker, files: dict[str, bytes], tmp_path: Path
) -> None:
    job = client.submit(SMALL)
    claim = worker.claim()
    for name, content in files.items():
        worker.write(claim, name, content)
    to = tmp_path / "new" / "folder"
    (one,) = job.download("report.md", to=to)
    assert (one, one.read_bytes()) == (to / "report.md", files["report.md"])
    written = job.download("all", to=str(to))
    assert {path.name: path.read_bytes() for path in written} == files
    assert {path.name for path in to.iterdir()} == files.keys()
    (to / "report.md").write_text("mine")
    with pytest.raises(NotUsable, match="is another file"):
        job.download("report.md", to=to)
    assert (to / "report.md").read_text() == "mine"
    with pytest.raises(NotUsable, match=r"there are: .*report\.md"):
        job.download("other", to=to)


def test_all_of_it_with_await(
    awaited: Any, worker: Worker, files: dict[str, bytes], tmp_path: Path, time: Any
) -> None:
    async def use(client: AsyncClient) -> None:
        assert (await client.estimate(SMALL)).seconds is not None
        job = await client.submit(SMALL, idempotency_key="mine")
        assert (await client.submit(SMALL, idempotency_key="mine")).id == job.id
        assert [one.id async for one in client.jobs(limit=1)] == [job.id]
        assert (await (await client.job(job.id)).refresh()).state == "queued"
        assert (await (await job.cancel()).retry()).state == "queued"
        claim = worker.claim()
        for name, content in files.items():
            worker.write(claim, name, content)
        worker.report(claim)
        time.while_asleep = lambda: worker.complete(claim)
        assert (await job.wait(timeout=60)).state == "succeeded"
        events = [event async for event in job.events()]
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        report = await job.report()
        assert report.headline == (await job.report_json())["text"]["headline"]
        assert (await job.report_markdown()).startswith("# Robustness report")
        assert compare([report]).rows == report.rows[:1]
        paths = await job.download(to=tmp_path)
        assert {path.name: path.read_bytes() for path in paths} == files
        assert job.id in repr(job) and job.id in job._repr_html_()

    awaited(use)


def test_a_network_is_uploaded_and_measured(client: Client, worker: Worker, tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(NotUsable, match="cannot be read"):
        client.evaluate(missing, "digits")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no network")
    with pytest.raises(ServiceError):
        client.evaluate(str(bad), "digits")
    with pytest.raises(ServiceError, match=r"network"):
        client.evaluate(client.submit(SMALL).id, "digits", seed=1)


SWEEP = {"method": ["vanilla", "cartl"], "seed": [0, 1]}
BASE = {name: value for name, value in SMALL.items() if name != "method"}


def test_a_sweep_has_a_table(client: Client, time: Any) -> None:
    sweep = client.sweep(BASE, SWEEP, name="which")
    assert (sweep.states["queued"], sweep.sweep.name) == (4, "which")
    assert [row.setting.method for row in sweep.table().rows] == ["vanilla", "cartl"]
    seen: list[int] = []
    time.while_asleep = lambda: sweep.cancel()
    assert sweep.wait(show=lambda found: seen.append(found.states["queued"])).sweep.ended
    assert seen == [4, 0]
    assert client.open_sweep(sweep.id).states == sweep.states
    assert "cartl" in sweep._repr_html_() and sweep.id in repr(sweep)


def test_a_sweep_with_await(awaited: Any) -> None:
    async def use(client: AsyncClient) -> None:
        sweep = await client.sweep(JobRequest.model_validate(BASE), SWEEP)
        assert len((await sweep.table()).rows) == 2
        assert (await sweep.cancel()).states["cancelled"] == 4
        assert (await (await client.open_sweep(sweep.id)).wait()).sweep.ended

    awaited(use)


DAMAGED: dict[str, bytes] = {"other": b"# Text\n", "longer": b"# text\n" * 9, "shorter": b"# t"}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_file_that_is_not_as_it_was_written_is_not_stored(
    kind: str, scripted: Any, script: Any, tmp_path: Path, how: str
) -> None:
    content = b"# text\n"
    file = {"name": "report.md", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    told = script((200, {"id": "j", "state": "succeeded"}), (200, {"data": [file]}), (200, DAMAGED[how]))
    with pytest.raises(FileDamaged):
        _download(scripted, kind, told, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", ".hidden", "", "x\x00", "C:\\x"])
def test_a_file_cannot_leave_its_folder(
    kind: str, scripted: Any, script: Any, tmp_path: Path, name: str
) -> None:
    file = {"name": name, "size": 1, "sha256": "0" * 64}
    told = script((200, {"id": "j", "state": "succeeded"}), (200, {"data": [file]}), (200, b"x"))
    with pytest.raises(ServiceError, match=r"unexpected in data\.0\.name"):
        _download(scripted, kind, told, tmp_path)
    assert len(told.asked) == 2


def _download(scripted: Any, kind: str, told: Any, folder: Path) -> Any:
    return scripted.use(kind, told, "download", to=folder)
