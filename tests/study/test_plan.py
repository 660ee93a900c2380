from __future__ import annotations

import pytest

from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import Arm, AttackSpec, JobRequest
from study.__main__ import parser, wanted
from study.plan import (
    PLAN,
    Cell,
    Later,
    Plan,
    arm_of,
    begun,
    cells,
    cells_of,
    once_more,
    plan_digest,
    pretrain_of,
    read_plan,
)

COMMITTED = read_plan()
TUNING = 100


def test_every_cell_of_the_plan_can_be_built() -> None:
    planned = list(cells(COMMITTED))
    assert len({cell.name for cell in planned}) == len(planned)
    for cell in planned:
        arm, pair = arm_of(COMMITTED, cell), COMMITTED.pairs[cell.pair]
        assert arm.freeze_depth == (0 if arm.method == "lwf" else pair.blocks - cell.k)
        assert arm.transfer.select == "last"
        teacher = COMMITTED.teachers[COMMITTED.methods[cell.method].teacher]
        assert arm.inner_eps == teacher.get("attack_eps", pair.eps)


def test_counted_seeds_are_not_those_of_tuning() -> None:
    assert {cell.seed for cell in cells(COMMITTED)} == {0, 1, 2}
    assert {cell.seed for cell in cells(once_more(COMMITTED))} == {3, 4, 5}
    assert all(cell.seed < TUNING for plan in (COMMITTED, once_more(COMMITTED)) for cell in cells(plan))


def test_what_auto_tries_here_is_what_the_service_tries() -> None:
    """On the data, network and preset that the pairs are of."""
    pair = COMMITTED.pairs["fashion-low-high"]
    asked = {
        "source": pair.source.model_dump(mode="json", exclude_none=True),
        "dataset": pair.target.model_dump(mode="json", exclude_none=True),
        "model": pair.model.model_dump(mode="json", exclude_none=True),
        "method": "auto",
        "freeze_depth": "auto",
        "preset": "quick",
    }
    auto = resolve(JobRequest.model_validate(asked)).auto
    assert auto is not None
    planned = [
        arm_of(COMMITTED, Cell("fashion-low-high", 0, method, k))
        for method in COMMITTED.automatic
        for k in (2, 4, 6)
    ]
    assert sorted(map(essence, auto.candidates)) == sorted(map(essence, planned))
    assert auto.lead == COMMITTED.lead


def in_radii(attack: AttackSpec, eps: float) -> list[float]:
    """An attack's radius and step as shares of ``eps``."""
    assert attack.step is not None
    return [round(value / eps, 9) for value in (attack.eps, attack.step)]


def essence(arm: Arm) -> str:
    """What tells an arm from plain transfer, whatever the length and pace of its training."""
    teacher, student = arm.pretrain, arm.transfer
    assert teacher is not None
    moved = student.displacement
    return str(
        [
            arm.freeze_depth,
            (teacher.objective, teacher.fdm_distance, teacher.fdm_layers) if teacher.fdm_weight else "at",
            teacher.radii,
            moved and (moved.loss, moved.direction, moved.reach, moved.weight),
            (student.beta, student.tail_affine, student.trunk_statistics, student.tail_statistics),
            student.attack and in_radii(student.attack, teacher.attack.eps),
            student.attack and student.attack.steps,
        ]
    )


def test_methods_differ_by_what_their_titles_say_and_nothing_else() -> None:
    """The baseline has every option of the others but the one that makes them."""
    usual = {name: recipe for name, recipe in COMMITTED.methods.items() if recipe.role != "reference"}
    for name, recipe in usual.items():
        assert "epochs" not in recipe.transfer, name
        assert "lr" not in recipe.transfer, name


def test_the_main_comparison_of_every_pair_comes_first() -> None:
    first = COMMITTED.rounds[0]
    assert set(COMMITTED.pairs) - set(first.pairs) - set(COMMITTED.later.pairs) == {"fashion-low-high-small"}
    assert first.seeds == (0,)
    roles = {COMMITTED.methods[method].role for method in first.methods}
    assert {"plain", "ours"} <= roles


def test_the_digest_tells_what_fixes_a_figure_and_not_the_words() -> None:
    digest = plan_digest(COMMITTED)
    worded = COMMITTED.model_copy(update={"hypotheses": {"other": "words"}, "rounds": COMMITTED.rounds[:1]})
    assert plan_digest(worded) == digest
    longer = COMMITTED.model_copy(update={"transfer": {**COMMITTED.transfer, "epochs": 99}})
    assert plan_digest(longer) != digest


def test_what_came_later_is_not_in_the_digest_and_nothing_earlier_hangs_on_it() -> None:
    later = COMMITTED.later
    assert set(later.teachers) <= set(COMMITTED.teachers)
    assert set(later.methods) <= set(COMMITTED.methods)
    assert set(later.pairs) <= set(COMMITTED.pairs)
    earlier = COMMITTED.model_copy(
        update={
            "teachers": {k: v for k, v in COMMITTED.teachers.items() if k not in later.teachers},
            "methods": {k: v for k, v in COMMITTED.methods.items() if k not in later.methods},
            "pairs": {k: v for k, v in COMMITTED.pairs.items() if k not in later.pairs},
            "later": Later(),
        }
    )
    digest = plan_digest(COMMITTED)
    assert plan_digest(earlier) == digest
    assert all(recipe.teacher in earlier.teachers for recipe in earlier.methods.values())
    other = {**COMMITTED.teachers, "at": {"epochs": 10}}
    assert plan_digest(COMMITTED.model_copy(update={"teachers": other})) != digest


@pytest.mark.parametrize("radius", [0.0, 0.05])
def test_a_teacher_can_have_a_radius_of_its_own(plan: Plan, radius: float) -> None:
    teachers = {**plan.teachers, "other": {"attack_eps": radius}}
    pair = plan.pairs["digits"]
    usual, other = (
        pretrain_of(plan.model_copy(update={"teachers": teachers}), "digits", name)
        for name in ("at", "other")
    )
    assert (usual.attack.eps, usual.attack.step) == (pair.eps, pair.eps)
    # Its step is the same share of its own radius; where that is nothing it does not matter.
    assert (other.attack.eps, other.attack.step) == (radius, radius or pair.eps)
    assert usual.model_dump(exclude={"attack"}) == other.model_dump(exclude={"attack"})


def test_a_pair_that_came_later_can_have_longer_teachers(plan: Plan) -> None:
    later = Later(pairs={"digits": {"at": {"epochs": 7}, "fdm": {"epochs": 5}}})
    usual, longer = (
        pretrain_of(one, "digits", "at") for one in (plan, plan.model_copy(update={"later": later}))
    )
    assert (usual.epochs, longer.epochs) == (plan.teachers["at"].get("epochs", plan.pretrain["epochs"]), 7)
    assert usual.model_dump(exclude={"epochs"}) == longer.model_dump(exclude={"epochs"})


def test_what_the_plan_does_not_know_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    other = tmp_path / "plan.toml"
    other.write_text(PLAN.read_text() + '\n[surprise]\nis = "refused"\n')
    with pytest.raises(SpecError, match="surprise"):
        read_plan(other)


def test_rounds_name_cells_once(plan: Plan) -> None:
    doubled = plan.model_copy(update={"rounds": plan.rounds * 2})
    assert list(cells(doubled)) == list(cells(plan))
    assert list(cells(plan, "another pair")) == []


def test_a_run_can_be_kept_to_some_pairs_seeds_k_and_methods() -> None:
    def cells_of(*said: str) -> list[Cell]:
        return list(wanted(COMMITTED, parser().parse_args(["run", *said])))

    first = cells_of("--pair", "fashion-low-high", "--seed", "0", "--k", "4")
    assert first[:2] == [Cell("fashion-low-high", 0, method, 4) for method in ("vanilla", "turned")]
    assert {(cell.pair, cell.seed, cell.k) for cell in first} == {("fashion-low-high", 0, 4)}
    two = cells_of("--method", "vanilla", "--method", "cartl")
    assert {cell.method for cell in two} == {"vanilla", "cartl"}
    assert cells_of() == [*cells(COMMITTED), *cells(once_more(COMMITTED))]
    assert cells_of("--until", "-1") == []


def test_the_first_rounds_alone_leave_out_what_is_compared_once_more() -> None:
    first = begun(COMMITTED, 1)
    asked = parser().parse_args(["run"])
    assert {cell.seed for cell in wanted(first, asked)} == {0}
    assert list(wanted(first, asked)) == list(dict.fromkeys(cells_of(COMMITTED.rounds[0])))
