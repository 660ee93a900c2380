"""The comparison of both verdicts is rehearsed, and its page has the table that the file of results gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import low_precision
from benchmarks.low_precision import Contest, cell, main
from benchmarks.low_precision_page import FILE, NO_HARDWARE, PAGE, filled, table
from benchmarks.rounded_bf16 import RoundedBf16
from tests.golden.fixed_network import digits, fixed


def test_the_page_has_the_table_that_the_file_gives() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m benchmarks.low_precision --page"
    assert main(["--check"]) == 0
    with pytest.raises(ValueError, match="end of low precision"):
        filled("no marks")


def test_no_cell_of_a_thousand_images_is_weaker_by_more_than_a_tenth_of_a_point() -> None:
    cells = json.loads(FILE.read_text(encoding="utf-8"))["cells"]
    assert list(cells) == [*dict.fromkeys(low_precision.CELLS)]
    for its in cells.values():
        assert its["n"] == 1000
        for attack in ("pgd100", "preset pgd100"):
            assert its[attack]["bf16_stand"] <= its[attack]["fp32_stand"] + 1


def test_both_ways_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_precision, "STEPS", 30)
    monkeypatch.setattr(low_precision, "SHORT_STEPS", 3)
    monkeypatch.setattr(low_precision, "BATCH", 16)
    test = digits(tmp_path / "data")
    x, y = test.images[:24].clone(), test.labels[:24]
    found = cell(Contest(fixed(), RoundedBf16), x, y, "l2", 0.7, timed=True)
    for attack in ("pgd100", "preset pgd100"):
        its = found[attack]
        swapped = its["only_fp32_broke"] - its["only_bf16_broke"]
        assert its["bf16_stand"] - its["fp32_stand"] == swapped
    assert found["n"] == 24 and 0 < found["pgd100"]["fp32_stand"] < 24
    passes = found["passes"]
    assert passes["begun in bf16"]["bf16"] > 0
    assert passes["fp32"] > passes["begun in bf16"]["fp32"] > 24
    told = {"eps": 0.7, "bf16": "rounded", "machine": "2 cores", "date": "2026-11-30", "command": "it"}
    file = tmp_path / "file.json"
    for seconds, speed in (({"fp32": 3.0, "begun in bf16": 2.0}, "1.50"), (None, NO_HARDWARE)):
        cells = {"fixed:l2": found | told | {"processor_s": seconds}}
        file.write_text(json.dumps({"cells": cells}), encoding="utf-8")
        assert f"| {speed} |" in table(file)
