"""The tables of docs/study.md, made from the plan and the rows: ``python -m study.tables`` writes them there.

``--check`` changes nothing and fails where the document holds other tables than the rows give.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from study.book import Book, read_book
from study.compare import (
    HEADLINE,
    Difference,
    accuracy,
    best_on_test,
    chosen_validation,
    difference,
    last_epoch,
    teacher_figures,
)
from study.rows import Row

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "study.md"
NOT_RUN = "not run yet"

Table = Callable[[Book], str]


def main(arguments: list[str]) -> int:
    """Write or check the tables; 1 if the document was not as the rows say."""
    parser = argparse.ArgumentParser(prog="python -m study.tables", description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(arguments)
    before = DOCUMENT.read_text(encoding="utf-8")
    after = filled(before, read_book())
    if before != after and not asked.check:
        DOCUMENT.write_text(after, encoding="utf-8")
    return int(before != after and asked.check)


def filled(document: str, book: Book) -> str:
    """``document`` with what stands between each ``<!-- table NAME -->`` and ``<!-- end -->`` made anew.

    Raises:
        KeyError: the document asks for a table that does not exist.
    """
    return re.sub(
        r"<!-- table (\S+) -->\n.*?<!-- end -->",
        lambda found: f"<!-- table {found[1]} -->\n{TABLES[found[1]](book)}\n<!-- end -->",
        document,
        flags=re.DOTALL,
    )


def _main(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        done, planned = book.finished(pair, seed, "plain", "ours")
        place = [pair, str(seed), f"{done} of {planned}"]
        plain, ours = book.baseline(pair, seed), book.best(pair, seed)
        if plain is None or ours is None:
            rows.append([*place, *[NOT_RUN] * 6])
            continue
        robust, clean = difference(ours, plain, HEADLINE), difference(ours, plain, None)
        margin = difference(ours, plain, "margin100")
        compared = [_moved(robust), _p(robust), _moved(margin), _moved(clean)]
        rows.append([*place, _who(plain), _who(ours), *compared])
    head = "pair|seed|cells|strongest plain|ours|PGD-100, points|McNemar p|and margin|clean, points"
    return _table(head, rows)


def _sign(book: Book) -> str:
    rows = []
    for pair in book.pairs():
        found = [
            difference(ours, plain, HEADLINE).value
            for seed in book.seeds(pair)
            if (plain := book.baseline(pair, seed)) and (ours := book.best(pair, seed))
        ]
        if not found:
            rows.append([pair, "0", NOT_RUN, NOT_RUN])
            continue
        sign = {True: "all above 0", False: "not all above 0"}[all(value > 0 for value in found)]
        rows.append([pair, str(len(found)), f"{100 * sum(found) / len(found):+.1f}", sign])
    return _table("pair|seeds finished|mean difference, points|sign", rows)


def _same_depth(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        for plain in book.cells(pair, seed, "plain"):
            rivals = [row for row in book.cells(pair, seed, "ours") if row["k"] == plain["k"]]
            if not rivals:
                continue
            # By validation figures of that very epoch, not of the chosen one.
            ours = max(rivals, key=lambda row: row["validation"][-1][1])
            epochs = (last_epoch(ours), last_epoch(plain))
            robust = difference(ours, plain, HEADLINE, epochs=epochs)
            clean = difference(ours, plain, None, epochs=epochs)
            held = f"{100 * accuracy(plain, HEADLINE, epoch=epochs[1]):.1f}"
            rows.append(
                [
                    pair,
                    str(seed),
                    str(plain["k"]),
                    held,
                    ours["method"],
                    _moved(robust),
                    _p(robust),
                    _moved(clean),
                ]
            )
    head = "pair|seed|k|plain, PGD-100|ours|PGD-100, points|McNemar p|clean, points"
    return _table(head, rows)


def _cartl(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        faithful, ours = book.faithful(pair, seed), book.best_beside(pair, seed, book.faithful(pair, seed))
        if faithful is None or ours is None:
            rows.append([pair, str(seed), *[NOT_RUN] * 5])
            continue
        robust, clean = difference(ours, faithful, HEADLINE), difference(ours, faithful, None)
        rows.append([pair, str(seed), _who(faithful), _who(ours), _moved(robust), _p(robust), _moved(clean)])
    return _table("pair|seed|CARTL|ours|PGD-100, points|McNemar p|clean, points", rows)


def _teachers(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        for row in book.teachers(pair, seed):
            figures = teacher_figures(row)
            deepest = [row["scale"][side][book.usual_depth(pair) - 1] for side in ("source", "target")]
            ratios = [
                f"{distance:.3f} / {spread:.3f} = {distance / spread:.2f}" for distance, spread in deepest
            ]
            accuracies = [f"{100 * figures[name]:.1f}" for name in ("clean", HEADLINE)]
            rows.append([pair, str(seed), _teacher_name(row), *accuracies, *ratios])
    head = "pair|seed|teacher|clean|PGD-100|distance / spread, source|distance / spread, target"
    return _table(head, rows)


def _auto(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        grid = book.cells(pair, seed, "plain", "paper", "ours")
        chosen, best = book.chosen(grid), best_on_test(grid, book.plan.rules.margin)
        plain = book.baseline(pair, seed)
        if chosen is None or best is None or plain is None:
            rows.append([pair, str(seed), *[NOT_RUN] * 5])
            continue
        lost, gained = difference(chosen, best, HEADLINE), difference(chosen, plain, HEADLINE)
        rows.append([pair, str(seed), str(len(grid)), _who(chosen), _who(best), _moved(lost), _moved(gained)])
    head = (
        "pair|seed|cells|chosen on validation|best on test|given up, points|over the strongest plain, points"
    )
    return _table(head, rows)


def _all(book: Book) -> str:
    rows = []
    for pair, seed in book.counted():
        for row in book.cells(pair, seed):
            clean, robust = chosen_validation(row)
            figures = [accuracy(row, attack) for attack in (None, "pgd20", HEADLINE, "margin100")]
            numbers = [f"{100 * value:.1f}" for value in (clean, robust, *figures)]
            epoch = f"{row['chosen']} of {last_epoch(row)}"
            rows.append([pair, str(seed), row["method"], str(row["k"]), epoch, *numbers])
    head = "pair|seed|method|k|epoch|clean, val.|PGD-10, val.|clean|PGD-20|PGD-100|and margin"
    return _table(head, rows)


def _missing(book: Book) -> str:
    rows = [[part.title, str(done), str(count)] for part, done, count in book.progress()]
    return _table("round|cells finished|cells planned", rows)


def _beside(*methods: str) -> Table:
    """The first of ``methods`` against each of the others, at the same k, wherever both were run."""

    def table(book: Book) -> str:
        pairs = (
            (first, second)
            for pair, seed in book.counted()
            for first in book.cells(pair, seed)
            for second in book.cells(pair, seed)
            if (first["method"], first["k"]) == (methods[0], second["k"]) and second["method"] in methods[1:]
        )
        rows = [[*_place(first), str(first["k"]), *_contrast(first, second)] for first, second in pairs]
        return _table("pair|seed|k|this|against this|PGD-100, points|McNemar p|clean, points", rows)

    return table


def _place(row: Row) -> list[str]:
    return [row["pair"], str(row["seed"])]


def _contrast(first: Row, second: Row) -> Iterator[str]:
    robust, clean = difference(second, first, HEADLINE), difference(second, first, None)
    yield from (_brief(second), _brief(first), _moved(robust), _p(robust), _moved(clean))


def _table(head: str, rows: list[list[str]]) -> str:
    if not rows:
        return f"({NOT_RUN})"
    titles = head.split("|")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _who(row: Row) -> str:
    return f"{row['method']}, k {row['k']}, epoch {row['chosen']}: {_figures(row)}"


def _brief(row: Row) -> str:
    return f"{row['method']}: {_figures(row)}"


def _figures(row: Row) -> str:
    return f"{100 * accuracy(row, None):.1f} / {100 * accuracy(row, HEADLINE):.1f}"


def _teacher_name(row: Row) -> str:
    return row["teacher"] if row["k"] is None else f"{row['teacher']}, k {row['k']}"


def _moved(by: Difference) -> str:
    return f"{100 * by.value:+.1f} ({100 * by.low:+.1f} to {100 * by.high:+.1f})"


def _p(by: Difference) -> str:
    return "< 0.0001" if by.p < 1e-4 else f"{by.p:.4f}"


TABLES: dict[str, Table] = {
    "progress": _missing,
    "main": _main,
    "sign": _sign,
    "same-depth": _same_depth,
    "cartl": _cartl,
    "teachers": _teachers,
    "auto": _auto,
    "batch-norm": _beside(
        "vanilla", "vanilla-running", "vanilla-recalibrated", "vanilla-frozen-affine", "vanilla-tail-teacher"
    ),
    "regime": _beside("vanilla", "vanilla-slow", "vanilla-short-teacher"),
    "beta": _beside("cartl", "cartl-04", "cartl-10"),
    "neft": _beside("vanilla", "neft", "neft-10", "neft-operator"),
    "parts": _beside(
        "vanilla",
        "consistent",
        "consistent-1",
        "consistent-copies",
        "displaced",
        "spread",
        "spread-neft",
        "spread-consistent",
    ),
    "references": _beside("vanilla", "adversarial"),
    "cells": _all,
}
"""By the name in the document's markers."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
