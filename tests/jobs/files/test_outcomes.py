"""Comparing two jobs image by image: the differences are those of a count by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from cartl_core.analysis.paired_outcomes import Outcomes, differences
from jobs.errors import ArtifactDamaged
from jobs.files.outcomes import read_outcomes


def test_a_file_of_a_run_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outcomes-student.safetensors"
    right = {
        "clean": [True, True, False],
        "robust.pgd5": [True, False, False],
        "robust.fab": [False, True, False],
    }
    tensors = {name: torch.tensor(values) for name, values in right.items()}
    save_file(
        {
            "index": torch.tensor([4, 7, 9]),
            "label": torch.zeros(3).long(),
            "curve.radius": torch.ones(3),
            **tensors,
        },
        path,
    )
    found = read_outcomes(path.name, path.read_bytes())
    assert {name: list(map(bool, values)) for name, values in found.right.items()} == {
        name.removeprefix("robust."): values for name, values in right.items()
    }
    assert found.attacks == {"pgd5", "fab"}


@given(
    st.lists(
        st.tuples(*[st.booleans()] * 6),
        min_size=1,
        max_size=60,
    )
)
def test_differences_are_those_of_a_count(rows: list[tuple[bool, ...]]) -> None:
    columns = [bytes(column) for column in zip(*rows, strict=True)]
    first = Outcomes(b"same", {"clean": columns[0], "a": columns[1], "b": columns[2], "own": columns[2]})
    second = Outcomes(b"same", {"clean": columns[3], "a": columns[4], "b": columns[5]})
    clean, robust = differences(first, second)
    assert clean.difference == pytest.approx(sum(row[0] - row[3] for row in rows) / len(rows))
    both = [((row[1] and row[2]), (row[4] and row[5])) for row in rows]
    assert robust.difference == pytest.approx(sum(one - other for one, other in both) / len(rows))
    assert robust.what == "robust against a, b"
    assert robust.low <= robust.difference <= robust.high
    assert (robust.p_value < 0.05) == (robust.low > 0 or robust.high < 0)


def test_other_images_are_not_compared() -> None:
    one = Outcomes(b"1", {"clean": b"\x01"})
    assert differences(one, Outcomes(b"2", {"clean": b"\x01"})) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        b"\x02\0\0\0\0\0\0\0{}",
        b'\x0f\0\0\0\0\0\0\0{"index": [1,2]}',
        b"\x04\0\0\0\0\0\0\0null",
    ],
)
def test_what_is_no_such_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outcomes-student.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged):
        read_outcomes(path.name, path.read_bytes())
