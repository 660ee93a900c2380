"""What is damaged or made to harm: each kind has its reason, leaves nothing, and costs little."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from cartl_core.data.incoming import check_dataset
from tests.core.data.incoming.contents import ORDER, Case, pets, zipped
from tests.core.data.incoming.hostile_arrays import ARRAYS
from tests.core.data.incoming.hostile_images import IMAGES, of_shared_tags
from tests.core.data.incoming.hostile_tars import TARS
from tests.core.data.incoming.hostile_zips import ZIPS

CPU_SECONDS = 10.0
"""Of one check: each takes parts of a second."""
MEMORY = 200 * 2**20
"""Bytes by which the process may grow: limits allow an image of 250,000 pixels."""

REJECTED = {
    f"{kind}: {name}": case
    for kind, cases in {"zip": ZIPS, "tar": TARS, "npz": ARRAYS}.items()
    for name, case in cases.items()
}
SKIPPED = {f"image: {name}": case for name, case in IMAGES.items()}
LEAST_KINDS = 60


def entries(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", [*REJECTED, *SKIPPED])
def test_a_hostile_content_or_file_has_its_reason_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    case = REJECTED[name] if name in REJECTED else SKIPPED[name]
    content = tmp_path / "content"
    content.write_bytes(case.content() if name in REJECTED else among_good_ones(case))
    (tmp_path / "out").mkdir()
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = check_dataset(ORDER, content, tmp_path / "out")
    assert time.process_time() - before < CPU_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < MEMORY
    if name in REJECTED:
        assert (result.state, result.reason, result.found) == ("rejected", case.reason, None), result
        assert result.message is not None
        assert case.says in result.message
        assert str(tmp_path) not in result.message
        assert entries(tmp_path) == ["content", "out"]
    else:
        assert result.found is not None, result
        report = result.found.report
        assert report.skipped_by_reason == {case.reason: 1}
        assert [file.path for file in report.skipped] == ["cat/bad.png"]
        assert (report.files, report.taken) == (25, 24)
        assert entries(tmp_path) == ["content", "out", "out/pack"] + [
            f"out/pack/{file}" for file in ("found.json", "images.u8", "index.npz", "samples.png")
        ]


def among_good_ones(case: Case) -> bytes:
    return zipped(pets() | {"cat/bad.png": case.content()})


def test_tags_that_share_bytes_are_not_kept_once_for_each(tmp_path: Path) -> None:
    """Two gigabytes, by a file of half a megabyte."""
    content = of_shared_tags(tags=4000, size=500_000)
    assert len(content) < 2**20
    (tmp_path / "content").write_bytes(zipped(pets() | {"cat/x.tif": content}))
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = check_dataset(ORDER, tmp_path / "content", tmp_path / "out")
    assert result.found is not None
    assert result.found.report.taken == 25
    assert time.process_time() - before < CPU_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < MEMORY


def test_there_are_enough_kinds() -> None:
    assert len(REJECTED) + len(SKIPPED) >= LEAST_KINDS


@pytest.mark.parametrize("name", SKIPPED)
def test_a_content_of_nothing_but_such_images_is_rejected(tmp_path: Path, name: str) -> None:
    content = tmp_path / "content"
    content.write_bytes(zipped({f"{kind}/bad.png": SKIPPED[name].content() for kind in ("cat", "dog")}))
    result = check_dataset(ORDER, content, tmp_path / "out")
    assert result.reason == "unreadable"
    assert result.message is not None
    assert "2 of 2 image files cannot be used, e.g. 'cat/bad.png' is" in result.message
    assert entries(tmp_path / "out") == []
