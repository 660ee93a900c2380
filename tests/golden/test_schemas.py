"""What may be posted, stored and reported: as it was, or a version is raised."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.golden.files import read_packed
from tests.golden.schemas import MODELS, SCHEMA_2, collect


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return json.loads(json.dumps(collect(tmp_path_factory.mktemp("service"))))


RENAMED = {"Kept": "Retention"}
"""Classes of the report: their name when the schemas were written down, and the one that they have now."""

NAMES = (*(model.__name__ for model in MODELS), "Event", "Order", "OpenAPI")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SCHEMA_2])
def test_a_schema_is_as_it_was(found: Any, name: str) -> None:
    kept = read_packed("schemas")[name]
    assert changes(renamed(without_modules(kept)), without_modules(found[name]), "") == []


@pytest.mark.parametrize("name", SCHEMA_2)
def test_a_schema_of_report_version_2_is_as_it_was(found: Any, name: str) -> None:
    kept = read_packed("schemas-2")[name]
    assert changes(without_modules(kept), without_modules(found[name]), "") == []


def test_of_all_events_the_second_version_changed_a_few(found: Any) -> None:
    """The updated report has sections, and a request for a stage may name a damaged result.

    There are more methods, too, of which one may be chosen, and progress tells images a second.
    """
    before, now = (without_modules(one)["$defs"] for one in (read_packed("schemas")["Event"], found["Event"]))
    events = {name for name, one in before.items() if "type" in one.get("properties", {})}
    changed = {name for name in events if before[name] != now.get(name)}
    assert changed == {"ReportUpdated", "StageRequested", "CandidateChosen", "Progress"}
    assert before["Progress"]["required"] == now["Progress"]["required"]
    assert before["Progress"]["properties"].items() < now["Progress"]["properties"].items()
    old, new = (one["CandidateChosen"]["properties"].pop("method") for one in (before, now))
    assert set(old["enum"]) < set(new["enum"])
    assert before["CandidateChosen"] == now["CandidateChosen"]
    # What a run asks of its supervisor has gained fields that may be left out.
    old, new = before["StageRequested"], now["StageRequested"]
    assert old["required"] == new["required"]
    assert old["properties"].items() <= new["properties"].items()


def test_no_schema_is_left_out(found: Any) -> None:
    assert set(found) == set(read_packed("schemas")) == set(NAMES)


def without_modules(document: Any) -> Any:
    """A schema as programs read it: without the names of modules, which pydantic puts into definitions that
    occur twice, and without descriptions, whose wording may improve at any time.
    """
    text = re.sub(r"cartl_core__\w+?__(?=[A-Z])", "", json.dumps(document))
    return without_descriptions(json.loads(re.sub(r"cartl_core\.[a-z_.]+", "a module", text)))


def without_descriptions(document: Any) -> Any:
    """The document without its ``description`` texts; a property of that name is a dict and stays."""
    if isinstance(document, list):
        return [without_descriptions(one) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        key: without_descriptions(value)
        for key, value in document.items()
        if not (key == "description" and isinstance(value, str))
    }


def renamed(document: Any) -> Any:
    """Titles, references and definitions of the classes of ``RENAMED``; nothing else is called so."""
    text = json.dumps(document)
    for old, new in RENAMED.items():
        text = text.replace(f'"{old}"', f'"{new}"').replace(f'/{old}"', f'/{new}"')
    return json.loads(text)


def changes(kept: Any, found: Any, path: str) -> list[str]:
    """Where two documents differ, in few words: whole documents would fill a screen or ten."""
    if isinstance(kept, dict) and isinstance(found, dict):
        found_changes = [
            f"{path}/{key} is {'gone' if key in kept else 'new'}" for key in kept.keys() ^ found.keys()
        ]
        for key in kept.keys() & found.keys():
            found_changes += changes(kept[key], found[key], f"{path}/{key}")
        return sorted(found_changes)
    return [] if kept == found else [f"{path} is {found!r}, not {kept!r}"]
