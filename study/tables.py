"""The tables of docs/study/, made from the plan and the rows: ``python -m study.tables`` writes them there.

``--check`` changes nothing and fails where a page holds other tables than the rows give.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from study import ablations, reasons, summary, verdicts
from study.choice import tables as choice
from study.choice.areas import areas
from study.compare import (
    HEADLINE,
    accuracy,
    difference,
    last,
    own,
    teacher_figures,
)
from study.marks import (
    NOT_RUN,
    brief,
    moved,
    p_value,
    place,
    table,
)
from study.rivals import tables as rivals
from study.rows import Row
from study.strongest import under_the_ensemble
from study.study_results import SELECTABLE, StudyResults, read_results

PAGES = Path(__file__).resolve().parents[1] / "docs" / "study"

Table = Callable[[StudyResults], str]


def main(arguments: list[str]) -> int:
    """Write or check the tables; 1 if a page was not as the rows say."""
    parser = argparse.ArgumentParser(prog="python -m study.tables", description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(arguments)
    results, wrong = read_results(), 0
    for page in sorted(PAGES.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = filled(before, results)
        wrong += before != after
        if before != after and not asked.check:
            page.write_text(after, encoding="utf-8")
    return int(wrong > 0 and asked.check)


def filled(document: str, results: StudyResults) -> str:
    """``document`` with what stands between each ``<!-- table NAME -->`` and ``<!-- end -->`` made anew.

    Raises:
        KeyError: the document asks for a table that does not exist.
    """
    return re.sub(
        r"<!-- table (\S+) -->\n.*?<!-- end -->",
        lambda found: f"<!-- table {found[1]} -->\n{TABLES[found[1]](results)}\n<!-- end -->",
        document,
        flags=re.DOTALL,
    )


def _teachers(results: StudyResults) -> str:
    rows = []
    for pair, seed in results.counted():
        for row in results.teachers(pair, seed):
            figures = teacher_figures(row)
            deepest = [row["scale"][side][results.usual_depth(pair) - 1] for side in ("source", "target")]
            ratios = [
                f"{distance:.3f} / {spread:.3f} = {distance / spread:.2f}" for distance, spread in deepest
            ]
            accuracies = [f"{100 * figures[name]:.1f}" for name in ("clean", HEADLINE)]
            rows.append([pair, str(seed), _teacher_name(row), *accuracies, *ratios])
    head = "pair|seed|teacher|clean|PGD-100|distance / spread, source|distance / spread, target"
    return table(head, rows)


def _frontiers(results: StudyResults) -> str:
    drawn = [(pair, seed) for pair, seed in results.counted() if results.cells(pair, seed, *SELECTABLE)]
    return _pictures([(f"study-frontier-{pair}-{seed}", f"{pair}, seed {seed}") for pair, seed in drawn])


def _scales(results: StudyResults) -> str:
    drawn = [pair for pair in results.pairs() if results.teachers(pair, results.seeds(pair)[0])]
    return _pictures([(f"study-scale-{pair}", pair) for pair in drawn])


def _regimes(results: StudyResults) -> str:
    return _pictures([(f"study-regime-{pair}", pair) for pair, _ in reasons.regimes(results)])


def _radii(results: StudyResults) -> str:
    return _pictures(
        [(f"study-radii-{pair}", f"{pair}, seed {seed}") for pair, seed in reasons.seeds_with_radii(results)]
    )


def _explained(results: StudyResults) -> str:
    return _pictures(
        [(f"study-why-{pair}", f"{pair}, seed {seed}") for pair, seed in ablations.explained(results)]
    )


def _farther(results: StudyResults) -> str:
    return _pictures([("study-farther", "the teacher's radius")] if ablations.farther_pairs(results) else [])


def _pictures(named: list[tuple[str, str]]) -> str:
    return "\n\n".join(f"![{title}](../figures/{stem}.svg)" for stem, title in named) or f"({NOT_RUN})"


def _all(results: StudyResults) -> str:
    rows = []
    for pair, seed in results.counted():
        for row in results.cells(pair, seed):
            stopped, end = own(row), last(row)
            figures = [
                *(stopped.clean, stopped.robust, end.clean, end.robust),
                *(accuracy(end, attack) for attack in (None, "pgd20", HEADLINE)),
            ]
            numbers = [f"{100 * value:.1f}" for value in figures] + [f"{row['seconds']['tune']:.0f}"]
            own_epoch = f"{stopped.epoch} of {end.epoch}"
            rows.append([pair, str(seed), row["method"], str(row["k"]), own_epoch, *numbers])
    head = (
        "pair|seed|method|k|own epoch|clean, val.|PGD-10, val.|at the end: clean, val.|PGD-10, val."
        "|clean|PGD-20|PGD-100|tuning, s"
    )
    return table(head, rows)


def _missing(results: StudyResults) -> str:
    rows = [[part.title, str(done), str(count)] for part, done, count in results.progress()]
    return table("round|cells finished|cells planned", rows)


def _beside(*methods: str) -> Table:
    """The first of ``methods`` against each of the others, at the same k, wherever both were run."""

    def made(results: StudyResults) -> str:
        pairs = (
            (first, second)
            for pair, seed in results.counted()
            for first in results.cells(pair, seed)
            for second in results.cells(pair, seed)
            if (first["method"], first["k"]) == (methods[0], second["k"]) and second["method"] in methods[1:]
        )
        rows = [[*place(first), str(first["k"]), *_contrast(first, second)] for first, second in pairs]
        return table("pair|seed|k|this|against this|PGD-100, points|McNemar p|clean, points", rows)

    return made


def _contrast(before: Row, after: Row) -> Iterator[str]:
    """Both at the last epoch."""
    first, second = last(before), last(after)
    robust, clean = difference(second, first, HEADLINE), difference(second, first, None)
    yield from (brief(second), brief(first), moved(robust), p_value(robust), moved(clean))


def _teacher_name(row: Row) -> str:
    return row["teacher"] if row["k"] is None else f"{row['teacher']}, k {row['k']}"


def _again(made: Table) -> Table:
    """The same table of the comparison's other seeds."""
    return lambda results: made(results.again())


REFERENCES = _beside(
    "adversarial-25", "vanilla", "turned-mild", "turned", "turned-far", "adversarial-50", "adversarial"
)
FAR = _beside("vanilla", "vanilla-far", "turned-mild-far")
FAR_OURS = _beside("turned-mild", "turned-mild-far")


def _of_another_study(made: Callable[[], str]) -> Table:
    """A table of committed figures or rows of another study, whatever the rows are."""
    return lambda _: made()


TABLES: dict[str, Table] = {
    "summary": summary.summary,
    "progress": _missing,
    "goals": verdicts.goals,
    "main": verdicts.comparison(verdicts.beside_plain, "strongest plain"),
    "nearest": verdicts.comparison(verdicts.beside_nearest, "plain at most a point less clean"),
    "farther": verdicts.comparison(verdicts.beside_plain_from_farther, "strongest plain, teacher of eps"),
    "farther-again": _again(
        verdicts.comparison(verdicts.beside_plain_from_farther, "strongest plain, teacher of eps")
    ),
    "first-rule": verdicts.comparison(verdicts.by_first_rule, "strongest plain"),
    "goals-again": _again(verdicts.goals),
    "main-again": _again(verdicts.comparison(verdicts.beside_plain, "strongest plain")),
    "nearest-again": _again(verdicts.comparison(verdicts.beside_nearest, "plain at most a point less clean")),
    "same-depth-again": _again(verdicts.same_depth),
    "frontiers": _frontiers,
    "scales": _scales,
    "sign": verdicts.signs,
    "same-depth": verdicts.same_depth,
    "fixed": verdicts.fixed,
    "fixed-again": _again(verdicts.fixed),
    "cartl": verdicts.comparison(verdicts.beside_cartl, "CARTL"),
    "strongest": under_the_ensemble,
    "teachers": _teachers,
    "auto": verdicts.automatic,
    "auto-again": _again(verdicts.automatic),
    "references-again": _again(REFERENCES),
    "batch-norm": _beside(
        "vanilla", "vanilla-running", "vanilla-recalibrated", "vanilla-frozen-affine", "vanilla-tail-teacher"
    ),
    "regime": _beside("vanilla", "vanilla-slow", "vanilla-fast", "vanilla-short-teacher"),
    "regimes": _regimes,
    "forgetting": reasons.forgetting,
    "radii": reasons.radii,
    "several": _beside("vanilla", "vanilla-several"),
    "far": FAR,
    "far-again": _again(FAR),
    "far-ours": FAR_OURS,
    "far-ours-again": _again(FAR_OURS),
    "several-cartl": _beside("cartl", "cartl-several"),
    "radii-drawn": _radii,
    "why-drawn": _explained,
    "farther-drawn": _farther,
    "schedule": reasons.schedule,
    "beta": _beside("cartl", "cartl-04", "cartl-10"),
    "neft": _beside("vanilla", "neft", "neft-10", "neft-operator"),
    "parts": _beside(
        "vanilla",
        "turned",
        "turned-mild",
        "turned-far",
        "consistent",
        "consistent-1",
        "consistent-copies",
        "displaced",
        "spread",
        "spread-neft",
        "spread-turned",
        "spread-consistent",
    ),
    "hooked": _beside("spread", "spread-trunk"),
    "hooked-cartl": _beside("cartl", "cartl-every"),
    "literature": _beside("vanilla", "linear", "turned-mild-linear", "relative", "cosine", "spread", "lwf"),
    "references": REFERENCES,
    "cells": _all,
    "areas": areas,
    **{name: _of_another_study(made) for name, made in (choice.made() | rivals.made()).items()},
}
"""By the name in the document's markers."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
