"""What every attack and diagnostic makes of each image: as it was, or the recipe's number is raised.

The images are steady ones and numbers have room; ``tests.golden.outcomes`` says how much and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.report.stored_diagnostics import in_current_form
from tests.golden import outcomes, shaken_copies
from tests.golden.files import read
from tests.golden.fixed_network import digits, fixed


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    images = digits(tmp_path_factory.mktemp("digits"))
    places = {position: place for place, position in enumerate(images.index.tolist())}
    chosen = shaken_copies.some(images, [places[position] for position in read("outcomes")["images"]])
    return outcomes.everything(fixed(), chosen)


LATER_ROWS = {"unexplained", "layer_runs", "neighbours", "takes_gradients", "changes_itself"}
LATER_VALUES = {"jumping", "unexplained", "inference"}
"""Of the checks; recipe 2 computes all that recipe 1 did, with these beside it."""


def without_later(label: str, rows: Any, later: set[str]) -> Any:
    if not label.startswith(("checks", "probe checks")):
        return rows
    assert rows.keys() >= later
    kept = {name: row for name, row in rows.items() if name not in later}
    for attack in kept.get("attacks", ()):
        assert attack.pop("samples") == 1
    return kept


def test_outcomes_of_every_image(found: Any) -> None:
    kept = read("outcomes")["rows"]
    rows = {label: without_later(label, own, LATER_ROWS) for label, own in found[0].items()}
    assert rows.keys() == kept.keys()
    wrong = [
        f"{label}, {name}: {shaken_copies.kept(rows[label], ())[name]}, not {kept[label][name]}"
        for label in kept
        for name in kept[label].keys() | rows[label].keys()
        if not like(kept[label].get(name), shaken_copies.kept(rows[label], ()).get(name))
    ]
    assert wrong == []


def like(kept: Any, found: Any) -> bool:
    if not isinstance(kept, dict):
        return bool(kept == found)
    room = shaken_copies.ROOM * kept["moved"] + shaken_copies.LEAST
    return isinstance(found, dict) and near(kept["values"], found["values"], room)


def near(kept: Any, found: Any, room: float) -> bool:
    """Null, which stands for an infinite number, is near to null alone."""
    if isinstance(kept, list):
        return len(kept) == len(found) and all(
            near(one, two, room) for one, two in zip(kept, found, strict=True)
        )
    if kept is None or found is None:
        return kept is found
    return bool(found == pytest.approx(kept, rel=shaken_copies.LEAST, abs=room))


def test_a_number_that_moved_too_far_is_seen() -> None:
    kept = {"values": [1.0, None], "moved": 0.001}
    assert like(kept, {"values": [1.005, None]})
    for values in ([1.006, None], [1.0, 2.0], [None, None], [1.0]):
        assert not like(kept, {"values": values})


def test_values_of_the_diagnostics(found: Any) -> None:
    kept, values = read("outcomes")["values"], found[1]
    assert values.keys() == kept.keys()
    for label, value in kept.items():
        name, _ = outcomes.diagnostics()[label]
        own = without_later(label, values[label], LATER_VALUES)
        assert list(shaken_copies.apart(in_current_form(name, value), own, label)) == []


def test_digests() -> None:
    assert outcomes.digests() == read("outcomes")["digests"]


def test_what_the_ensembles_stand_for() -> None:
    assert outcomes.ensembles() == read("outcomes")["ensembles"]


def test_some_images_fall_and_some_stand() -> None:
    """Of the attacks in the golden file itself: a file in which nothing falls pins nothing."""
    attacks = {name: rows["held"] for name, rows in read("outcomes")["rows"].items() if "held" in rows}
    assert len(attacks) == len(outcomes.attacks())
    assert all({"0", "1"} == set(held) for held in attacks.values())


def test_the_data_set_is_the_same(tmp_path: Path) -> None:
    images = digits(tmp_path)
    assert len(images.labels) == read("outcomes")["test_images"]
