"""`cartl doctor`: a row for each thing, with what to do about it; it works without a service, too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.doctor import deployment, machine
from cartl.doctor.examine import examine
from cartl.doctor.finding import Finding, Status
from cartl.doctor.place import Place
from cartl.doctor.service import service as look_at_service
from cartl.main import app
from cartl.serving.programs import Done, Program
from cartl.serving.up import free_port
from cartl_core.__main__ import main as library

CPU = {"device": "cpu", "device_name": "a processor", "torch": "2"}
MACHINE = {"runtime": CPU, "trouble": None, "memory_bytes": None, "datasets": {"digits": True, "svhn": False}}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Done]:
    """What the other programs say, by their first argument."""
    said = {
        "machine": Done(0, ["a warning", json.dumps(MACHINE)]),
        "check": Done(0, ["database: at migration 0016", "broker: answers"]),
    }
    monkeypatch.setattr(Program, "run", lambda self, arguments, **how: said[arguments[0]])
    return said


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "cartl.sqlite3").touch()
    return Place(tmp_path, {})


def rows(place: Place, url: str, *, named: bool = False) -> dict[str, Finding]:
    return {one.what: one for one in examine(place, url, None, named=named)}


def test_without_a_service_all_else_is_looked_at(programs: dict[str, Done], place: Place) -> None:
    found = rows(place, f"http://127.0.0.1:{free_port()}")
    assert found["database"].found == "at migration 0016" and found["broker"].found == "answers"
    assert "a processor" in found["device"].found
    assert "digits; not svhn" in found["data"].found and "cartl fetch" in found["data"].to_do
    assert found["service"].status is Status.NOTE and "cartl up" in found["service"].to_do
    assert {one.status for one in found.values()} <= {Status.OK, Status.NOTE}


def test_a_service_that_was_named_and_does_not_answer_is_a_failure(
    programs: dict[str, Done], place: Place
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert rows(place, url, named=True)["service"].status is Status.FAILED
    typed = ["doctor", "--data-dir", str(place.data_dir), "--url", url]
    done = CliRunner().invoke(app, [*typed, "--json"])
    assert done.exit_code == 1
    assert {"what", "status", "found", "to_do"} == set(json.loads(done.stdout)[0])
    quiet = CliRunner().invoke(app, [*typed, "--quiet"])
    assert quiet.stdout.startswith("service: ") and len(quiet.stdout.splitlines()) == 1
    shown = CliRunner().invoke(app, typed).stdout
    assert "what to do" in shown and "failed" in shown


@pytest.mark.parametrize(
    ("what", "said", "row", "status"),
    [
        ("check", Done(1, ["database: it is at 0001"]), "database", Status.FAILED),
        ("check", Done(1, ["Traceback", "OperationalError: no"]), "database", Status.FAILED),
        ("check", Done(0, ["database: ok", "broker: does not answer"]), "broker", Status.NOTE),
        ("machine", Done(1, ["ImportError: libcudart"]), "device", Status.FAILED),
        ("machine", Done(0, []), "device", Status.FAILED),
        ("machine", Done(0, ['{"runtime": 3}']), "device", Status.FAILED),
        (
            "machine",
            Done(0, [json.dumps({**MACHINE, "trouble": "no kernel image"})]),
            "device",
            Status.FAILED,
        ),
        (
            "machine",
            Done(0, [json.dumps({**MACHINE, "runtime": {**CPU, "device": "cuda"}, "memory_bytes": 10**10})]),
            "device",
            Status.OK,
        ),
    ],
)
def test_what_another_program_says_becomes_a_row(
    programs: dict[str, Done], place: Place, what: str, said: Done, row: str, status: Status
) -> None:
    programs[what] = said
    looks = [*deployment.database_and_broker(place), *machine.device_and_data(place)]
    (found,) = [one for one in looks if one.what == row]
    assert found.status is status
    assert found.to_do or status is Status.OK


def test_before_the_first_start_there_is_no_database(programs: dict[str, Done], tmp_path: Path) -> None:
    (found,) = deployment.database_and_broker(Place(tmp_path / "new", {}))
    assert found.status is Status.NOTE and "cartl up" in found.to_do


@pytest.mark.parametrize(("free", "status"), [(10**6, "failed"), (10**9, "note"), (10**11, "ok")])
def test_a_disk_with_little_room(
    place: Place, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    (found,) = machine.disks(place)
    assert found.status == status and ("cartl prune" in found.to_do) is (status != "ok")


def test_what_is_missing_is_a_note_since_a_service_elsewhere_needs_it_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "missing", lambda extras: dict.fromkeys(extras, ("torch",)))
    found = {one.what: one for one in machine.versions()}
    assert found["extra worker"].status is Status.NOTE
    assert "pip install 'cartl[worker]'" in found["extra worker"].to_do


@pytest.mark.parametrize(
    ("ready", "listed", "expected"),
    [
        ((200, {"status": "ready"}), (200, {"data": []}), {"service": "ok", "key": "ok"}),
        (
            (200, {"status": "degraded", "message": "little room"}),
            (401, {"title": "No key"}),
            {"service": "note", "key": "failed"},
        ),
        ((503, {"title": "Not ready"}), (200, {}), {"service": "failed"}),
        ((200, "<html>"), (200, {}), {"service": "failed"}),
    ],
)
def test_what_the_service_says(service: Any, answer: Any, ready: Any, listed: Any, expected: Any) -> None:
    service.reply = lambda asked: answer(*(ready if asked.path == "/readyz" else listed))
    found = list(look_at_service(service.url, None, named=True))
    assert {one.what: str(one.status) for one in found} == expected
    assert all(one.to_do for one in found if one.status is not Status.OK)


def test_the_library_says_what_this_machine_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert library(["machine", "--data-root", str(tmp_path)]) == 0
    told = machine.Machine.model_validate_json(capsys.readouterr().out)
    assert told.trouble is None and told.runtime.device_name
    assert told.datasets["digits"] and not told.datasets["svhn"]
