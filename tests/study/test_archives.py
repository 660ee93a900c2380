from __future__ import annotations

from pathlib import Path

import numpy as np

from cartl_core.data import load
from cartl_core.data.loading import read
from cartl_core.data.sources import FINDERS
from cartl_core.spec import DataSpec, ModelSpec
from study import archives


def test_a_packed_data_set_is_the_same_data_set(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    asked = DataSpec(name="digits", train_limit=100)
    model = ModelSpec(name="tiny", image_size=8, channels=1)
    plain = load(asked, model, data_root=tmp_path, seed=3)
    archive = read("digits", tmp_path)
    path = tmp_path / "packed" / "digits.npz"
    archives.pack(archive, path)
    assert list(path.parent.iterdir()) == [path]
    again = archives.unpack(path)
    assert np.array_equal(again.test.images, archive.test.images)
    assert (again.train.digests, again.test.digests) == (archive.train.digests, archive.test.digests)
    # From another root, so that nothing is remembered.
    monkeypatch.setitem(FINDERS, "digits", (lambda facts, root: lambda: archives.unpack(path),))
    assert load(asked, model, data_root=tmp_path / "elsewhere", seed=3).fingerprint == plain.fingerprint


def test_only_sets_of_many_files_are_packed(tmp_path: Path) -> None:
    before = dict(FINDERS)
    archives.use({"digits", "fashion_mnist"}, tmp_path, tmp_path)
    assert before == FINDERS
    assert list(tmp_path.iterdir()) == []
