"""The comparisons of the study: ours against the strongest plain transfer, CARTL, and the whole grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from study.compare import (
    HEADLINE,
    SLACK,
    Difference,
    Point,
    accuracy,
    best_on_test,
    choose,
    difference,
    judged,
    last,
)
from study.marks import (
    NOT_RUN,
    moved,
    p_value,
    place,
    reached,
    table,
    who,
)
from study.study_results import StudyResults

GOAL, DEPTH_GOAL = 0.08, 0.12
"""Robust accuracy that ours is to be ahead: of the strongest plain transfer; at the same depth and epoch."""
DEPTH_GOAL_K = (4, 6)
"""Blocks tuned where the second is measured."""
SIGNIFICANT = 0.05

Both = tuple[Point, Point]
"""A baseline and ours, both examined."""


def goals(results: StudyResults) -> str:
    """Each goal of the study on each pair, by the mean over the seeds that were run."""
    rows = []
    for pair in results.pairs():
        finders = (beside_plain, by_first_rule, beside_nearest, beside_plain_from_farther, by_auto)
        chosen = [_over_seeds(results, pair, find) for find in finders]
        same = [both for seed in results.seeds(pair) for both in _same_k(results, pair, seed)]
        of_k = [[both for both in same if both[0].row["k"] == k] for k in DEPTH_GOAL_K]
        cartl = [
            difference(ours, baseline, HEADLINE)
            for baseline, ours in _over_seeds(results, pair, beside_cartl)
        ]
        behind = any(by.value < 0 and by.p < SIGNIFICANT for by in cartl)
        third = {True: "behind", False: "ahead or level"}[behind] if cartl else NOT_RUN
        told = [_ahead(results, both, GOAL) for both in chosen]
        told += [_ahead(results, both, DEPTH_GOAL) for both in of_k]
        rows.append([pair, str(len(chosen[0])), *told, third])
    head = (
        "pair|seeds|over the strongest plain (8)|the same, by the first rule (8)|over the nearest plain (8)"
        "|the teacher's radius open too: over the strongest plain (8)"
        "|auto over the strongest plain, by the first rule (8)"
    )
    depths = "|".join(f"same depth, last epoch, k {k} (12)" for k in DEPTH_GOAL_K)
    return table(f"{head}|{depths}|CARTL", rows)


def _ahead(results: StudyResults, both: list[Both], goal: float) -> str:
    """The mean over seeds of how far ours is ahead, with and without an attack; whether it is enough."""
    if not both:
        return NOT_RUN
    robust, clean = (
        sum(difference(ours, baseline, attack).value for baseline, ours in both) / len(both)
        for attack in (HEADLINE, None)
    )
    enough = robust >= goal - SLACK and clean >= -results.plan.rules.margin - SLACK
    return f"{100 * robust:+.1f} at {100 * clean:+.1f} clean: {reached(enough)}"


def beside_plain(results: StudyResults, pair: str, seed: int) -> Both | None:
    """The strongest plain transfer and ours."""
    return _evaluated(results.baseline(pair, seed), results.best(pair, seed))


def beside_nearest(results: StudyResults, pair: str, seed: int) -> Both | None:
    """The hardest baseline on plain transfer's frontier, and ours."""
    return _evaluated(results.nearest(pair, seed), results.best(pair, seed))


def beside_plain_from_farther(results: StudyResults, pair: str, seed: int) -> Both | None:
    """The strongest plain transfer from a teacher of eps, and ours from either teacher."""
    return _evaluated(results.baseline(pair, seed), results.farther(pair, seed))


def beside_cartl(results: StudyResults, pair: str, seed: int) -> Both | None:
    """CARTL, and ours beside it."""
    return _evaluated(results.faithful(pair, seed), results.beside_faithful(pair, seed))


def by_first_rule(results: StudyResults, pair: str, seed: int) -> Both | None:
    """The strongest plain transfer and ours, by the plan's first rule."""
    return _evaluated(*(results.first_rule(pair, seed) or (None, None)))


def by_auto(results: StudyResults, pair: str, seed: int) -> Both | None:
    """The strongest plain transfer by the first rule, and what ``auto`` picks by it of all its candidates."""
    return _evaluated(results.plain_by_itself(pair, seed), results.automatic(pair, seed))


def comparison(
    find: Callable[[StudyResults, str, int], Both | None], baseline: str
) -> Callable[[StudyResults], str]:
    """A table of a baseline against ours, per seed."""

    def made(results: StudyResults) -> str:
        rows = []
        for pair, seed in results.counted():
            done, planned = results.finished(pair, seed, "plain", "ours")
            begin = [pair, str(seed), f"{done} of {planned}"]
            both = find(results, pair, seed)
            rows.append([*begin, *([NOT_RUN] * 6 if both is None else _compared(*both))])
        head = f"pair|seed|cells|{baseline}|ours|PGD-100, points|McNemar p|and margin|clean, points"
        return table(head, rows)

    return made


def signs(results: StudyResults) -> str:
    """Whether all seeds of a pair say the same."""
    rows = []
    for pair in results.pairs():
        found = [
            difference(ours, plain, HEADLINE).value
            for plain, ours in _over_seeds(results, pair, beside_plain)
        ]
        if not found:
            rows.append([pair, "0", NOT_RUN, NOT_RUN])
            continue
        sign = {True: "all above 0", False: "not all above 0"}[all(value > 0 for value in found)]
        rows.append([pair, str(len(found)), f"{100 * sum(found) / len(found):+.1f}", sign])
    return table("pair|seeds|mean difference, points|sign", rows)


def same_depth(results: StudyResults) -> str:
    """Ours against plain transfer at the same k, both at their last epoch."""
    rows = []
    for pair, seed in results.counted():
        for plain, ours in _same_k(results, pair, seed):
            robust, clean = difference(ours, plain, HEADLINE), difference(ours, plain, None)
            reached = f"{100 * accuracy(plain, HEADLINE):.1f}"
            compared = [reached, ours.row["method"], moved(robust), p_value(robust), moved(clean)]
            rows.append([*place(plain.row), str(plain.row["k"]), *compared])
    head = "pair|seed|k|plain, PGD-100|ours|PGD-100, points|McNemar p|clean, points"
    return table(head, rows)


def fixed(results: StudyResults) -> str:
    """Each of ours, and each that ``auto`` tries, against plain transfer at the same k and the last epoch.

    Nothing is chosen.
    """
    rows = []
    for pair in results.pairs():
        found: dict[tuple[int, str], list[Both]] = {}
        for seed in results.seeds(pair):
            plain = {row["k"]: last(row) for row in results.cells(pair, seed, "plain")}
            for row in results.challengers(pair, seed):
                if row["k"] in plain:
                    found.setdefault((row["k"], row["method"]), []).append((plain[row["k"]], last(row)))
        for (k, method), both in sorted(found.items()):
            least = min(difference(ours, baseline, HEADLINE).value for baseline, ours in both)
            told = [str(len(both)), f"{100 * least:+.1f}", _ahead(results, both, DEPTH_GOAL)]
            rows.append([pair, str(k), method, *told])
    return table("pair|k|method|seeds|least of them|mean (12)", rows)


def automatic(results: StudyResults) -> str:
    """What validation images pick of the candidates against what test images would have picked of them.

    The latter is the best on test of all their points that were examined: each cell's last epoch, what was
    chosen, and of a pair's first seed each cell's own epoch.
    """
    rows = []
    for pair, seed in results.counted():
        tried = str(len(results.candidates(pair, seed)))
        both = by_auto(results, pair, seed)
        if both is None:
            rows.append([pair, str(seed), tried, *[NOT_RUN] * 8])
            continue
        grid = list(_grid(results, pair, seed))
        best = best_on_test(grid, results.plan.rules.margin)
        assert best is not None
        plain, chosen = both
        lost = difference(chosen, best, HEADLINE)
        gained, clean = (difference(chosen, plain, attack) for attack in (HEADLINE, None))
        verdict = _promise(gained, clean, results.plan.rules.margin)
        told = [moved(lost), moved(gained), moved(clean), verdict]
        rows.append(
            [pair, str(seed), tried, str(len(grid)), who(chosen), _freely(results, both), who(best), *told]
        )
    head = (
        "pair|seed|candidates|points|chosen on validation|with any lead|best on test|less the best, points"
        "|over the strongest plain, points|clean, points|promise"
    )
    return table(head, rows)


def _freely(results: StudyResults, both: Both) -> str:
    """What the rule picks where any lead over plain transfer is enough."""
    chosen = both[1]
    other = results.freely(chosen.row["pair"], chosen.row["seed"])
    if other is None or not judged(other, HEADLINE):
        return NOT_RUN
    return "the same" if other.same_as == chosen.same_as else who(other)


def _promise(robust: Difference, clean: Difference, margin: float) -> str:
    """As a report has it: broken where an interval is wholly on the wrong side; near to that, unclear."""
    if robust.high < 0 or clean.high < -margin:
        return "broken"
    return "kept" if clean.value >= -margin - SLACK else "unclear"


def _compared(baseline: Point, ours: Point) -> list[str]:
    robust, margin, clean = (difference(ours, baseline, attack) for attack in (HEADLINE, "margin100", None))
    return [who(baseline), who(ours), moved(robust), p_value(robust), moved(margin), moved(clean)]


def _grid(results: StudyResults, pair: str, seed: int) -> Iterator[Point]:
    """Every examined point of the candidates."""
    for row in results.candidates(pair, seed):
        for epoch in sorted(map(int, row["outcomes"])):
            yield Point(row, epoch)


def _evaluated(baseline: Point | None, ours: Point | None) -> Both | None:
    if baseline is None or ours is None:
        return None
    return (baseline, ours) if all(judged(point, "margin100") for point in (baseline, ours)) else None


def _over_seeds(
    results: StudyResults, pair: str, find: Callable[[StudyResults, str, int], Both | None]
) -> list[Both]:
    found = [find(results, pair, seed) for seed in results.seeds(pair)]
    return [both for both in found if both is not None]


def _same_k(results: StudyResults, pair: str, seed: int) -> Iterator[Both]:
    """(plain, ours) at each k, at the last epoch; which of ours goes by the rule of the main comparison."""
    for plain in map(last, results.cells(pair, seed, "plain")):
        candidates = [last(row) for row in results.cells(pair, seed, "ours") if row["k"] == plain.row["k"]]
        ours = choose(candidates, results.plan.rules.margin, least=plain.clean - results.slack)
        if ours is not None:
            yield plain, ours
