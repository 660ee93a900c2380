"""Draws of validation images: what each rule takes on them, judged by all other images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cartl_core.spec.base import SpecModel
from cartl_core.statistics.proportions import paired_difference
from study.choice.candidates import Candidates
from study.choice.counts import Numbers, Shared
from study.choice.plan import Replay, Rule
from study.choice.rules import SLACK, Seen, best_plain, most_robust_near, pick


class Judged(SpecModel):
    """Means over the draws of one pair, seed, number of validation images and rule; fractions.

    Attributes:
        near: choices that are near to what the judging images would have picked, clean and robust.
        near_robust: those at most so much less robust, whatever they are in clean accuracy.
        less_robust, less_clean: how far below that pick the chosen candidate is.
        gain, clean: robust and clean accuracy over the best plain candidate on the judging images.
        broken: choices that are worse than that one beyond chance.
        broken_points: choices that are worse than that one by more than the plan's points.
        plain: choices of plain transfer.
    """

    pair: str
    seed: int
    images: int
    rule: str
    near: float
    near_robust: float
    less_robust: float
    less_clean: float
    gain: float
    clean: float
    broken: float
    broken_points: float
    plain: float


FIGURES = tuple(name for name, field in Judged.model_fields.items() if field.annotation is float)


def replay(
    found: Candidates, rules: Mapping[str, Rule], plan: Replay, *, draws_seed: int
) -> Iterator[Judged]:
    """Every rule on the same draws, for each number of validation images."""
    for images in plan.validation_images:
        name = f"{found.pair}/{found.seed}/{images}".encode()
        random = np.random.default_rng([draws_seed, *name])
        whole = Seen(Shared.of(found.clean), Shared.of(found.robust), found.tuned, found.baseline)
        sums = {rule: np.zeros(len(FIGURES)) for rule in rules}
        for _ in range(plan.draws):
            drawn = random.permutation(found.robust.shape[1])[:images]
            for rule, figures in _one_draw(found, whole, drawn, rules, plan):
                sums[rule] += figures
        for rule, total in sums.items():
            means = dict(zip(FIGURES, (total / plan.draws).tolist(), strict=True))
            yield Judged(pair=found.pair, seed=found.seed, images=images, rule=rule, **means)


def _one_draw(
    found: Candidates, whole: Seen, drawn: npt.NDArray[np.int_], rules: Mapping[str, Rule], plan: Replay
) -> Iterator[tuple[str, Numbers]]:
    seen = _seen(found, drawn)
    parts = {
        count: [_seen(found, drawn[part::count]) for part in range(count)]
        for count in {rule.folds for rule in rules.values()}
    }
    rest = whole.without(seen)
    target, plain = most_robust_near(rest, plan.margin), best_plain(rest, plan.margin)
    judged: dict[int, Numbers] = {}
    for name, rule in rules.items():
        taken = pick(rule, seen, parts[rule.folds], plan.margin)
        if taken not in judged:
            judged[taken] = _figures(rest, taken, target, plain, plan)
        yield name, judged[taken]


def _seen(found: Candidates, images: npt.NDArray[np.int_]) -> Seen:
    clean, robust = Shared.of(found.clean[:, images]), Shared.of(found.robust[:, images])
    return Seen(clean, robust, found.tuned, found.baseline)


def _figures(rest: Seen, taken: int, target: int, plain: int, plan: Replay) -> Numbers:
    """In the order of ``FIGURES``."""
    clean, robust, _ = rest.figures("none")
    less_robust, less_clean = robust[target] - robust[taken], clean[target] - clean[taken]
    gain, cleaner = robust[taken] - robust[plain], clean[taken] - clean[plain]
    broken = _highest(rest.robust, taken, plain) < 0 or _highest(rest.clean, taken, plain) < -plan.margin
    lower = gain < -plan.broken_points or cleaner < -plan.margin - plan.broken_points
    near_robust = less_robust <= plan.near + SLACK
    return np.array(
        [
            near_robust and less_clean <= plan.near + SLACK,
            near_robust,
            less_robust,
            less_clean,
            gain,
            cleaner,
            broken,
            lower,
            rest.baseline[taken],
        ],
        dtype=float,
    )


def _highest(outcomes: Shared, taken: int, plain: int) -> float:
    """The upper end of the paired 95 % interval of the difference."""
    own, other = outcomes.only(plain)
    return _upper(int(own[taken]), int(other[taken]), outcomes.n)


@lru_cache(maxsize=1 << 16)
def _upper(only_own: int, only_other: int, n: int) -> float:
    return paired_difference(only_own, only_other, n)[2]
