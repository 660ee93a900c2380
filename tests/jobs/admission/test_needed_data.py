"""What a job is told of its data before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.catalog.data_files import IDX_FILES
from jobs.admission import needed_data as module
from jobs.admission.needed_data import NeededData, needed_data
from jobs.settings import Settings
from tests.factories import make_spec

TWO_FIELDS: dict[str, Any] = {"dataset": "digits", "freeze_depth": 3}
COMMAND = "python -m cartl_core fetch mnist --data-root DIR"


def needs(folder: Path, download: bool = True, **request: Any) -> tuple[NeededData, ...]:
    module._looked.cache_clear()
    settings = Settings(data_dir=folder, download=download)
    return needed_data(make_spec(TWO_FIELDS, **request).model_dump(mode="json"), settings)


def test_the_source_that_nobody_named_is_told_of(tmp_path: Path) -> None:
    source, target = needs(tmp_path)
    host = "ossci-datasets.s3.amazonaws.com"
    assert source == NeededData("source", "mnist", "download", 11_594_722, host, COMMAND)
    assert target == NeededData("dataset", "digits", "present")


def test_where_nothing_is_downloaded_it_is_missing_with_what_fetches_it(tmp_path: Path) -> None:
    assert needs(tmp_path, download=False)[0] == NeededData("source", "mnist", "missing", command=COMMAND)


def test_files_that_are_there_are_present(tmp_path: Path) -> None:
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for name in IDX_FILES:
        (tmp_path / "data" / "mnist" / name).touch()
    assert [one.state for one in needs(tmp_path, download=False)] == ["present", "present"]


@pytest.mark.parametrize("there", [None, False])
def test_further_test_sets_and_readers_that_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool | None
) -> None:
    monkeypatch.setattr(module, "is_present", lambda name, root: there)
    spec = {"dataset": "mnist", "further": [{"dataset": {"name": "svhn"}}, {"dataset": {"name": "cats"}}]}
    module._looked.cache_clear()
    found = needed_data(spec, Settings(data_dir=tmp_path))
    assert [one.field for one in found] == ["dataset", "further.0.dataset", "further.1.dataset"]
    state = "unknown" if there is None else "download"
    assert [one.state for one in found] == [state, state, "present"]
