"""Reads stored reports of every schema: those of schema 1 held sentences, which become numbers and codes.

What a sentence of schema 1 said is found again by saying everything that the report's numbers allow, and
taking what gives the same sentence. One that nothing gives is kept word for word as an ``other`` notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from cartl_core.render import numbers, phrases
from cartl_core.render.schema_1_checks import convert_arm_checks, convert_evidence, convert_figures
from cartl_core.render.schema_1_notices import read_notice
from cartl_core.render.sentences import selection_outcome
from cartl_core.render.sentences.making import frozen_part, learning
from cartl_core.report import ArmReport, Notice, Report
from cartl_core.report.making import FrozenPart, LearnedFrom, learned_from
from cartl_core.report.notices import OtherNotice
from cartl_core.spec import JobSpec

Stored = Mapping[str, Any]

_WIDER = "A wider margin takes what is more robust:"
_STEP = re.compile(r"(\d+(?:\.\d+)?(?:e-\d+)?) takes .*?\(number (\d+)\)")


def read_report(stored: Stored) -> Report:
    """A report from its JSON, whichever schema it was written in.

    Raises:
        pydantic.ValidationError: it is no report.
    """
    if stored.get("schema_version") != 1:
        return Report.model_validate(stored)
    known = Report.model_validate(_numbers_of(stored))
    return _with_codes(known, stored)


def read_report_text(text: str) -> Report:
    """The same from JSON text; faster for a report of today, which need not become a dictionary first.

    Raises:
        pydantic.ValidationError: it is no report.
    """
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return read_report(json.loads(text))


def _numbers_of(stored: Stored) -> dict[str, Any]:
    """All of a report of schema 1 but its sentences."""
    return _without(stored, "headline", "warnings") | {
        "schema_version": 2,
        "teachers": [_teacher(teacher, stored["spec"]) for teacher in stored.get("teachers", ())],
        "selection": _selection(stored["selection"]) if stored.get("selection") else None,
        "student": _arm(stored["student"]) if stored.get("student") else None,
        "baselines": [_arm(arm) for arm in stored.get("baselines", ())],
        "evidence": convert_evidence(stored.get("evidence")),
    }


def _arm(stored: Stored) -> dict[str, Any]:
    return (
        {"validation": None, "history": None}
        | _without(_figures_of(stored), "frozen", "learned")
        | {
            "kept": _without(stored["kept"], "words") if stored.get("kept") else None,
            "checks": convert_arm_checks(list(stored.get("checks", ()))),
            "comparisons": [_without(found, "words") for found in stored.get("comparisons", ())],
        }
    )


def _teacher(stored: Stored, spec: Stored) -> dict[str, Any]:
    """A teacher; where its history was not stored, one without epochs."""
    pretrain: Stored = next(
        (arm["pretrain"] for arm in _arms(spec) if arm["pretrain"]["objective"] == stored["objective"]), {}
    )
    unknown = {
        "select": pretrain.get("select", "last"),
        "select_margin": pretrain.get("select_margin", 0.0),
        "attack": pretrain.get("attack"),
        "selected_epoch": stored["selected_epoch"],
        "front": [],
        "epochs": [],
    }
    return {**_figures_of(stored), "history": stored.get("history") or unknown}


def _arms(spec: Stored) -> list[Stored]:
    """The arms of a stored specification, candidates included."""
    own = [spec["arm"]] if spec.get("arm") else list((spec.get("auto") or {}).get("candidates", ()))
    return [*own, *spec.get("baselines", ())]


def _figures_of(stored: Stored) -> dict[str, Any]:
    """A teacher or a student with its figures converted; who made what was found is not known."""
    reused = bool(stored.get("reused", False))
    return {
        **stored,
        "figures": convert_figures(stored["figures"]) if stored.get("figures") else None,
        "reused": reused,
        "origin": {"made_by": "unknown" if reused else "this_attempt", "seconds": None},
    }


def _selection(stored: Stored) -> dict[str, Any]:
    promise = stored.get("promise")
    _, _, wider = (stored.get("words") or "").partition(_WIDER)
    return {
        "lead": 0.0,
        **_without(stored, "rule", "words"),
        "wider": [
            {"margin": float(margin), "number": int(number)} for margin, number in _STEP.findall(wider)
        ],
        "promise": _promise(promise) if promise else None,
    }


def _promise(stored: Stored) -> dict[str, Any]:
    compared = {
        name: _without(stored[name], "words") if stored.get(name) else None for name in ("robust", "clean")
    }
    return _without(stored, "words") | compared


def _without(stored: Stored, *names: str) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name not in names}


def _with_codes(known: Report, stored: Stored) -> Report:
    """``known`` with what the sentences of ``stored`` say."""
    arms = [arm for arm in (known.student, *known.baselines) if arm]
    written = [arm for arm in (stored.get("student"), *stored.get("baselines", ())) if arm]
    pairs = list(zip(arms, written, strict=True))
    spec = known.spec
    tried = spec.arms if isinstance(spec, JobSpec) else ()
    learnable = [source for arm in tried for source in learned_from(arm.transfer)]
    made = [_made(arm, arm_written, learnable) for arm, arm_written in pairs]
    coded = [arm for arm, _ in made]
    derived = set(_derived(stored, pairs))
    said = [sentence for sentence in stored.get("warnings", ()) if sentence not in derived]
    warnings = (
        *(read_notice(sentence, known) for sentence in said),
        *(notice for _, unknown in made for notice in unknown),
        *_lost_margins(known, stored),
    )
    student, baselines = (coded[0], coded[1:]) if known.student else (None, coded)
    return known.model_copy(update={"warnings": warnings, "student": student, "baselines": tuple(baselines)})


def _made(
    arm: ArmReport, stored: Stored, learnable: Sequence[LearnedFrom]
) -> tuple[ArmReport, tuple[Notice, ...]]:
    """A student with the codes of how it was made, and what there is no code for."""
    parts: dict[str, FrozenPart] = {
        frozen_part(part, arm.freeze_depth or 0, arm.blocks): part for part in get_args(FrozenPart)
    }
    sources = {learning(found): found for found in learnable}
    frozen, learned = stored.get("frozen", ()), stored.get("learned", ())
    update = {
        "frozen": tuple(parts[clause] for clause in frozen if clause in parts),
        "learned": tuple(sources[clause] for clause in learned if clause in sources),
    }
    name = numbers.capital(phrases.arm(arm))
    unknown = (
        *(f"{name}, held fixed: {clause}." for clause in frozen if clause not in parts),
        *(f"{name}, learned from: {clause}." for clause in learned if clause not in sources),
    )
    return arm.model_copy(update=update), tuple(OtherNotice(text=text) for text in unknown)


def _derived(stored: Stored, arms: Sequence[tuple[ArmReport, Stored]]) -> Iterator[str]:
    """Warnings of schema 1 that say again what the report says elsewhere: the promise, and failed checks."""
    selection = stored.get("selection") or {}
    promise = selection.get("promise")
    if promise:
        yield promise["words"]
    for arm, written in arms:
        for check in written.get("checks", ()):
            said = f"{check['words']} {check.get('advice') or ''}".strip()
            yield f"A check of {phrases.arm(arm)} failed ({check['title']}): {said}"


def _lost_margins(known: Report, stored: Stored) -> tuple[Notice, ...]:
    """What was said of wider margins, where it could not be read: the report has it nowhere else."""
    said = (stored.get("selection") or {}).get("words") or ""
    _, found, wider = said.partition(_WIDER)
    if not found or (selection_outcome(known) or "").endswith(found + wider):
        return ()
    return (OtherNotice(text=found + wider),)
