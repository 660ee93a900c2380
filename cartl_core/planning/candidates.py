"""What `auto` stands for: the candidates of a job, and how one of them is chosen. Errors name the field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from cartl_core.catalog import METHODS, facts_of
from cartl_core.catalog.candidates import (
    CANDIDATES,
    PLAIN,
    SELECTION_STEPS,
    VALIDATION_IMAGES,
    CandidateFacts,
    depths_to_try,
    rows_of,
)
from cartl_core.catalog.evaluations import attack_settings, own_ball
from cartl_core.errors import SpecError
from cartl_core.planning.evaluation import check_attack
from cartl_core.planning.networks.given_teacher import GivenTeacher
from cartl_core.spec import (
    AttackSpec,
    AutoRequest,
    BaselineRequest,
    DataSpec,
    JobRequest,
)
from cartl_core.spec.arm import AUTO, MOST_CANDIDATES, Arm, AutoSpec, LeftOut
from cartl_core.spec.faults import build

Asked = CandidateFacts | BaselineRequest


class Maker(Protocol):
    """Makes an arm of a row of the catalog, or of what a person wrote."""

    def __call__(self, asked: Asked, freeze_depth: int, where: str) -> Arm:
        """The arm; ``where`` is the path of its settings, for errors."""
        ...


def is_auto(request: JobRequest) -> bool:
    """Whether a run is to choose something."""
    return AUTO in (request.method, request.freeze_depth)


def resolve_auto(
    request: JobRequest, target: DataSpec, blocks: int, make: Maker, teacher: GivenTeacher | None = None
) -> AutoSpec | None:
    """The candidates of ``request``, each with all its settings; None where nothing is left to choose.

    Args:
        blocks: of the network, the head included.
        make: makes the arms.
        teacher: given; candidates of the catalog that it rules out are left out.

    Raises:
        SpecError: a candidate does not fit the job, or there are too many or none.
    """
    if not is_auto(request):
        if request.auto is not None:
            raise SpecError(
                "auto", "nothing is left to choose", allowed="only where method or freeze_depth is auto"
            )
        return None
    asked = request.auto or AutoRequest()
    rows, left_out = _from_catalog(request, teacher)
    if asked.candidates is not None:
        left_out = _still_left_out(asked, teacher)
    return AutoSpec(
        margin=asked.margin,
        lead=asked.lead,
        attack=_attack(asked, target),
        validation_images=asked.validation_images or VALIDATION_IMAGES,
        candidates=_candidates(request, rows, blocks, make),
        left_out=left_out,
    )


def _attack(asked: AutoRequest, target: DataSpec) -> AttackSpec:
    """PGD at the data set's own radius, or what was written; fit for so many classes."""
    written: dict[str, Any] = asked.attack.model_dump(exclude_unset=True) if asked.attack else {}
    row = {"label": "selection", "steps": SELECTION_STEPS, **written}
    attack = build(AttackSpec, attack_settings(row, own_ball(facts_of(target))), "auto.attack")
    check_attack("auto.attack", attack, target)
    return attack


def _candidates(
    request: JobRequest, catalog: tuple[CandidateFacts, ...], blocks: int, make: Maker
) -> tuple[Arm, ...]:
    """Distinct arms in the order of the rows; plain transfer at each of their depths is among them."""
    found: dict[Arm, None] = {}
    for asked, depth, where in _rows(request, catalog, blocks):
        found.setdefault(make(asked, depth, where))
    covered = {arm.freeze_depth for arm in found if arm.method == PLAIN}
    for depth in sorted({arm.freeze_depth for arm in found} - covered):
        found.setdefault(make(CandidateFacts(PLAIN), depth, ""))
    if len(found) > MOST_CANDIDATES:
        raise SpecError(
            "auto.candidates",
            f"{len(found)} candidates, plain transfer at each of their depths included",
            allowed=f"1 to {MOST_CANDIDATES}",
        )
    return tuple(found)


def _rows(
    request: JobRequest, catalog: tuple[CandidateFacts, ...], blocks: int
) -> Iterator[tuple[Asked, int, str]]:
    """What is to be tried, at which depth, and where that was said."""
    written = request.auto.candidates if request.auto else None
    if written is None:
        for row in catalog:
            # Of a person's own method, or of a depth that nothing fits, the error says why.
            stays = request.method != AUTO or row.method == PLAIN
            allowed = METHODS[row.method].depths(blocks)
            yield from ((row, depth, "") for depth in _depths(request, blocks) if stays or depth in allowed)
        return
    for index, asked in enumerate(written):
        where = f"auto.candidates.{index}."
        _check_candidate(request, asked, where)
        own = METHODS[asked.method].own_depth(blocks) if request.freeze_depth == AUTO else None
        depths = _depths(request, blocks) if own is None else (own,)
        if asked.freeze_depth is not None:
            depths = (asked.freeze_depth,)
        yield from ((asked, depth, where) for depth in depths)


def _from_catalog(
    request: JobRequest, teacher: GivenTeacher | None
) -> tuple[tuple[CandidateFacts, ...], tuple[LeftOut, ...]]:
    """Every row; with a method of the person's own those of that method, and plain transfer.

    And what a given teacher rules out of them. A method that a person named is not left out but refused.
    """
    if request.method != AUTO:
        return rows_of(request.method), ()
    kept, left_out = [], []
    for row in CANDIDATES:
        why = teacher.ruled_out(row) if teacher else None
        if why is None:
            kept.append(row)
        else:
            left_out.append(LeftOut(method=row.method, why=why))
    return tuple(kept), tuple(left_out)


def _still_left_out(asked: AutoRequest, teacher: GivenTeacher | None) -> tuple[LeftOut, ...]:
    """What was left out when these candidates were resolved."""
    if asked.left_out and teacher is None:
        raise SpecError("auto.left_out", "no `teacher` is given", allowed="leave it out")
    return asked.left_out


def _depths(request: JobRequest, blocks: int) -> tuple[int, ...]:
    return depths_to_try(blocks) if request.freeze_depth == AUTO else (request.freeze_depth,)


def _check_candidate(request: JobRequest, asked: BaselineRequest, where: str) -> None:
    """What the job leaves no choice of, its candidates cannot choose."""
    methods = METHODS if request.method == AUTO else dict.fromkeys((request.method, PLAIN))
    if asked.method not in methods:
        raise SpecError(f"{where}method", f"the job's method is {request.method}", allowed=", ".join(methods))
    if request.freeze_depth != AUTO and asked.freeze_depth not in (None, request.freeze_depth):
        raise SpecError(
            f"{where}freeze_depth",
            f"the job's freeze depth is {request.freeze_depth}",
            allowed=f"{request.freeze_depth}, or leave it out",
        )
