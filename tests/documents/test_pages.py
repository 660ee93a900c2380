"""What holds for every page: links lead somewhere, the reference is what the code makes, names are public."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cartl_core.report import Report
from tests.fixtures.documents import DOCS, GENERATED, ROOT, anchors_of, links_of, pages, prose_of
from tools import picture
from tools.reference import PAGES, made

README_LINES = 150
PICTURE_BYTES = 300_000
DECISION = re.compile(r"# (\d{4})\. [A-Z`a-z].*\n\nStatus: (accepted|proposed|superseded by \d{4})\.\n\n\S")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links_of(page):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), link
        if anchor and found.suffix == ".md":
            assert anchor in anchors_of(found), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links_of(page)]
        waiting += [
            path for path in targets if path.suffix == ".md" and path not in reached and path.exists()
        ]
    assert set(pages()) - reached == set()


def test_the_reference_is_what_the_code_makes() -> None:
    expected = made()
    present = {path.name: path.read_text(encoding="utf-8") for path in GENERATED.iterdir()}
    assert present.keys() == expected.keys(), "run: python -m tools.reference"
    differing = [name for name in expected if expected[name] != present[name]]
    assert differing == [], "run: python -m tools.reference"
    assert expected.keys() == {"index.md", *PAGES}


def test_the_reference_names_every_field_of_the_report() -> None:
    page = made()["report.md"]
    schema = Report.model_json_schema(mode="serialization")
    for name, found in (("Report", schema), *schema["$defs"].items()):
        for field in found.get("properties", {}):
            assert f"| `{field}` |" in page, (name, field)


def test_the_picture_is_what_the_import_contracts_say() -> None:
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.drawn(), "run: python -m tools.picture"


def test_each_decision_has_a_number_of_its_own_a_status_and_a_place_in_the_index() -> None:
    folder = DOCS / "explanation" / "decisions"
    files = sorted(path for path in folder.glob("*.md") if path.name != "index.md")
    for number, path in enumerate(files, start=1):
        told = DECISION.match(path.read_text(encoding="utf-8"))
        assert told, path.name
        assert path.name.startswith(f"{number:04}-") and int(told[1]) == number
    assert sorted(links_of(folder / "index.md")) == [path.name for path in files]


def test_the_readme_is_short_and_its_picture_small() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= README_LINES
    shown = [(ROOT / link) for link in links_of(readme) if link.endswith(".png")]
    assert len(shown) == 1
    assert 0 < shown[0].stat().st_size < PICTURE_BYTES


@pytest.mark.parametrize(
    "folder", ["api", "benchmarks", "cartl", "cartl_core", "docker", "jobs", "study", "worker"]
)
def test_what_sources_say_of_documents_exists(folder: str) -> None:
    sources = [
        path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".html", ".toml", ".yml")
    ]
    for path in [*sources, ROOT / "Makefile", ROOT / "docker-compose.yml"]:
        for named in re.findall(r"\bdocs/[\w/.-]*[\w/]", path.read_text(encoding="utf-8")):
            assert (ROOT / named).exists(), f"{path.relative_to(ROOT)} names {named}"


def test_paths_in_documents_exist() -> None:
    """Paths in code marks that begin with one of our folders, placeholders left out."""
    ours = "api|benchmarks|cartl|cartl_core|docker|jobs|migrations|recipes|study|tests|tools|worker"
    for page in pages():
        if GENERATED in page.parents:
            continue
        for named in re.findall(rf"`((?:{ours})/[\w/.-]+)`", prose_of(page)):
            assert "NAME" in named or "PAIR" in named or (ROOT / named).exists(), (page.name, named)
