"""``python -m cartl_core check-dataset``: files, lines on stdout, exit codes."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

from cartl_core.__main__ import main
from cartl_core.data.incoming import check
from cartl_core.data.incoming.collect import Collection
from cartl_core.data.packed import Pack
from cartl_core.events import Progress
from cartl_core.spec.resources.dataset import DatasetCheckResult
from tests.core.data.incoming.contents import ORDER, pets, write_folder, zipped


def run_check(tmp_path: Path, *source: str) -> int:
    (tmp_path / "order.json").write_text(ORDER.model_dump_json())
    out = str(tmp_path / "out")
    return main(["check-dataset", "--order", str(tmp_path / "order.json"), *source, "--out", out])


def result(tmp_path: Path) -> DatasetCheckResult:
    return DatasetCheckResult.model_validate_json((tmp_path / "out" / "result.json").read_bytes())


def test_a_good_content_leaves_a_pack_and_a_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "content").write_bytes(zipped(pets()))
    assert run_check(tmp_path, "--content", str(tmp_path / "content")) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pack", "result.json"]
    assert result(tmp_path).found == Pack.open(tmp_path / "out" / "pack").found
    told = [Progress.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert {event.label for event in told} == {"data set pets"}
    assert told[-1].fraction == 1.0


def test_a_rejection_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"nothing")
    assert run_check(tmp_path, "--content", str(tmp_path / "content")) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.json"]
    assert (result(tmp_path).state, result(tmp_path).reason) == ("rejected", "unreadable")


def test_a_folder_is_registered(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "root", pets())
    assert run_check(tmp_path, "--root", str(root)) == 0
    assert (tmp_path / "out" / "pack" / "paths.json").exists()


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        (["--content", "absent"], 1, "the data set cannot be checked: No such file or directory"),
        (["--root", "absent"], 1, "the data set cannot be checked: No such file or directory"),
        (["--content", "."], 2, "content: "),
        (["--root", "order.json"], 2, "root: order.json is no folder"),
    ],
)
def test_trouble_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_check(tmp_path, *source) == code
    said = capsys.readouterr().err
    assert said.startswith(says)
    assert said.count("\n") == 1


def test_a_full_disk_is_trouble_of_the_machine_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Collection, "_write", full)
    (tmp_path / "content").write_bytes(zipped(pets()))
    assert run_check(tmp_path, "--content", str(tmp_path / "content")) == 1
    assert list((tmp_path / "out").iterdir()) == []
    assert "no space is left" in capsys.readouterr().err


def test_a_signal_ends_the_check_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(check, "REPORT_SECONDS", 0.0)
    add = Collection.add

    def stopped(*arguments: Any) -> None:
        add(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Collection, "add", stopped)
    (tmp_path / "content").write_bytes(zipped(pets()))
    assert run_check(tmp_path, "--content", str(tmp_path / "content")) == 3
    assert list((tmp_path / "out").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ('{"name": "pets", "test_fraction": 7}', "test_fraction: "),
        ('{"name": "My Pets"}', "name: "),
        ('{"name": "pets", "limits": {"classes": 1}}', "limits.classes: "),
        ("{", "order: order.json cannot be read as JSON"),
    ],
)
def test_an_order_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], order: str, says: str
) -> None:
    (tmp_path / "order.json").write_text(order)
    arguments = ["--order", str(tmp_path / "order.json"), "--content", "x", "--out", str(tmp_path)]
    assert main(["check-dataset", *arguments]) == 2
    assert capsys.readouterr().err.startswith(says)
