"""What every attack and probe makes of each image: as it was, or the recipe's number is raised.

The images are steady ones and numbers have room; ``tests.golden.outcomes`` says how much and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.golden import outcomes
from tests.golden.files import read
from tests.golden.fixed_network import digits, fixed


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    images = digits(tmp_path_factory.mktemp("digits"))
    places = {position: place for place, position in enumerate(images.index.tolist())}
    chosen = outcomes.some(images, [places[position] for position in read("outcomes")["images"]])
    return outcomes.everything(fixed(), chosen)


def test_outcomes_of_every_image(found: Any) -> None:
    kept, rows = read("outcomes")["rows"], found[0]
    assert rows.keys() == kept.keys()
    wrong = [
        f"{label}, {name}: {outcomes.kept(rows[label], ())[name]}, not {kept[label][name]}"
        for label in kept
        for name in kept[label].keys() | rows[label].keys()
        if not like(kept[label].get(name), outcomes.kept(rows[label], ()).get(name))
    ]
    assert wrong == []


def like(kept: Any, found: Any) -> bool:
    if not isinstance(kept, dict):
        return bool(kept == found)
    room = outcomes.ROOM * kept["moved"] + outcomes.LEAST
    return bool(
        found is not None and found["values"] == pytest.approx(kept["values"], rel=outcomes.LEAST, abs=room)
        if not isinstance(kept["values"][0], list)
        else all(
            one == pytest.approx(two, rel=outcomes.LEAST, abs=room)
            for one, two in zip(found["values"], kept["values"], strict=True)
        )
    )


def test_values_of_the_probes(found: Any) -> None:
    kept, values = read("outcomes")["values"], found[1]
    assert values.keys() == kept.keys()
    for label, value in kept.items():
        assert list(outcomes.apart(value, values[label], label)) == []


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
