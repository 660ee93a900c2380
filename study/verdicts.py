"""The comparisons of the study: ours against the strongest plain transfer, CARTL, and the whole grid."""

from __future__ import annotations

from collections.abc import Iterator

from study.book import USUAL_K, Book
from study.compare import HEADLINE, Difference, accuracy, best_on_test, difference, last_epoch
from study.marks import NOT_RUN, moved, p_value, place, reached, table, who
from study.rows import Row

GOAL, DEPTH_GOAL = 0.08, 0.12
"""Robust accuracy that ours is to be ahead: of the strongest plain transfer; at the same depth and epoch."""
SIGNIFICANT = 0.05


def goals(book: Book) -> str:
    """Each goal of the study on each pair, by the mean over the seeds that were run."""
    rows = []
    for pair in book.pairs():
        ahead = [
            (difference(ours, plain, HEADLINE).value, difference(ours, plain, None).value)
            for plain, ours in _both(book, pair)
        ]
        level = [by.value for by in _at_usual_depth(book, pair)]
        cartl = [difference(ours, rival, HEADLINE) for rival, ours in _beside_cartl(book, pair)]
        if not ahead:
            rows.append([pair, "0", *[NOT_RUN] * 3])
            continue
        robust, clean = (sum(values) / len(ahead) for values in zip(*ahead, strict=True))
        enough = robust >= GOAL and clean >= -book.plan.rules.margin
        first = f"{100 * robust:+.1f} at {100 * clean:+.1f} clean: {reached(enough)}"
        second = _against(DEPTH_GOAL, level)
        behind = any(by.value < 0 and by.p < SIGNIFICANT for by in cartl)
        third = {True: "behind", False: "ahead or level"}[behind] if cartl else NOT_RUN
        rows.append([pair, str(len(ahead)), first, second, third])
    head = "pair|seeds|over the strongest plain, points (8)|same depth, last epoch, k 4 (12)|CARTL"
    return table(head, rows)


def main_comparison(book: Book) -> str:
    """Ours against the strongest plain transfer, per seed."""
    rows = []
    for pair, seed in book.counted():
        done, planned = book.finished(pair, seed, "plain", "ours")
        begin = [pair, str(seed), f"{done} of {planned}"]
        plain, ours = book.baseline(pair, seed), book.best(pair, seed)
        if plain is None or ours is None:
            rows.append([*begin, *[NOT_RUN] * 6])
            continue
        robust, clean = difference(ours, plain, HEADLINE), difference(ours, plain, None)
        margin = difference(ours, plain, "margin100")
        compared = [moved(robust), p_value(robust), moved(margin), moved(clean)]
        rows.append([*begin, who(plain), who(ours), *compared])
    head = "pair|seed|cells|strongest plain|ours|PGD-100, points|McNemar p|and margin|clean, points"
    return table(head, rows)


def signs(book: Book) -> str:
    """Whether all seeds of a pair say the same."""
    rows = []
    for pair in book.pairs():
        found = [difference(ours, plain, HEADLINE).value for plain, ours in _both(book, pair)]
        if not found:
            rows.append([pair, "0", NOT_RUN, NOT_RUN])
            continue
        sign = {True: "all above 0", False: "not all above 0"}[all(value > 0 for value in found)]
        rows.append([pair, str(len(found)), f"{100 * sum(found) / len(found):+.1f}", sign])
    return table("pair|seeds|mean difference, points|sign", rows)


def same_depth(book: Book) -> str:
    """Ours against plain transfer at the same k, both at their last epoch."""
    rows = []
    for pair, seed in book.counted():
        for plain, ours in _same_k(book, pair, seed):
            epochs = (last_epoch(ours), last_epoch(plain))
            robust = difference(ours, plain, HEADLINE, epochs=epochs)
            clean = difference(ours, plain, None, epochs=epochs)
            held = f"{100 * accuracy(plain, HEADLINE, epoch=epochs[1]):.1f}"
            compared = [held, ours["method"], moved(robust), p_value(robust), moved(clean)]
            rows.append([*place(plain), str(plain["k"]), *compared])
    head = "pair|seed|k|plain, PGD-100|ours|PGD-100, points|McNemar p|clean, points"
    return table(head, rows)


def against_cartl(book: Book) -> str:
    """Ours against the best of the published method's cells."""
    rows = []
    for pair, seed in book.counted():
        faithful, ours = book.faithful(pair, seed), book.best_beside(pair, seed, book.faithful(pair, seed))
        if faithful is None or ours is None:
            rows.append([pair, str(seed), *[NOT_RUN] * 5])
            continue
        robust, clean = difference(ours, faithful, HEADLINE), difference(ours, faithful, None)
        rows.append([pair, str(seed), who(faithful), who(ours), moved(robust), p_value(robust), moved(clean)])
    return table("pair|seed|CARTL|ours|PGD-100, points|McNemar p|clean, points", rows)


def automatic(book: Book) -> str:
    """What validation images pick of the whole grid against what test images would have picked."""
    rows = []
    for pair, seed in book.counted():
        grid = book.cells(pair, seed, "plain", "paper", "ours")
        chosen, best = book.chosen(grid), best_on_test(grid, book.plan.rules.margin)
        plain = book.baseline(pair, seed)
        if chosen is None or best is None or plain is None:
            rows.append([pair, str(seed), *[NOT_RUN] * 5])
            continue
        lost, gained = difference(chosen, best, HEADLINE), difference(chosen, plain, HEADLINE)
        rows.append([pair, str(seed), str(len(grid)), who(chosen), who(best), moved(lost), moved(gained)])
    head = (
        "pair|seed|cells|chosen on validation|best on test|given up, points|over the strongest plain, points"
    )
    return table(head, rows)


def _against(goal: float, values: list[float]) -> str:
    if not values:
        return NOT_RUN
    mean = sum(values) / len(values)
    return f"{100 * mean:+.1f}: {reached(mean >= goal)}"


def _both(book: Book, pair: str) -> list[tuple[Row, Row]]:
    """(strongest plain, ours) of each seed that has them."""
    found = [(book.baseline(pair, seed), book.best(pair, seed)) for seed in book.seeds(pair)]
    return [(plain, ours) for plain, ours in found if plain is not None and ours is not None]


def _beside_cartl(book: Book, pair: str) -> list[tuple[Row, Row]]:
    """(CARTL, ours beside it) of each seed that has them."""
    rivals = [book.faithful(pair, seed) for seed in book.seeds(pair)]
    found = [(rival, book.best_beside(pair, rival["seed"], rival)) for rival in rivals if rival]
    return [(rival, ours) for rival, ours in found if ours is not None]


def _at_usual_depth(book: Book, pair: str) -> list[Difference]:
    """Ours less plain transfer at ``USUAL_K`` and the last epoch of both, of each seed."""
    return [
        difference(ours, plain, HEADLINE, epochs=(last_epoch(ours), last_epoch(plain)))
        for seed in book.seeds(pair)
        for plain, ours in _same_k(book, pair, seed)
        if plain["k"] == USUAL_K
    ]


def _same_k(book: Book, pair: str, seed: int) -> Iterator[tuple[Row, Row]]:
    """(plain, ours) at each k; ours is the most robust on validation images at its last epoch."""
    for plain in book.cells(pair, seed, "plain"):
        rivals = [row for row in book.cells(pair, seed, "ours") if row["k"] == plain["k"]]
        if rivals:
            yield plain, max(rivals, key=lambda row: row["validation"][-1][1])
