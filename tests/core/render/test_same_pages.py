"""Three pages are what they were when they were stored, but for whitespace that nobody can see.

The stored pages have no style sheet. After a change that is meant: ``python -m
tests.core.render.test_same_pages`` stores them anew, and the failed test has shown what differs.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from difflib import unified_diff
from importlib.resources import files
from pathlib import Path

import pytest

from cartl_core.render.figure import Picture
from cartl_core.render.html import render
from cartl_core.report import Report
from cartl_core.spec import digest
from cartl_core.spec.existing_network import EvaluateJobSpec, NetworkRef
from tests.fixtures.choosing import choosing_report
from tests.fixtures.pages import seen
from tests.fixtures.reports import HOSTILE, RUNTIME, full_report, spec_of, with_evidence

STORED = Path(__file__).parent / "data"
STYLE = files("cartl_core.render.html").joinpath("style.css").read_text(encoding="utf-8")
FIGURES = ("selection.svg", "curve.svg", "per-class.svg", "audit.svg", "history.svg")
PICTURES = {name: Picture(name, "image/svg+xml", name.encode()) for name in FIGURES} | {
    "worst-images.png": Picture("worst-images.png", "image/png", bytes(range(256)))
}


def evaluation_report() -> Report:
    """Of a given network, with a hostile name; nothing is known of how the network was made."""
    transfer = spec_of()
    spec = EvaluateJobSpec(
        name=HOSTILE,
        preset="smoke",
        dataset=transfer.dataset,
        network=NetworkRef(sha256="d" * 64),
        model=transfer.model,
        evaluate=transfer.evaluate,
    )
    known = full_report()
    assert known.student is not None
    network = known.student.model_copy(
        update={
            "method": None,
            "freeze_depth": None,
            "k": None,
            "frozen": (),
            "objective": None,
            "teacher_digest": None,
            "selected_epoch": None,
            "history": None,
            "tuned_layer_norms": {},
            "kept": None,
        }
    )
    return with_evidence(
        known.model_copy(
            update={
                "spec": spec,
                "spec_digest": digest(spec),
                "teachers": (),
                "student": network,
                "baselines": (),
            }
        )
    )


def running_report() -> Report:
    """Of a job that has only begun, with a name in many scripts."""
    spec = spec_of(name="Größe \u2713 \u00a0 {{ 7 * 7 }} <b>")
    return Report(complete=False, spec=spec, spec_digest=digest(spec), runtime=RUNTIME)


CASES: dict[str, tuple[Callable[[], Report], Mapping[str, Picture] | None]] = {
    "chosen": (choosing_report, PICTURES),
    "evaluation": (evaluation_report, None),
    "running": (running_report, PICTURES),
}


def lines(markup: str) -> list[str]:
    assert markup.count(STYLE) == 1
    return seen(markup.replace(STYLE, ""))


@pytest.mark.parametrize("case", CASES)
def test_a_page_is_what_it_was(case: str) -> None:
    report, pictures = CASES[case]
    stored = gzip.decompress((STORED / f"{case}.txt.gz").read_bytes()).decode().splitlines()
    found = lines(render(report(), pictures))
    assert found == stored, "\n".join(unified_diff(stored, found, "stored", "now", lineterm="", n=2))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>a b</p>", "<p>ab</p>"),
        ("<p>a <span>b</span></p>", "<p>a<span>b</span></p>"),
        ("<p><span>a</span> b</p>", "<p><span>a</span>b</p>"),
        ("<p><span>a</span> <span>b</span></p>", "<p><span>a</span><span>b</span></p>"),
        ("<p>a\u00a0b</p>", "<p>a b</p>"),
        ("<p>a <svg></svg></p>", "<p>a<svg></svg></p>"),
        ('<p title="a  b"></p>', '<p title="a b"></p>'),
        ("<p>&lt;b></p>", "<p><b></p>"),
    ],
)
def test_pages_that_look_different_are_told_apart(one: str, other: str) -> None:
    assert seen(one) != seen(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>a\n  b</p>", "<p>a b</p>"),
        ("<ul>\n <li> a </li>\n</ul>", "<ul><li>a</li></ul>"),
        ("<p>a<svg>\n <rect></rect>\n</svg>b</p>", "<p>a<svg><rect></rect></svg>b</p>"),
        ("<p>&#34;&#39;</p>", "<p>\"'</p>"),
        ('<p class="a" id="b"></p>', '<p id="b" class="a"></p>'),
    ],
)
def test_pages_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert seen(one) == seen(other)


def store() -> None:
    for case, (report, pictures) in CASES.items():
        text = "\n".join(lines(render(report(), pictures)))
        (STORED / f"{case}.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    store()
