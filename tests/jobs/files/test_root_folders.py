"""Folders of the server: only below those that are open, and a change of any file of theirs is seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import SpecError
from cartl_core.spec.resources.dataset import NewDataset
from jobs.errors import DatasetNotReady
from jobs.files.root_folders import allowed_root, stamp_of
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET
from jobs.store.resources.receiving import Folder, announce
from jobs.store.resources.record import apply_result, dataset_of
from jobs.tables import Dataset
from tests.factories import found_dataset
from worker.host.folder_watch import FolderWatch

MOST = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name in ("cats/1.png", "dogs/1.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"image")
    return folder


def write(root: Path) -> None:
    (root / "cats" / "2.png").write_bytes(b"image")


def overwrite(root: Path) -> None:
    (root / "cats" / "1.png").write_bytes(b"other")
    os.utime(root / "cats" / "1.png", ns=(1, 1))


def remove(root: Path) -> None:
    (root / "dogs" / "1.png").unlink()


def rename(root: Path) -> None:
    (root / "dogs").rename(root / "wolves")


def link(root: Path) -> None:
    (root / "birds").symlink_to(root / "cats")


@pytest.mark.parametrize("change", [write, overwrite, remove, rename, link])
def test_any_change_of_a_file_changes_the_stamp(root: Path, change: Callable[[Path], None]) -> None:
    before = stamp_of(root, MOST)
    assert stamp_of(root, MOST) == before
    change(root)
    assert stamp_of(root, MOST) != before


def test_hidden_files_and_what_lies_behind_links_do_not_count(root: Path, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (root / "birds").symlink_to(tmp_path / "else")
    before = stamp_of(root, MOST)
    (root / "cats" / ".DS_Store").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "x").write_bytes(b"x")
    (tmp_path / "else" / "1.png").write_bytes(b"image")
    assert stamp_of(root, MOST) == before


def test_too_many_files_are_not_listed_to_their_end(root: Path) -> None:
    assert stamp_of(root, 4)
    with pytest.raises(SpecError, match="at most 3"):
        stamp_of(root, 3)


def test_names_that_are_no_text_are_stamped(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/cats/\xff.png")).write_bytes(b"image")
    assert stamp_of(root, MOST)


def test_no_folder_may_be_named_where_none_is_open(root: Path) -> None:
    with pytest.raises(SpecError, match="CARTL_DATA_ROOTS is empty"):
        allowed_root(Settings(), str(root))


def test_a_folder_that_changed_is_refused_to_jobs_and_marked_by_maintenance(
    root: Path, settings: Settings, factory: sessionmaker[Session]
) -> None:
    with factory.begin() as session:
        folder = Folder(str(root), stamp_of(root, MOST))
        row, _ = announce(session, settings, DATASET, "ann", NewDataset(name="a", root=str(root)), folder)
        found = {"state": "ready", "found": found_dataset().model_dump(mode="json")}
        assert apply_result(session, "check_dataset", row.id, found)
    now = 0.0
    watch = FolderWatch(seconds=10.0, clock=lambda: now)
    due = watch.due(factory)
    assert due is not None and due.id == row.id and watch.due(factory) is None
    with factory() as session:
        assert dataset_of(session, "ann", "a").id == row.id
    write(root)
    with factory() as session, pytest.raises(DatasetNotReady, match="has changed"):
        dataset_of(session, "ann", "a")
    now = 10.0
    due = watch.due(factory)
    assert due is not None
    watch.mark(factory, due)
    with factory() as session:
        assert session.get_one(Dataset, row.id).state == "changed"
    now = 20.0
    assert watch.due(factory) is None
