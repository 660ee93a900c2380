from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.rows import append_row, path_of, read_rows

ROWS = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none()), max_size=5
)


@given(rows=ROWS)
def test_what_is_appended_is_read_back_in_order(rows: list[dict[str, object]], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("rows")
    for row in rows:
        append_row("a-pair", row, folder)
    assert read_rows("a-pair", folder) == rows


def test_a_pair_without_a_file_has_no_rows(tmp_path: Path) -> None:
    assert read_rows("a-pair", tmp_path) == []


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_half_a_line_is_not_read_and_gives_way_to_the_next_row(tmp_path: Path, cut: int) -> None:
    append_row("a-pair", {"cell": "first"}, tmp_path)
    whole = json.dumps({"cell": "second"}).encode() + b"\n"
    with path_of("a-pair", tmp_path).open("ab") as file:
        file.write(whole[:-cut])
    assert read_rows("a-pair", tmp_path) == [{"cell": "first"}]
    append_row("a-pair", {"cell": "third"}, tmp_path)
    assert read_rows("a-pair", tmp_path) == [{"cell": "first"}, {"cell": "third"}]


def test_a_figure_that_is_no_number_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        append_row("a-pair", {"clean": float("nan")}, tmp_path)
    assert read_rows("a-pair", tmp_path) == []
