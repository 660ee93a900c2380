"""The frame of ``make bench``: by turns, ratios in each round, files, and the page that is made from them."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.profiles import tables as profiles
from benchmarks.profiles.cases import PROFILES
from benchmarks.profiles.shares import Convolutions, shares_of, whole
from benchmarks.ratios import attack_lines
from benchmarks.ratios.__main__ import main
from benchmarks.ratios.contest import Contest, Row, measure, what_it_returns
from benchmarks.ratios.page import PAGE, filled
from benchmarks.ratios.results import FOLDER, read, record
from benchmarks.ratios.table import ROWS


def test_everybody_takes_turns_and_ratios_are_taken_in_each_round() -> None:
    order: list[str] = []
    costs = {"ours": iter((9.0, 1.0, 2.0, 4.0)), "slow": iter((9.0, 3.0, 8.0, 8.0))}

    def task(name: str) -> float:
        order.append(name)
        return next(costs[name])

    contest = Contest(lambda: task("ours"), {"slow": lambda: task("slow")})
    outcome = measure(contest, what_it_returns, rounds=3, seconds=1e9)
    assert order == ["ours", "slow"] * 4, "once to warm up, then three rounds"
    assert (outcome.rounds, outcome.ours, outcome.rivals["slow"].median) == (3, 2.0, 8.0)
    assert (outcome.rivals["slow"].times, outcome.rivals["slow"].lowest, outcome.rivals["slow"].highest) == (
        3.0,
        2.0,
        4.0,
    )


def test_a_round_is_always_made_and_none_begins_after_the_time() -> None:
    contest = Contest(lambda: 1.0, {"theirs": lambda: 2.0})
    assert measure(contest, what_it_returns, rounds=9, seconds=0.0, warm_up=False).rounds == 1


def test_a_cell_that_is_measured_again_leaves_the_others(tmp_path: Path) -> None:
    contest = Contest(lambda: 2.0, {"theirs": lambda: 3.0}, {"images": 7})
    row = Row("a-row", "a thing", "another", 2.0, dict.fromkeys(("one", "two"), lambda: contest))
    outcome = measure(contest, what_it_returns, rounds=1, seconds=0.0)
    for cell, command in (("two", "first"), ("one", "second"), ("two", "third")):
        record(tmp_path, row, cell, contest, outcome, command)
    found = read(tmp_path, row)
    assert found is not None and list(found["cells"]) == ["one", "two"], "in the order of the row"
    assert [cell["command"] for cell in found["cells"].values()] == ["second", "third"]
    assert found["cells"]["one"]["rivals"]["theirs"]["times"] == 1.5
    assert found["cells"]["one"]["facts"] == {"images": 7}


def test_the_page_has_the_table_that_the_files_give() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m benchmarks.ratios --page"
    assert main(["--check"]) == 0


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="end of ratios"):
        filled("<!-- end of ratios -->\n<!-- ratios -->\n")


def test_each_file_of_results_belongs_to_a_row_and_its_cells() -> None:
    for path in FOLDER.glob("*.json"):
        assert path.stem in ROWS, path.name
        assert json.loads(path.read_text())["cells"].keys() <= ROWS[path.stem].cells.keys(), path.name


def test_attacks_stand_beside_the_fastest_peer_of_each_layout(tmp_path: Path) -> None:
    peers = {"a, as given": 9.0, "b, as given": 6.0, "a, channels_last": 3.0, "cartl": 2.0}
    cell = {name: {"processor_s": seconds} for name, seconds in peers.items()}
    at = {"network": "neft", "norm": "linf", "sought": 0.5, "eps": 0.1, "n": 7, "rounds": 2}
    run = {"threads": 1, "machine": "x86_64", "steps": 100, "date": "2026-01-02", "command": "make it"}
    file = tmp_path / "attacks.json"
    authors = {name: {"processor_s": seconds} for name, seconds in (("cartl", 2.0), ("pyautoattack", 5.0))}
    file.write_text(json.dumps({"runs": [{**run, "pgd": [at | cell], "autoattack": [at | authors]}]}))
    first, second, third = attack_lines.lines(file)
    assert first == (
        "| PGD-100 in linf, 50 % robust | the fastest library, as given (b) | neft, radius 0.100, 7 images "
        "| 2 | 6 processor seconds | **3.00** | 2 | 2 | 1 thread of x86_64 |"
    )
    assert "channels_last (a)" in second and "| **1.50** |  |" in second
    assert third == (
        "| standard AutoAttack | the authors' own (pyautoattack) | neft, linf radius 0.100, 7 images "
        "| 2 | 5 processor seconds | **2.50** | 1.5 | 1 | 1 thread of x86_64 |"
    )
    assert list(attack_lines.commands(file)) == ["- 2026-01-02, neft linf 50 %, neft linf 50 %: `make it`"]


def test_an_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-row"])
    assert "there is no no-such-row; allowed: fdm-step" in capsys.readouterr().err


def test_operations_of_convolutions_are_counted_forth_and_back() -> None:
    layer, images = torch.nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.rand(2, 3, 8, 8)
    with Convolutions() as counted:
        layer(images).sum().backward()
    once = 2 * images.shape[0] * 64 * 3 * 5 * 9
    assert counted.operations == 2 * once, "forth, and back to the weights; images ask for no gradient"


def test_only_the_part_that_is_asked_about_is_profiled() -> None:
    layer, images = torch.nn.Conv2d(3, 5, 3), torch.rand(2, 3, 8, 8)

    def run(around: AbstractContextManager[Any]) -> None:
        layer(images)
        with around:
            torch.nn.functional.leaky_relu(images)

    of_a_part, of_all = shares_of(run, rounds=1), shares_of(whole(lambda: layer(images)), rounds=1)
    assert of_a_part["convolution_gflops"] is None
    assert of_a_part["shares"]["activations"] > 0
    assert of_a_part["shares"]["convolutions, forth"] == 0
    assert of_all["shares"]["convolutions, forth"] > 0
    assert of_all["shares"]["activations"] == 0
    assert sum(of_all["shares"].values()) == pytest.approx(1, abs=0.01)


def test_every_profile_has_its_file() -> None:
    assert tuple(PROFILES) == profiles.NAMES
    assert {path.stem for path in profiles.FOLDER.glob("*.json")} == set(profiles.NAMES)
